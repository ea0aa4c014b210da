"""Figures of a measured study worked out again from its Parquet files, with loops, pandas and NumPy alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from core.augmentations import AUGMENTATIONS as KNOWN
from core.results.info import StudyInfo

TRAINED = {"hue", "scale"}
"""What the cards of the pair name among the study's augmentations."""


def table(info: StudyInfo, kind: str, dataset: str, encoder: str) -> pd.DataFrame:
    """One cell's table as it lies on the disk."""
    measure = {"cells": "linear", "critical": "invariance", "features": "geometry"}.get(kind, kind)
    folder = Path(info.address.removeprefix("file://"))
    found = pq.read_table(folder / kind / f"{dataset}.{measure}.{encoder}.0.parquet").to_pandas()
    words = [name for name in found if isinstance(found[name].dtype, pd.CategoricalDtype)]
    return found.astype(dict.fromkeys(words, str))


def kept(rows: pd.DataFrame, way: str) -> pd.Series:
    """What is kept of each view, by way."""
    if way == "answers":
        return 1.0 - rows["flipped"].astype(float)
    if way == "drift":
        return 1.0 - rows["drift"].astype(float)
    return rows["map_stability" if way == "maps" else way].astype(float)


def floor_of(info: StudyInfo, dataset: str, encoder: str, way: str) -> float:
    if way in ("cosine", "centred", "whitened"):
        return info.cells[f"{dataset}.invariance.{encoder}.0"]["facts"][f"floor_{way}"]
    return 0.5 if way == "rank" else 0.0


def areas_by_hand(info: StudyInfo, dataset: str, encoder: str, way: str) -> dict[tuple[str, str], float]:
    """Area by augmentation and image: seeds first averaged, then trapezoids from the identity, where all is kept."""
    rows = table(info, "invariance", dataset, encoder)
    rows["v"] = kept(rows, way)
    floor, found = floor_of(info, dataset, encoder, way), {}
    for (kind, sample), part in rows.dropna(subset=["v"]).groupby(["augmentation", "sample_id"], observed=True):
        distance = (part["strength"].astype(float) - KNOWN[kind].identity).abs()
        means = part["v"].groupby(distance).mean().sort_index()
        x, y = np.r_[0, means.index], np.r_[1, means]
        found[kind, sample] = (np.trapezoid(y, x) / x[-1] - floor) / (1 - floor)
    return found


def by_role(info: StudyInfo, dataset: str, encoder: str, role: str) -> pd.DataFrame:
    rows = table(info, "attribution", dataset, encoder)
    return rows[rows["role"] == role].set_index("sample_id").sort_index()


def answers(info: StudyInfo, dataset: str, encoder: str) -> pd.DataFrame:
    rows = table(info, "cells", dataset, encoder).set_index("sample_id").sort_index()
    return pd.DataFrame(
        {
            "correct": rows["label"] == rows["prediction"],
            "confidence": rows["confidence"].astype(float),
        }
    )


def properties(info: StudyInfo, dataset: str, encoder: str, way: str = "whitened") -> pd.DataFrame:
    """What may explain who is right, worked out from the files."""
    by_hand = pd.Series(areas_by_hand(info, dataset, encoder, way))
    untrained = by_hand[~by_hand.index.get_level_values(0).isin(TRAINED)]
    return answers(info, dataset, encoder).assign(
        invariance=by_hand.groupby(level=1).mean(),
        untrained=untrained.groupby(level=1).mean(),
        maps=pd.Series(areas_by_hand(info, dataset, encoder, "maps")).groupby(level=1).mean(),
        concentration=by_role(info, dataset, encoder, "predicted")["gini"].astype(float),
    )
