"""The four findings of the first screen, against tables by hand and the shipped study read with pandas alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.metrics.attribution import overlaps
from core.paths import ASSETS
from core.plots import questions, shipped
from core.results import store
from core.sweeps import AtStrength


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
    assert "Data sets near and far, linear probe: " in drawn.accuracy
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


def test_invariance_names_the_trained_alone() -> None:
    at = AtStrength(180.0, 1, {"b": 0.75, "a": 0.5, "random": 0.9}, (), None)
    said = questions.invariance(at, "turned by 180°", {"a": "supervised", "b": "SimCLR"})
    assert "when turned by 180°: supervised 0.50, SimCLR 0.75 (" in said
    assert "0.9" not in said
