"""A study of the untrained packaged encoder on two small folders, for tests of how studies are run."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from study_folders import folder

from core.results import reading, store
from core.study.engines.base import Setup
from core.study.plan import Plan

DATASETS = ("folder:near?domain=source", "folder:far?domain=different")
MEASURES = ("answers", "invariance", "attribution", "geometry")
FEW: dict[str, dict[str, Any]] = {
    "invariance": {"samples": 10, "strengths": 2, "augmentations": ["rotation", "hue", "horizontal-flip"]},
    "attribution": {"samples": 10, "paths": 4},
    "geometry": {"samples": 20, "bank": 20},
    "few-shot": {"ways": 2, "shots": 2, "queries": 2, "episodes": 10},
    "fine-tune": {"steps": 4, "batch": 8, "rates": [0.01, 0.001]},
}
"""Options with which every measure and protocol ends within seconds."""


def toy_folders(root: Path) -> None:
    """The images of the study."""
    for name in ("near", "far"):
        folder(root / "data", name)


def toy_setup(root: Path, **changed: object) -> Setup:
    """The study `toy` below a folder."""
    facts: dict = {"encoders": ("random",), "datasets": DATASETS, "protocols": ("linear", "knn"), "seeds": 2}
    plan = Plan("toy", **(facts | changed))
    return Setup(plan, str(root / "results" / "toy"), root / "cache", root / "data", "cpu")


def everything(root: Path, **changed: object) -> Setup:
    """A study of every protocol and measure of a pair, with distances, on folders of its own."""
    if not (root / "data").exists():
        for name in ("near", "far"):
            folder(root / "data", name, test=14)  # the fewest that distances are measured of
    facts: dict = {"encoders": ("supervised", "simclr"), "seeds": 1, "measures": MEASURES, "options": FEW}
    return toy_setup(root, **(facts | {"protocols": ("linear", "knn", "few-shot", "fine-tune")} | changed))


def tables(out: str) -> dict[str, pd.DataFrame]:
    """Every table of a study by its place in the folder."""
    return {
        str(file.relative_to(out)): pq.read_table(file).to_pandas() for file in sorted(Path(out).rglob("*.parquet"))
    }


def cells_on_disk(setup: Setup) -> dict[str, int]:
    """Rows by cell."""
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(Path(setup.out).glob("cells/*.parquet"))}


def opened(setup: Setup) -> reading.Results:
    """The study for queries."""
    return reading.Results(store.study("toy", [str(Path(setup.out).parent)]))


def flip(path: Path, position: float, bit: int) -> bytes:
    """Turn one bit of a file over, at a share of its length; returns what it was."""
    whole = path.read_bytes()
    data = bytearray(whole)
    data[int(position * len(data))] ^= 1 << bit
    path.write_bytes(data)
    return whole
