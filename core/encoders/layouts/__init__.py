"""How a network is cut at the attributed map, by name; a catalog entry says which."""

from core.encoders.layouts.base import Layout, TrunkOutput
from core.encoders.layouts.maps import MapLayout
from core.encoders.layouts.tokens import ClassAttentionLayout, PooledTokenLayout, TokenLayout

LAYOUTS: dict[str, Layout] = {
    "map": MapLayout(),
    "tokens": TokenLayout(),
    "pooled-tokens": PooledTokenLayout(),
    "class-attention": ClassAttentionLayout(),
}

__all__ = ["LAYOUTS", "ClassAttentionLayout", "Layout", "MapLayout", "PooledTokenLayout", "TokenLayout", "TrunkOutput"]
