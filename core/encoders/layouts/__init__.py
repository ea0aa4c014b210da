"""How a network is cut at the attributed map, by name; a catalog entry says which."""

from core.encoders.layouts import maps, tokens
from core.encoders.layouts.base import Layout

LAYOUTS: dict[str, Layout] = {
    "map": Layout(maps.trunk, maps.pool, average="avg"),
    # Of all others no recipe is an average: attention or a normalisation lies between the map and the feature.
    "tokens": Layout(tokens.class_trunk, tokens.class_pool),
    "pooled-tokens": Layout(tokens.pooled_trunk, tokens.pooled_pool),
    "class-attention": Layout(tokens.patch_trunk, tokens.class_attention_pool),
}
