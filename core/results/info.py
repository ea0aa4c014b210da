"""A study as its manifest describes it, and what keeps a manifest from being read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from core.datasets.spec import DOMAINS, METRICS
from core.results import schema


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """A study as its manifest describes it.

    Attributes:
        id: name of its folder.
        address: of the folder.
        manifest: as `core.study.manifest` writes it.
    """

    id: str
    address: str
    manifest: dict[str, Any]

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
        """By id: `label`, `domain`, `metric`, `classes` (names), `samples` by part, `address`, `fingerprint`, …"""
        return dict(self.manifest["datasets"])

    @property
    def encoders(self) -> dict[str, dict[str, Any]]:
        """By id: `label`, `regime`, `family`, `method`, `architecture`, `weights`, `data`, `epochs`, …"""
        return dict(self.manifest["encoders"])

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """By cell id: `encoder`, `dataset`, `protocol`, `seed`, `state` (`done`, `failed`, `waiting`), `reason`,
        `facts`."""
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
    ) -> list[str]:
        """Ids of the finished cells, in the manifest's order; None stands for all."""
        return [
            id
            for id, cell in self.manifest["cells"].items()
            if cell["state"] == "done"
            and protocol in (None, cell["protocol"])
            and (encoders is None or cell["encoder"] in encoders)
            and (datasets is None or cell["dataset"] in datasets)
        ]

    def seeds_of(self, encoder: str, dataset: str, protocol: str) -> int:
        """How many seeds of a contender on a data set are finished."""
        return len(self.done(protocol, (encoder,), (dataset,)))


STATES = ("done", "failed", "waiting")
KINDS: dict[str, type] = {
    **dict.fromkeys(("title", "updated", "label", "regime", "family", "fingerprint", "protocol", "reason"), str),
    **dict.fromkeys(("versions", "machine", "unopened", "options", "samples", "facts"), dict),
    **dict.fromkeys(("protocols", "classes"), list),
    "seed": int,
}
"""What stands under a name in a manifest, wherever it does; lists are of names."""


def _typed(table: dict[str, Any]) -> bool:
    """Whether what is known of a table's values holds."""
    named = all(isinstance(item, str) for key in ("protocols", "classes") for item in table.get(key, ()))
    return named and all(isinstance(table[key], kind) for key, kind in KINDS.items() if key in table)


def fault(table: Any) -> str | None:
    """What keeps a manifest from being read, as the end of a sentence; None when nothing does."""
    if not isinstance(table, dict) or "schema" not in table:
        return "its manifest.json is not one of a study"
    if table["schema"] != schema.VERSION:
        return (
            f"it was made by another version of Invariscope (layout {table['schema']}; this one reads "
            f"{schema.VERSION}): run it again, or open it with that version"
        )
    try:
        encoders, datasets = table["encoders"], table["datasets"]
        whole = _typed(table) and {"updated", "protocols"} <= table.keys()
        for about in encoders.values():
            whole &= _typed(about) and {"label", "regime", "family"} <= about.keys()
        for about in datasets.values():
            whole &= about["domain"] in DOMAINS and about["metric"] in METRICS
            whole &= _typed(about) and {"label", "classes", "samples", "fingerprint"} <= about.keys()
        for id, cell in table["cells"].items():
            whole &= cell["encoder"] in encoders and cell["dataset"] in datasets
            whole &= _typed(cell) and {"protocol", "seed"} <= cell.keys() and cell["state"] in STATES
            whole &= "/" not in id and "\\" not in id
    except (KeyError, AttributeError, TypeError):
        whole = False
    return None if whole else "its manifest.json is incomplete: run the study again"
