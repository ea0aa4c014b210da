"""Which encoders fit what a person looks for, in which order, and the table that shows them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.encoders.files import weights
from core.encoders.partners import order
from core.encoders.registry import encoders
from core.encoders.spec import EncoderSpec
from core.heads import store
from core.plots.style import REGIME_NAMES
from core.tasks import tasks

PACKAGED, FETCHED, YOURS, TO_FETCH, MISSING = "packaged", "fetched", "yours", "to fetch", "missing"
HERE = (PACKAGED, FETCHED, YOURS)
"""States in which an encoder runs with no download."""

WITH_HEAD, ON_MACHINE, COMMERCIAL = "with a head", "on this machine", "commercial use allowed"
ONLY = (WITH_HEAD, ON_MACHINE, COMMERCIAL)


def state(spec: EncoderSpec) -> str:
    """Where an encoder with its published heads is."""
    here = all(weights.is_here(file) for file in spec.files)
    if spec.weights.packaged:
        return PACKAGED if here else MISSING
    if not spec.weights.url:
        return YOURS if here else MISSING
    return FETCHED if here else TO_FETCH


def headless() -> list[str]:
    """Ids of the encoders that run with no download and have no head for any task, in the order of pickers."""
    return order(id for id, spec in encoders().items() if state(spec) in HERE and not store.tasks_of(spec))


def commercial(spec: EncoderSpec) -> str:
    """Whether the licence of the weights allows commercial use: `yes`, `no` or `unknown`."""
    if spec.non_commercial:
        return "no"
    unsure = spec.licence == "unknown" or "research-use" in spec.licence
    return "unknown" if unsure else "yes"


def network_name(spec: EncoderSpec) -> str:
    """The network as people write it, such as ViT-B/16."""
    return spec.label.partition(" · ")[0]


FACETS: dict[str, Callable[[EncoderSpec], str]] = {
    "regime": lambda spec: spec.regime,
    "line": lambda spec: spec.line,
    "method": lambda spec: spec.method,
    "architecture": network_name,
    "data": lambda spec: spec.pretraining.data,
    "licence": lambda spec: spec.licence,
}
"""What encoders are filtered by."""


def _size(spec: EncoderSpec) -> float | None:
    known = [file.megabytes for file in spec.files if file.megabytes]
    # The size of a head alone would say nothing.
    return round(sum(known), 1) if spec.weights.megabytes else None


SORTS: dict[str, Callable[[EncoderSpec], float | None]] = {
    "linear": lambda spec: spec.published.linear,
    "k-NN": lambda spec: spec.published.knn,
    "with labels": lambda spec: spec.published.supervised,
    "size": lambda spec: -size if (size := _size(spec)) else None,
}
"""What encoders are sorted by, the largest value first and unknown ones last; beside `default` and `name`."""
SORT_NAMES = ("default", *SORTS, "name")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for; what is empty asks for nothing.

    Attributes:
        facets: the values wanted of each of `FACETS`; one of them is enough.
        only: some of `ONLY`; all of them are required.
        query: words that must all stand in id, label, method, network, data, paper, or a name in the literature.
    """

    facets: dict[str, tuple[str, ...]]
    only: tuple[str, ...] = ()
    query: str = ""


def values(facet: str) -> list[str]:
    """The values a facet has in the catalog, the most frequent first."""
    counts: dict[str, int] = {}
    for spec in encoders().values():
        value = FACETS[facet](spec)
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts, key=lambda value: (-counts[value], value.casefold()))


def _words(spec: EncoderSpec) -> str:
    parts = (
        *(spec.id, spec.label, spec.method, spec.regime, spec.architecture, spec.paper, spec.licence),
        *(spec.pretraining.data, *spec.covers),
    )
    return " ".join(parts).casefold()


def fits(spec: EncoderSpec, wanted: Wanted) -> bool:
    """Whether an encoder is what a person looks for."""
    return (
        all(not asked or FACETS[facet](spec) in asked for facet, asked in wanted.facets.items())
        and all(word in _words(spec) for word in wanted.query.casefold().split())
        and (COMMERCIAL not in wanted.only or commercial(spec) == "yes")
        and (WITH_HEAD not in wanted.only or bool(store.tasks_of(spec)))
        and (ON_MACHINE not in wanted.only or state(spec) in HERE)
    )


def choose(wanted: Wanted, sort: str = "default") -> list[EncoderSpec]:
    """The encoders that fit, in the order of pickers or by one of `SORT_NAMES`."""
    known = encoders()
    found = [spec for id in order(known) if fits(spec := known[id], wanted)]
    if sort == "name":
        return sorted(found, key=lambda spec: spec.label.casefold())
    if sort in SORTS:
        numbers = {spec.id: SORTS[sort](spec) for spec in found}
        ranks = {id: float("inf") if number is None else -number for id, number in numbers.items()}
        return sorted(found, key=lambda spec: ranks[spec.id])
    return found


def row(spec: EncoderSpec) -> dict[str, Any]:
    """One encoder as a row of the table; what nobody knows is None."""
    heads = store.tasks_of(spec)
    known = tasks()
    return {
        "id": spec.id,
        "encoder": spec.label,
        "regime": REGIME_NAMES[spec.regime],
        "method": spec.method,
        "linear": spec.published.linear,
        "k-NN": spec.published.knn,
        "with labels": spec.published.supervised,
        "data": spec.pretraining.data,
        "epochs": spec.pretraining.epochs,
        "MB": _size(spec),
        "licence": spec.licence + (" (NC)" if spec.non_commercial else ""),
        "head": known[heads[0]].label if len(heads) == 1 else f"{len(heads)} tasks" if heads else "",
        "state": state(spec),
        "line": spec.line,
    }


def table(specs: Iterable[EncoderSpec]) -> pd.DataFrame:
    """One row an encoder: names, lineage, published ImageNet top-1 in percent, size, licence, heads, and state."""
    found = pd.DataFrame([row(spec) for spec in specs])
    if found.empty:
        return found
    numbers = ["epochs", "linear", "k-NN", "with labels", "MB"]
    return found.astype(dict.fromkeys(numbers, "float64")).astype({"epochs": "Int64"})
