"""Curves of sweeps and of training, their sentences and tables, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from plot_specs import SL, SSL

from core import sweeps
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


# Two-sided 95 % quantiles of Student's t with 1 and 2 degrees of freedom, from a printed table.
T1, T2 = 12.7062, 4.30265


def test_the_interval_of_one_image_spans_its_seeds():
    row = at(sweeps.curve(points("a", {10.0: [[0.6, 0.7, 0.8]]}), {}), "a", 10.0)
    # Standard deviation .1 of three seeds.
    assert row["mean"] == pytest.approx(0.7)
    assert row["high"] - row["mean"] == pytest.approx(T2 * 0.1 / np.sqrt(3), rel=1e-5)
    assert row["mean"] - row["low"] == pytest.approx(T2 * 0.1 / np.sqrt(3), rel=1e-5)
    assert (row["images"], row["seeds"]) == (1, 3)


def test_the_interval_of_several_images_is_that_of_their_means():
    row = at(sweeps.curve(points("a", {10.0: [[0.5, 0.7], [0.7, 0.7], [0.9, 0.7]]}), {}), "a", 10.0)
    # The means are .6, .7 and .8: standard deviation .1 of three images, however many seeds.
    assert row["mean"] == pytest.approx(0.7)
    assert row["high"] - row["mean"] == pytest.approx(T2 * 0.1 / np.sqrt(3), rel=1e-5)
    assert row["mean"] - row["low"] == pytest.approx(T2 * 0.1 / np.sqrt(3), rel=1e-5)
    assert (row["images"], row["seeds"]) == (3, 2)


def test_a_single_value_has_no_interval():
    found = sweeps.curve(points("a", {10.0: [[0.6]]}), {})
    for measure, mean in (("cosine", 0.6), ("kept", 0.3), ("flipped", 0.0)):
        row = at(found, "a", 10.0, measure)
        assert row["mean"] == pytest.approx(mean)
        assert np.isnan(row["low"])
        assert np.isnan(row["high"])
    figure = curves.stacked(found, ROTATION, {"a": "A"}, {"a": style.styles([SSL])["ssl"]}, {}, "")
    assert all(trace.fill is None for trace in figure.data)


def test_shares_stay_in_range_and_the_cosine_may_fall_below_0():
    wide = sweeps.curve(points("a", {10.0: [[0.4, 0.6]]}), {})
    # Standard deviation .2 / √2 of two seeds, so t · .1 to either side of .5.
    cosine = at(wide, "a", 10.0)
    assert cosine["low"] == pytest.approx(0.5 - T1 * 0.1, rel=1e-4)
    assert cosine["high"] == 1
    for measure, mean in (("kept", 0.25), ("flipped", 0.5)):
        row = at(wide, "a", 10.0, measure)
        assert row["mean"] == pytest.approx(mean)
        assert row["low"] == 0
    assert at(wide, "a", 10.0, "kept")["high"] == pytest.approx(0.25 + T1 * 0.05, rel=1e-4)
    assert at(wide, "a", 10.0, "flipped")["high"] == 1


def test_a_measure_that_is_undefined_everywhere_stays_unknown():
    row = at(sweeps.curve(points("a", {10.0: [[0.6, 0.7]]}), {}), "a", 10.0, "map_stability")
    assert np.isnan(row["mean"])


def test_chance_corrected_is_0_at_the_floor_and_1_for_the_same_image():
    table = pd.concat([points("a", {0.0: [[1.0]], 10.0: [[0.6]], 20.0: [[0.8]]}), points("b", {10.0: [[0.6]]})])
    found = sweeps.curve(table, {"a": 0.6, "b": 0.2}, corrected=True)
    assert at(found, "a", 0.0)["mean"] == pytest.approx(1)
    assert at(found, "a", 10.0)["mean"] == pytest.approx(0)
    assert at(found, "a", 20.0)["mean"] == pytest.approx(0.5)
    assert at(found, "b", 10.0)["mean"] == pytest.approx(0.5)
    assert at(found, "a", 10.0, "kept")["mean"] == pytest.approx(0.3)
    assert list(table["cosine"]) == [1.0, 0.6, 0.8, 0.6]  # what came in is left alone


LABELS = {"a": "A", "b": "B"}
FLOORS = {"a": 0.2, "b": 0.5, "random": 0.5}


def keeping(encoder: str, *images: float, spread: float = 0.0) -> pd.DataFrame:
    """Points whose corrected cosines at 30 degrees are these, the mean of two seeds; at 10 all keep everything."""
    room = 1 - FLOORS[encoder]
    at_30 = [[1 - room * (1 - kept) - spread, 1 - room * (1 - kept) + spread] for kept in images]
    return points(encoder, {10.0: [[1.0, 1.0] for _ in images], 30.0: at_30})


def said(*tables: pd.DataFrame, labels: dict[str, str] = LABELS, untrained: tuple[str, ...] = ()) -> str:
    at = sweeps.at_strength(pd.concat(tables), FLOORS, 30.0, untrained)
    return curves.finding(at, ROTATION, labels)


SCALE = "at rotation 30 degrees (0: as another image, 1: unchanged)"


def test_the_finding_of_one_image_claims_no_difference_and_none_missing():
    sentence = said(keeping("a", 0.25, spread=0.01), keeping("b", 0.75, spread=0.01))
    assert sentence == f"For this image, {SCALE}: B keeps 0.75, A keeps 0.25"  # the steadier one first


def test_the_finding_of_several_images_compares_image_by_image():
    # The images differ more than the encoders do: the two intervals overlap, that of the difference is clear of 0.
    # Differences .3, .4 and .5: .4 ± t · .1 / √3 = .4 ± .248. A normal interval would end at .29 and .51.
    sentence = said(keeping("a", 0.1, 0.3, 0.4, spread=0.02), keeping("b", 0.4, 0.7, 0.9, spread=0.02))
    assert sentence == (
        f"Over 3 images, {SCALE}: B keeps 0.67, A keeps 0.27; B and A differ by 0.40 (95 % interval 0.15 to 0.65)"
    )


def test_the_finding_of_several_images_whose_difference_may_be_0():
    # Differences .1, .2 and .3: .2 ± .248; with a normal interval, .2 ± .113, it would be told from 0.
    sentence = said(keeping("a", 0.1, 0.3, 0.4), keeping("b", 0.2, 0.5, 0.7))
    assert sentence == f"Over 3 images, {SCALE}: B keeps 0.47, A keeps 0.27; no difference found between B and A"


def test_the_finding_of_one_curve_compares_nothing():
    assert said(keeping("a", 0.1, 0.3, 0.4)) == f"Over 3 images, {SCALE}: A keeps 0.27"


def test_the_random_floor_is_named_and_left_out_of_the_comparison():
    a, b, random = keeping("a", 0.1, 0.3, 0.4), keeping("b", 0.2, 0.5, 0.7), keeping("random", 0.0, 0.1, 0.05)
    labels = LABELS | {"random": "R"}
    sentence = said(a, b, random, labels=labels, untrained=("random",))
    assert sentence.endswith(": B keeps 0.47, A keeps 0.27, R keeps 0.05; no difference found between B and A")
    assert said(a, b, random, labels=labels).endswith("no difference found between B and R")
    # With one contender left there is no pair.
    assert said(b, random, labels=labels, untrained=("random",)).endswith(": B keeps 0.47, R keeps 0.05")


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("measures", [("cosine",), tuple(curves.PANELS)])
def test_the_stack_draws_each_mean_and_each_floor(corrected, measures):
    table = pd.concat([points("ssl", {0.0: [[1.0, 1.0]], 30.0: [[0.7, 0.8]]}), points("sl", {30.0: [[0.5, 0.6]]})])
    floors = {"ssl": 0.3, "sl": 0.2}
    found = sweeps.curve(table, floors, corrected)
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
    plain, chance = "cosine to the clean image", "chance-corrected cosine to the clean image"
    rest = ["probability of the clean answer", "share of changed answers", "map stability (Spearman)"]
    assert titles[: len(measures)] == [chance if corrected else plain, *rest][: len(measures)]
    last = figure.layout["xaxis" if len(measures) == 1 else f"xaxis{len(measures)}"]
    assert last.title.text == "rotation (degrees)"


def test_curves_in_words_leave_out_what_is_unknown():
    found = sweeps.curve(points("a", {0.0: [[1.0]], 30.0: [[0.7]]}), {})
    alt = curves.curves_alt(found, ROTATION, {"a": "A"})
    assert alt.startswith("Rotation from 0 to 30 degrees. A, cosine to the clean image: 1.00 to 0.70; A, probability")
    assert "map stability" not in alt
    assert "nan" not in alt


def test_a_cut_grid_names_its_own_ends_in_words():
    assert (ROTATION.strengths[0], ROTATION.strengths[-1]) != (10, 30)
    found = sweeps.curve(points("a", {10.0: [[0.9]], 30.0: [[0.7]]}), {"a": 0.5}, corrected=True)
    alt = curves.curves_alt(found, ROTATION, {"a": "A"}, corrected=True)
    assert alt.startswith(
        "Rotation from 10 to 30 degrees. A, chance-corrected cosine to the clean image: 0.80 to 0.40;"
    )


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


def test_the_difference_is_taken_image_by_image_whatever_the_order_of_the_rows() -> None:
    values = {"ssl": {"a": 0.9, "b": 0.8, "c": 0.7}, "sl": {"c": 0.3, "b": 0.4, "a": 0.5}}
    rows = [
        {"encoder": encoder, "strength": 30.0, "image": image, "seed": 0, "cosine": cosine}
        for encoder, images in values.items()
        for image, cosine in images.items()
    ]
    labels = {"ssl": "SSL", "sl": "SL"}
    at_30 = sweeps.at_strength(pd.DataFrame(rows), {"ssl": 0.0, "sl": 0.0}, 30.0)
    said = curves.finding(at_30, ROTATION, labels)
    assert "SSL and SL differ by 0.40 (95 % interval 0.40 to 0.40)" in said


def test_a_corrected_value_far_below_strangers_stays_on_the_chart() -> None:
    found = sweeps.curve(
        pd.DataFrame(
            [
                {"encoder": "ssl", "strength": s, "image": "a", "seed": 0, "cosine": c, "kept": 1.0, "flipped": False}
                | {"map_stability": 1.0}
                for s, c in ((0.0, 1.0), (30.0, 0.0))
            ]
        ),
        {"ssl": 0.5},
        corrected=True,
    )
    figure = curves.stacked(
        found, ROTATION, {"ssl": "SSL"}, style.styles([SSL]), {"ssl": 0.5}, "far", True, ("cosine",)
    )
    assert figure.layout.yaxis.range[0] < -1


def test_all_changes_stand_in_one_line_each_with_chance_at_zero():
    turned = points("a", {10.0: [[0.6, 0.8]], 20.0: [[0.6, 0.6]]}).assign(augmentation="rotation")
    other = points("b", {10.0: [[0.2, 0.2]], 20.0: [[0.6, 0.6]]}).assign(augmentation="rotation")
    blurred = points("a", {1.0: [[1.0, 1.0]]}).assign(augmentation="blur")
    again = points("b", {1.0: [[0.2, 0.2]]}).assign(augmentation="blur")
    found = sweeps.multiples(pd.concat([turned, other, blurred, again]), {"a": 0.5, "b": 0.2})
    assert found["augmentation"].tolist() == ["rotation", "blur"]
    np.testing.assert_allclose(found["a"].iloc[0], [0.4, 0.2])
    np.testing.assert_allclose(found["b"].iloc[0], [0.0, 0.5])
    assert found[["a", "b"]].iloc[1].tolist() == [[1.0], [0.0]]
