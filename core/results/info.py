"""A study as its manifest describes it, and what keeps a manifest from being read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.datasets.spec import DOMAINS, METRICS
from core.results import schema
from core.text import spoken

ANSWERS = "answers"
"""The measure that protocols make: what a contender answers to every test sample."""


@dataclass(frozen=True, slots=True, eq=False)
class StudyInfo:
    """A study as its manifest describes it; equal are those of one version.

    Attributes:
        id: name of its folder.
        address: of the folder.
        manifest: as a study writes it (its own README says how).
    """

    id: str
    address: str
    manifest: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StudyInfo) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    @property
    def title(self) -> str:
        """As people read it."""
        return str(self.manifest.get("title") or self.id)

    @property
    def version(self) -> str:
        """Changes whenever the study does: what caches key on."""
        return f"{self.address}@{self.manifest['updated']}"

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """By id: `label`, `domain`, `metric`, `classes` (as people say them), `samples` by part, `address`, …"""
        sets = self.manifest["datasets"].items()
        return {id: about | {"classes": list(spoken(about["classes"]))} for id, about in sets}

    @property
    def encoders(self) -> dict[str, dict[str, Any]]:
        """By id: `label`, `regime`, `family`, `method`, `architecture`, `weights`, `data`, `epochs`, …"""
        return dict(self.manifest["encoders"])

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """By cell id: `encoder`, `dataset`, `protocol`, `seed`, `measure` (absent: answers), `state` (`done`,
        `failed`, `waiting`), `reason`, `facts`."""
        return dict(self.manifest["cells"])

    def by_domain(self) -> list[str]:
        """Ids of the data sets: source, similar, different, unknown, and within these as the study names them."""
        known = self.manifest["datasets"]
        return sorted(known, key=lambda id: DOMAINS.index(known[id]["domain"]))

    def done(
        self,
        protocol: str | None = None,
        encoders: Collection[str] | None = None,
        datasets: Collection[str] | None = None,
        measure: str = ANSWERS,
    ) -> list[str]:
        """Ids of the finished cells of a measure, in the manifest's order; None stands for all."""
        return [
            id
            for id, cell in self.manifest["cells"].items()
            if cell["state"] == "done"
            and cell.get("measure", ANSWERS) == measure
            and protocol in (None, cell["protocol"])
            and (encoders is None or cell["encoder"] in encoders)
            and (datasets is None or cell["dataset"] in datasets)
        ]

    def measured(self, measure: str, encoders: Collection[str], protocol: str | None = None) -> list[str]:
        """Ids of the data sets on which a measure is finished for all of some encoders, by domain.

        Args:
            measure: id; `ANSWERS` for what protocols give.
            protocol: of the answers; None for any.
        """
        cells = self.cells
        there = {(cells[id]["dataset"], cells[id]["encoder"]) for id in self.done(protocol, measure=measure)}
        return [id for id in self.by_domain() if all((id, encoder) in there for encoder in encoders)]

    def seeds_of(self, encoder: str, dataset: str, protocol: str) -> int:
        """How many seeds of a contender on a data set are finished."""
        return len(self.done(protocol, (encoder,), (dataset,)))


def fault(table: Any) -> str | None:
    """What keeps a manifest from being read, as the end of a sentence; None when nothing does."""
    if not isinstance(table, dict) or "schema" not in table:
        return "its manifest.json is not one of a study"
    if table["schema"] not in schema.READABLE:
        return (
            f"it was made by another version of Invariscope (layout {table['schema']}; this one reads "
            f"{schema.VERSION}): run it again, or open it with that version"
        )
    if table["schema"] > 1 and table != schema.sealed(table):
        return "its manifest.json is damaged: run the study again, which keeps the cells that are whole"
    try:
        whole = _is_whole(table)
    except (KeyError, AttributeError, TypeError, ValueError):
        whole = False
    return None if whole else "its manifest.json is incomplete: run the study again"


def _is_whole(table: dict[str, Any]) -> bool:
    """Whether a manifest has what is read of it, each of its type."""
    encoders, datasets = table["encoders"], table["datasets"]
    datetime.fromisoformat(table["updated"])
    whole = _all(str, table["protocols"]) and isinstance(table.get("title", ""), str)
    whole &= _all(str, table.get("unopened", {}).values()) and isinstance(table.get("machine", {}), dict)
    whole &= isinstance(table.get("versions", {}), dict)
    for about in encoders.values():
        whole &= _all(str, (about["label"], about["regime"], about["family"]))
    for about in datasets.values():
        whole &= about["domain"] in DOMAINS and about["metric"] in METRICS
        whole &= _all(str, (about["label"], about["fingerprint"], *about["classes"]))
        whole &= isinstance(about["classes"], list) and _all(int, about["samples"].values())
    for id, cell in table["cells"].items():
        whole &= cell["encoder"] in encoders and cell["dataset"] in datasets
        whole &= isinstance(cell["seed"], int) and cell["state"] in ("done", "failed", "waiting")
        whole &= isinstance(cell["protocol"], str) and isinstance(cell.get("measure", ""), str)
        whole &= "/" not in id and "\\" not in id
        whole &= isinstance(cell.get("facts", {}), dict) and isinstance(cell.get("reason", ""), str)
        whole &= _all(str, cell.get("sha256", {}).values())
    return bool(whole)


def _all(kind: type, values: Iterable[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)
