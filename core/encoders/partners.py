"""Which encoders to compare with which, and what such a comparison does not control."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from core.encoders.registry import CATALOG, card, encoders, untagged
from core.encoders.spec import LINES, EncoderSpec, Preprocessing, Regime

SHOWN = 3
"""Partners that `closest` gives."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Encoders of one architecture, on both sides of the divide, that are worth looking at first.

    Attributes:
        ids: the supervised one, the self-supervised one, and further ones.
        why: the reason for this comparison, in a sentence.
    """

    ids: tuple[str, ...]
    why: str


COMPARISONS = tuple(
    Comparison(tuple(table["ids"]), table["why"])
    for table in tomllib.loads((CATALOG / "comparisons.toml").read_text(encoding="utf-8"))["comparisons"]
)
TAUGHT_BY: dict[Regime, str] = {
    "supervised": "class labels",
    "self-supervised": "no labels",
    "self-supervised-fine-tuned": "no labels, then class labels",
    "semi-supervised": "class labels and pseudo-labels",
    "semi-weakly-supervised": "hashtags, then class labels",
    "weakly-supervised": "noisy labels",
    "vision-language": "captions",
    "distilled": "several teacher networks",
    "unknown": "nobody said what",
    "random": "nothing",
}
OPTIONS = {
    "num_heads": "attention heads",
    "img_size": "input size of the network",
    "window_size": "window size",
    "patch_size": "patch size",
}
"""Options that make another network, in words; the others choose how its output is pooled."""
POOLINGS = {
    "avg": "average of the map",
    "gem3": "generalised mean of the map",
    "token": "class token",
    "cls4": "class tokens of the last four blocks",
    "cls4-mean": "class tokens of the last four blocks and mean of the patches",
    "cls-mean": "class token and mean of the patches",
    "cls-mean-interleaved": "class token and mean of the patches, interleaved",
}


@dataclass(frozen=True, slots=True)
class Partner:
    """An encoder to compare another one with, and what then is not controlled."""

    spec: EncoderSpec
    differences: tuple[str, ...]


def network(spec: EncoderSpec) -> str:
    """The network's name without the tag of its weights; DeiT's networks are plain vision transformers."""
    return re.sub(r"^deit_(tiny|small|base)_(?=patch)", r"vit_\1_", untagged(spec.architecture))


def _known(value: object) -> str:
    return "unknown" if value in (None, "", "unknown") else str(value)


def _against(what: str, first: object, second: object) -> list[str]:
    """The difference in words; what is unknown of both is no agreement."""
    a, b = _known(first), _known(second)
    if a == b == "unknown":
        return [f"{what} (unknown for both)"]
    return [] if a == b else [f"{what} ({a} against {b})"]


def _options(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    a, b = dict(first.options), dict(second.options)
    usual = "the network's usual"
    return [text for key, name in OPTIONS.items() for text in _against(name, a.get(key, usual), b.get(key, usual))]


def _preprocessing(first: Preprocessing, second: Preprocessing) -> list[str]:
    told = [
        f"{x} against {y}"
        for x, y in (
            (f"{first.size} px", f"{second.size} px"),
            (f"short side {first.resize}", f"short side {second.resize}"),
            (first.interpolation, second.interpolation),
        )
        if x != y
    ]
    told += ["normalisation"] if (first.mean, first.std) != (second.mean, second.std) else []
    return [f"input preprocessing ({', '.join(told)})"] if told else []


def _optimisation(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    """Batch, learning rate and the like: known of packaged encoders, of others only who chose them."""
    if not (first.weights.packaged and second.weights.packaged):
        return ["optimisation settings (each recipe its own)"] if first.paper != second.paper else []
    keys = ("batch", "learning_rate", "weight_decay", "warmup", "sizes")
    a, b = (card(spec.id).get("recipe", {}) for spec in (first, second))
    return ["optimisation settings"] if [a.get(key) for key in keys] != [b.get(key) for key in keys] else []


def _labels(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    """What else than images was seen, where it is more than the difference between SSL and SL itself."""
    if {first.regime, second.regime} <= {"supervised", "self-supervised"}:
        return []
    return _against("labels seen", TAUGHT_BY[first.regime], TAUGHT_BY[second.regime])


def training_differences(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    """What differs between two encoders besides the regime, their heads left aside; empty for a controlled pair."""
    return [
        *_against("architecture", network(first), network(second)),
        *_options(first, second),
        *_labels(first, second),
        *_against("pre-training images", first.pretraining.data, second.pretraining.data),
        *_against("epochs", first.pretraining.epochs, second.pretraining.epochs),
        *_against("training augmentation", first.pretraining.augmentation, second.pretraining.augmentation),
        *_optimisation(first, second),
        *_preprocessing(first.preprocessing, second.preprocessing),
    ]


def _pooled(spec: EncoderSpec, recipe: str) -> str:
    # What timm's networks with a map do before their classifier is to average it.
    return POOLINGS["avg"] if recipe == "head" and spec.layout == "map" else POOLINGS.get(recipe, "the network's own")


def _head(spec: EncoderSpec) -> str:
    if not spec.heads:
        return "none published"
    with_it = spec.regime in ("supervised", "self-supervised-fine-tuned", "semi-supervised", "semi-weakly-supervised")
    return "trained together with the encoder" if with_it else "a probe on the frozen encoder"


def _heads(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    if first.weights.packaged and second.weights.packaged:
        return []
    tasks = [head.task for head in first.heads if any(head.task == other.task for other in second.heads)]
    if not tasks:
        return [
            *_against("head", _head(first), _head(second)),
            *_against("pooled feature", _pooled(first, first.pooling), _pooled(second, second.pooling)),
        ]
    a, b = (next(head for head in spec.heads if head.task == tasks[0]) for spec in (first, second))
    return [
        *(_against("head", _head(first), _head(second)) or ["head protocol (each published with its encoder)"]),
        *_against("what the head reads", _pooled(first, a.pooling), _pooled(second, b.pooling)),
    ]


def differences(first: EncoderSpec, second: EncoderSpec) -> list[str]:
    """What is not controlled between two entries besides the regime, in words; what is unknown is named as unknown.

    Architecture and its options, labels seen, images, epochs, augmentation, optimisation, preprocessing, and the heads
    as published. Empty for a controlled pair.
    """
    return training_differences(first, second) + _heads(first, second)


def _across(spec: EncoderSpec) -> tuple[str, ...]:
    """The families on the other side of the divide; who learned from neither labels nor images alone has two."""
    return {"SSL": ("SL",), "SL": ("SSL",), "other": ("SSL", "SL")}.get(spec.family, ())


def _is_published(spec: EncoderSpec) -> bool:
    return bool(spec.weights.url)


def closest(spec: EncoderSpec, count: int = SHOWN) -> list[Partner]:
    """The nearest partners of an encoder across the divide between SSL and SL, the nearest first.

    The same network comes before the same line and width, then the same images, then the other one of a default
    comparison, then the fewest differences; among equals the one with a head, in the order of pickers. The packaged
    family is compared among itself. Untrained encoders have no partner: they are a floor.

    Args:
        spec: the encoder.
        count: how many at most.
    """
    known, sides = encoders(), _across(spec)
    mates = {id for comparison in COMPARISONS if spec.id in comparison.ids for id in comparison.ids}
    ranked = []
    for at, other in enumerate(known[id] for id in order(known)):
        same_shelf = other.weights.packaged if spec.weights.packaged else _is_published(other)
        if other.family not in sides or other.id == spec.id or not same_shelf:
            continue
        found = tuple(differences(spec, other))
        rank = (
            network(spec) != network(other) or bool(_options(spec, other)),
            (spec.line, spec.feature_dim) != (other.line, other.feature_dim),
            spec.line != other.line,
            spec.pretraining.data != other.pretraining.data,
            other.id not in mates,
            len(found),
            not other.heads,
            at,
        )
        ranked.append((rank, Partner(other, found)))
    return [partner for _, partner in sorted(ranked, key=lambda item: item[0])[:count]]


def order(ids: Iterable[str]) -> list[str]:
    """Known ids in the order of every picker: packaged, a person's own, the default comparisons, by line."""
    known = encoders()
    compared = list(dict.fromkeys(id for comparison in COMPARISONS for id in comparison.ids))

    def rank(id: str) -> tuple[int, int]:
        spec = known[id]
        if spec.weights.packaged:
            return 0, 0
        if not _is_published(spec):
            return 1, 0
        return (2, compared.index(id)) if id in compared else (3, LINES.index(spec.line))

    positions = {id: at for at, id in enumerate(known)}
    return sorted((id for id in ids if id in known), key=lambda id: (*rank(id), positions[id]))
