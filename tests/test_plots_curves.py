"""Curves of sweeps and of training, their sentences and tables, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from plot_specs import SL, SSL

from core.augmentations import AUGMENTATIONS
from core.plots import curves, style, training

# Curves

ROTATION = AUGMENTATIONS["rotation"]


def points(encoder: str, cosines: dict[float, list[list[float]]]) -> pd.DataFrame:
    """A points table: cosine by strength, image and seed; the other measures are a line of their own."""
    return pd.DataFrame(
        {
            "encoder": encoder,
            "strength": strength,
            "image": f"image {i}",
            "seed": seed,
            "cosine": value,
            "kept": value / 2,
            "flipped": value < 0.5,
            "map_stability": np.nan,
        }
        for strength, images in cosines.items()
        for i, row in enumerate(images)
        for seed, value in enumerate(row)
    )


def at(summary: pd.DataFrame, encoder: str, strength: float, measure: str = "cosine") -> pd.Series:
    chosen = (summary["encoder"] == encoder) & (summary["strength"] == strength) & (summary["measure"] == measure)
    (row,) = summary[chosen].to_dict("records")
    return row


def test_the_interval_of_one_image_spans_its_seeds():
    row = at(curves.summary(points("a", {10.0: [[0.6, 0.7, 0.8]]}), {}), "a", 10.0)
    # Standard deviation .1, so 1.96 · .1 / √3.
    assert row["mean"] == pytest.approx(0.7)
    assert row["high"] - row["mean"] == pytest.approx(1.96 * 0.1 / np.sqrt(3))
    assert row["mean"] - row["low"] == pytest.approx(1.96 * 0.1 / np.sqrt(3))
    assert (row["images"], row["seeds"]) == (1, 3)


def test_the_interval_of_several_images_is_that_of_their_means():
    row = at(curves.summary(points("a", {10.0: [[0.5, 0.7], [0.8, 0.8]]}), {}), "a", 10.0)
    # The means are .6 and .8: standard deviation .2/√2, so 1.96 · .1.
    assert row["mean"] == pytest.approx(0.7)
    assert row["high"] - row["mean"] == pytest.approx(0.196)
    assert (row["images"], row["seeds"]) == (2, 2)


def test_one_seed_has_no_interval_and_intervals_stay_in_range():
    alone = at(curves.summary(points("a", {10.0: [[0.6]]}), {}), "a", 10.0)
    assert alone["low"] == alone["mean"] == alone["high"]
    wide = curves.summary(points("a", {10.0: [[0.1, 1.0]]}), {})
    assert at(wide, "a", 10.0)["high"] == 1
    flipped = at(wide, "a", 10.0, "flipped")
    assert flipped["mean"] == 0.5
    assert (flipped["low"], flipped["high"]) == (0, 1)


def test_a_measure_that_is_undefined_everywhere_stays_unknown():
    row = at(curves.summary(points("a", {10.0: [[0.6, 0.7]]}), {}), "a", 10.0, "map_stability")
    assert np.isnan(row["mean"])


def test_chance_corrected_is_0_at_the_floor_and_1_for_the_same_image():
    table = pd.concat([points("a", {0.0: [[1.0]], 10.0: [[0.6]], 20.0: [[0.8]]}), points("b", {10.0: [[0.6]]})])
    found = curves.summary(table, {"a": 0.6, "b": 0.2}, corrected=True)
    assert at(found, "a", 0.0)["mean"] == pytest.approx(1)
    assert at(found, "a", 10.0)["mean"] == pytest.approx(0)
    assert at(found, "a", 20.0)["mean"] == pytest.approx(0.5)
    assert at(found, "b", 10.0)["mean"] == pytest.approx(0.5)
    assert at(found, "a", 10.0, "kept")["mean"] == pytest.approx(0.3)
    assert list(table["cosine"]) == [1.0, 0.6, 0.8, 0.6]  # what came in is left alone


LABELS = {"a": "A", "b": "B"}


def test_the_finding_of_curves_that_are_apart():
    found = curves.summary(pd.concat([points("a", {30.0: [[0.6, 0.61]]}), points("b", {30.0: [[0.9, 0.91]]})]), {})
    sentence = curves.finding(found, ROTATION, LABELS, 30.0)
    assert "30 degrees" in sentence
    assert sentence.index("B keeps 0.9") < sentence.index("A keeps 0.6")  # the steadier one first
    assert "no difference" not in sentence


def test_the_finding_of_curves_whose_intervals_touch():
    table = pd.concat([points("a", {30.0: [[0.5, 0.7]]}), points("b", {30.0: [[0.6, 0.75]]})])
    assert curves.finding(curves.summary(table, {}), ROTATION, LABELS, 30.0).endswith("no difference found")


def test_the_finding_of_one_curve_compares_nothing():
    found = curves.summary(points("a", {30.0: [[0.5, 0.7]]}), {})
    assert "no difference" not in curves.finding(found, ROTATION, LABELS, 30.0)


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("measures", [("cosine",), tuple(panel.column for panel in curves.PANELS)])
def test_the_stack_draws_each_mean_and_each_floor(corrected, measures):
    table = pd.concat([points("ssl", {0.0: [[1.0, 1.0]], 30.0: [[0.7, 0.8]]}), points("sl", {30.0: [[0.5, 0.6]]})])
    floors = {"ssl": 0.3, "sl": 0.2}
    found = curves.summary(table, floors, corrected)
    labels = {"ssl": "SSL", "sl": "SL"}
    figure = curves.stacked(
        found, ROTATION, labels, style.styles([SSL, SL]), floors, "what was found", corrected, measures
    )
    assert style.finding_of(figure) == "what was found"
    line = next(trace for trace in figure.data if trace.name == "SSL")
    assert list(line.x) == [0, 30]
    assert list(line.y) == pytest.approx([at(found, "ssl", s)["mean"] for s in (0.0, 30.0)])
    levels = sorted(shape.y0 for shape in figure.layout.shapes)
    assert levels == ([0.0, 0.0] if corrected else [0.2, 0.3])
    titles = [note.text for note in figure.layout.annotations]
    assert all(panel.title in titles for panel in curves.PANELS if panel.column in measures)
    last = figure.layout["xaxis" if len(measures) == 1 else f"xaxis{len(measures)}"]
    assert last.title.text == "rotation (degrees)"


def test_curves_in_words_leave_out_what_is_unknown():
    found = curves.summary(points("a", {0.0: [[1.0]], 30.0: [[0.7]]}), {})
    alt = curves.curves_alt(found, ROTATION, {"a": "A"})
    assert "A, cosine to the clean image: 1.00 to 0.70" in alt
    assert "map stability" not in alt
    assert "nan" not in alt


# Training curves


def log(*knn: float, first: int = 1) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": range(first, first + len(knn)),
            "size": 64,
            "learning_rate": 0.1,
            "loss": 1.0,
            "views_per_second": 100.0,
            "knn_top1": knn,
            "seconds": 1.0,
        }
    )


def test_training_curves_run_over_the_share_done():
    table = training.curves_table({"ssl": log(10, 20, 30, 40), "sl": log(5, 50), "random": log(3, first=0)})
    assert set(table["encoder"]) == {"ssl", "sl"}  # nobody trained the random one
    assert list(table.loc[table["encoder"] == "ssl", "done"]) == [0.25, 0.5, 0.75, 1.0]
    assert list(table.loc[table["encoder"] == "sl", "done"]) == [0.5, 1.0]
    labels = {"ssl": "SSL", "sl": "SL"}
    figure = training.curves(table, labels, style.styles([SSL, SL]))
    assert [list(trace.y) for trace in figure.data] == [[10, 20, 30, 40], [5, 50]]
    for words in ("SSL at 40 %", "SL at 50 %"):
        assert words in style.finding_of(figure)
    assert "SSL from 10 to 40 % in 4 epochs" in training.curves_alt(table, labels)


def test_without_any_training_there_is_no_curve():
    assert training.curves_table({}).empty
    assert training.curves_table({"random": log(3, first=0)}).empty
