"""A study of the untrained packaged encoder on two small folders, for tests of how studies are run."""

from pathlib import Path

import pyarrow.parquet as pq
from study_folders import folder

from core.results import reading, store
from core.study.engines.base import Setup
from core.study.plan import Plan

DATASETS = ("folder:near?domain=source", "folder:far?domain=different")


def toy_folders(root: Path) -> None:
    """The images of the study."""
    for name in ("near", "far"):
        folder(root / "data", name)


def toy_setup(root: Path, **changed: object) -> Setup:
    """The study `toy` below a folder."""
    facts: dict = {"encoders": ("random",), "datasets": DATASETS, "protocols": ("linear", "knn"), "seeds": 2}
    plan = Plan("toy", **(facts | changed))
    return Setup(plan, str(root / "results" / "toy"), root / "cache", root / "data", "cpu")


def cells_on_disk(setup: Setup) -> dict[str, int]:
    """Rows by cell."""
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(Path(setup.out).glob("cells/*.parquet"))}


def opened(setup: Setup) -> reading.Results:
    """The study for queries."""
    return reading.Results(store.study("toy", [str(Path(setup.out).parent)]))
