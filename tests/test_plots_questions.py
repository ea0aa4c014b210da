"""The four findings of the first screen, against tables by hand and the shipped study read with pandas alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.metrics.attribution import overlaps
from core.metrics.interval import Interval
from core.paths import ASSETS
from core.plots import questions, shipped
from core.results import store
from core.results.steadiness import Overall


def test_the_shipped_study_answers_the_questions_of_accuracy_and_confidence() -> None:
    info = store.study("family", [str(ASSETS / "results")])
    drawn = shipped.overview(info)
    files = sorted(Path(ASSETS / "results" / "family" / "cells").glob("*.linear.*.parquet"))
    rows = pd.concat(
        pd.read_parquet(file, columns=["encoder", "dataset", "seed", "prediction", "label", "confidence"])
        for file in files
    )
    rows["over"] = 100 * (rows["confidence"] - (rows["prediction"] == rows["label"]))
    means = rows.groupby(["encoder", "dataset"])["over"].mean().groupby("encoder").mean()
    for id in shipped.PAIR:
        assert f"{means[id]:+.1f}".replace("-", "−") in drawn.confidence
    assert f"over {rows['dataset'].nunique()} sets" in drawn.confidence
    assert "Right more often, over 7 data sets near and far: " in drawn.accuracy
    assert f" of {rows['dataset'].nunique()}" in drawn.accuracy


def test_attribution_counts_the_common_fifth() -> None:
    first = np.zeros((5, 5), np.float32)
    second = first.copy()
    first[0], second[0, :3], second[1, :2] = 1, 1, 1
    # Three of five cells are common, seven are in either; chance is .2 / 1.8.
    assert "overlap by 43% (chance 11%)" in questions.attribution(overlaps([first, second]))
    third = np.zeros((5, 5), np.float32)
    third[4] = 1
    assert "overlap by 0% to 43%" in questions.attribution(overlaps([first, second, third]))


@pytest.mark.parametrize("maps", [[np.ones((4, 4), np.float32)], [np.ones((4, 4)), np.ones((8, 8))]])
def test_maps_that_cannot_be_compared_say_so(maps: list[np.ndarray]) -> None:
    assert "one grid" in questions.attribution(overlaps(maps))


@pytest.mark.parametrize(
    ("interval", "noise", "verdict"),
    [
        (Interval(0.03, 0.01, 0.05), float("nan"), "SimCLR is the steadier."),
        (Interval(-0.03, -0.05, -0.01), 0.02, "supervised is the steadier."),
        (Interval(-0.03, -0.05, -0.01), 0.04, "No difference found."),
        (Interval(0.03, -0.01, 0.07), float("nan"), "No difference found."),
    ],
)
def test_invariance_says_who_is_steadier_only_where_a_difference_was_found(
    interval: Interval, noise: float, verdict: str
) -> None:
    said = questions.invariance(Overall(interval, noise, {"a": 0.5, "b": 0.53}), {"a": "supervised", "b": "SimCLR"}, 6)
    assert "of 6 sets" in said
    assert "supervised 0.50, SimCLR 0.53 (1 is all). " in said
    assert said.endswith(verdict)


def test_the_measured_study_answers_the_questions_of_attribution_and_invariance() -> None:
    """Against its files, read with pandas and counted cell by cell."""
    attribution, invariance = shipped.looks_and_steadiness(store.study("family", [str(ASSETS / "results")]))
    folder = Path(ASSETS / "results" / "family")
    maps = pd.concat(pd.read_parquet(file) for file in sorted(folder.rglob("*attribution*.parquet")))
    maps = maps[(maps["role"] == "true") & maps["encoder"].isin(shipped.PAIR)]
    by_set = {}
    for (dataset, _), pair in maps.groupby(["dataset", "sample_id"], observed=True):
        first, second = (np.asarray(values) for values in pair.set_index("encoder")["map"][list(shipped.PAIR)])
        best = max(1, round(len(first) / 5))
        one, two = (set(np.argsort(-values, kind="stable")[:best]) for values in (first, second))
        by_set.setdefault(dataset, []).append(len(one & two) / len(one | two))
    means = [np.mean(values) for values in by_set.values()]
    assert f"overlap by {min(means):.0%} to {max(means):.0%} over {len(means)} sets" in attribution
    assert f"of {len(means)} sets" in invariance
