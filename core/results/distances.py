"""How far the data sets are from the source, as the study measured it, and what that does to an advantage."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.metrics.domain import RankCorrelation, rank_correlation
from core.results.info import StudyInfo
from core.results.reading import Results

DISTANCES = ("encoder", "dataset", "label", "domain", "reference", "measure", "value", "samples")
LEAST_SETS = 5  # fewer have no rank correlation worth a number


def distances(info: StudyInfo) -> pd.DataFrame:
    """How far each data set is from the reference set in each encoder's features, as the study measured it.

    Returns:
        encoder, dataset, label, domain, reference, measure, value, samples; no row when nothing was measured. The
        reference with itself, two halves of it, is the floor; it may be no set of the study.

    Raises:
        DataUnavailable: the study has no finished cell, or the file is damaged.
    """
    with Results(info) as results:
        if not results.has_distances:
            return pd.DataFrame(columns=list(DISTANCES))
        found = results.frame("SELECT encoder, dataset, reference, measure, value, samples FROM distances")
    sets = info.datasets
    # What ships of an encoder's own source is the reference of studies that have no source set.
    found = found[found["dataset"].isin(list(sets)) | (found["dataset"] == found["reference"])]
    outside = {id: {"label": id, "domain": "source"} for id in found["reference"] if id not in sets}
    for column in ("label", "domain"):
        found[column] = [(sets | outside)[id][column] for id in found["dataset"]]
    rank = {id: i for i, id in enumerate([*outside, *info.by_domain()])}
    return found.sort_values("dataset", key=lambda ids: ids.map(rank), kind="stable", ignore_index=True)[
        list(DISTANCES)
    ]


def by_distance(paired: pd.DataFrame, distances: pd.DataFrame, encoder: str, measure: str) -> pd.DataFrame:
    """The sets that both a difference and a distance are known of, nearest first.

    Args:
        paired: of `pairs.paired`.
        distances: of `distances`.
        encoder: in whose features distance was measured.
        measure: `frechet`, `auroc` or `knn`.

    Returns:
        dataset, label, domain, distance, images (of either side), difference, low, high (points), p_holm, verdict,
        is_reference. The source set stands at the floor: the distance of two halves of itself.
    """
    known = distances[(distances["encoder"] == encoder) & (distances["measure"] == measure)]
    joined = paired.merge(known[["dataset", "reference", "value", "samples"]], on="dataset", suffixes=("", "_compared"))
    joined = joined.assign(
        distance=joined["value"],
        images=joined["samples_compared"],
        is_reference=joined["dataset"] == joined["reference"],
        **{column: 100 * joined[column] for column in ("difference", "low", "high")},
    )
    columns = ["dataset", "label", "domain", "distance", "images", "difference", "low", "high", "p_holm", "verdict"]
    return joined[[*columns, "is_reference"]].sort_values("distance", ignore_index=True)


def floor_of(distances: pd.DataFrame, encoder: str, measure: str) -> float:
    """What two halves of the source give; nan when that was not measured."""
    found = distances[
        (distances["encoder"] == encoder)
        & (distances["measure"] == measure)
        & (distances["dataset"] == distances["reference"])
    ]
    return float(found["value"].iloc[0]) if len(found) else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """What an advantage does with distance.

    Attributes:
        sets: rows of `by_distance` without the source, nearest first.
        apart: how many of them a classifier tells from the source without error, which cannot be ranked.
        correlation: of difference with distance; None of fewer than `LEAST_SETS`.
    """

    sets: pd.DataFrame
    apart: int
    correlation: RankCorrelation | None


def trend(table: pd.DataFrame, measure: str) -> Trend:
    """Rank correlation of the differences of `by_distance` with distance, when there are sets enough.

    An AUROC counts to two decimals, and one of 1.00 says that a set is apart, not how far.
    """
    sets = table[~table["is_reference"]]
    distance = sets["distance"].round(2) if measure == "auroc" else sets["distance"]
    apart = int((distance == 1).sum()) if measure == "auroc" else 0
    enough = len(sets) >= LEAST_SETS
    found = rank_correlation(distance, sets["difference"], rng=np.random.default_rng(0)) if enough else None
    return Trend(sets, apart, found)
