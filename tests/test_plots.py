"""Figures, sentences and tables that pages show, against numbers worked out by hand."""

import io

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import toys
from PIL import Image

from core import confidence, invariance, pipeline
from core.augmentations import AUGMENTATIONS
from core.encoders import preprocess
from core.encoders.registry import encoders
from core.plots import answers, curves, family, overlay, strip, style, training

CLASSES = ("cat", "dog", "fox", "owl")
SSL = toys.spec("ssl", label="Net · SSL", regime="self-supervised")
SL = toys.spec("sl", label="Net · SL")
RANDOM = toys.spec("random", label="Net · random", regime="random")
OTHER = toys.spec("clip", label="Net · text", regime="vision-language")


def says(*probabilities: float, temperature: float = 1.0) -> confidence.Prediction:
    """What logits with this softmax at temperature 1 give."""
    logits = np.log(np.array(probabilities, dtype=np.float32))
    return confidence.predict(logits, temperature, temperature != 1)


# Answers


def test_the_answers_table_has_the_top_classes_of_each():
    table = answers.answers_table(
        [SSL, SL], [says(0.5, 0.3, 0.15, 0.05), says(0.1, 0.2, 0.3, 0.4, temperature=2)], CLASSES, top=2
    )
    assert list(table["encoder"]) == ["ssl", "ssl", "sl", "sl"]
    assert list(table["class"]) == ["cat", "dog", "owl", "fox"]
    assert list(table["rank"]) == [1, 2, 1, 2]
    # A temperature of 2 takes square roots of the odds.
    roots = np.sqrt([0.1, 0.2, 0.3, 0.4])
    tempered = roots / roots.sum()
    assert list(table["probability"]) == pytest.approx([0.5, 0.3, tempered[3], tempered[2]], abs=1e-4)
    assert list(table["raw"]) == pytest.approx([0.5, 0.3, 0.4, 0.3], abs=1e-4)
    assert list(table["temperature"]) == [1, 1, 2, 2]


def test_a_chosen_class_is_added_with_its_own_rank_and_once():
    prediction = says(0.5, 0.3, 0.15, 0.05)
    table = answers.answers_table([SSL], [prediction], CLASSES, top=2, chosen=3)
    assert list(table["class"]) == ["cat", "dog", "owl"]
    assert list(table["rank"]) == [1, 2, 4]
    assert len(answers.answers_table([SSL], [prediction], CLASSES, top=2, chosen=1)) == 2


def test_bars_draw_the_table_from_the_top():
    table = answers.answers_table([SSL], [says(0.5, 0.3, 0.15, 0.05)], CLASSES, top=3)
    look = style.styles([SSL])["ssl"]
    figure = answers.bars(table, look, "the title")
    drawn, ticks = figure.data[0], figure.data[1]
    assert list(drawn.y) == ["fox", "dog", "cat"]  # Plotly draws upwards
    assert list(drawn.x) == pytest.approx([0.15, 0.3, 0.5], abs=1e-4)
    assert list(ticks.x) == pytest.approx([0.15, 0.3, 0.5], abs=1e-4)
    assert set(drawn.marker.color) == {style.rgba(look.colour, 1.0)}
    assert figure.layout.xaxis.range[1] > 0.5
    assert style.finding_of(figure) == "the title"
    highlighted = answers.bars(table, look, "", highlight="dog").data[0].marker.color
    assert highlighted[1] == style.rgba(look.colour, 1.0) != highlighted[0]


def test_bars_in_words():
    table = answers.answers_table([SSL], [says(0.5, 0.3, 0.15, 0.05)], CLASSES, top=2)
    assert answers.bars_alt(table) == "Net · SSL: cat 50%, dog 30%. Calibrated probabilities."


@pytest.mark.parametrize(
    ("specs", "predictions", "sentence"),
    [
        ([SSL], [says(0.5, 0.3, 0.15, 0.05)], "Net · SSL answers cat, 50% sure."),
        (
            [SSL, SL],
            [says(0.5, 0.3, 0.15, 0.05), says(0.8, 0.1, 0.05, 0.05)],
            "All answer cat; SL is surer (80%) than SSL (50%).",
        ),
        (
            [SSL, SL],
            [says(0.52, 0.3, 0.13, 0.05), says(0.5, 0.3, 0.15, 0.05)],
            "All answer cat, about equally sure (52% and 50%).",
        ),
        (
            [SSL, SL, RANDOM],
            [says(0.5, 0.3, 0.15, 0.05), says(0.1, 0.2, 0.3, 0.4), says(0.6, 0.2, 0.1, 0.1)],
            "They disagree: SSL answers cat (50%); SL answers owl (40%); random answers cat (60%).",
        ),
    ],
)
def test_the_finding_of_an_image(specs, predictions, sentence):
    assert answers.finding(specs, predictions, CLASSES) == sentence


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


# Maps as pictures


@pytest.fixture
def crop() -> np.ndarray:
    return preprocess.display_crop(toys.image().rgb, SSL.preprocessing, 64)


def test_a_map_of_scale_0_leaves_the_picture(crop):
    flat = np.zeros((4, 4), dtype=np.float32)
    for signed in (False, True):
        assert (overlay.blend(crop, flat, 0.0, 0.65, signed) == crop).all()
        assert (overlay.blend(crop, flat, 1.0, 0.65, signed) == crop).all()


def test_a_place_with_evidence_against_keeps_the_picture_unless_signed(crop):
    against = np.full((4, 4), -1, dtype=np.float32)
    assert (overlay.blend(crop, against, 1.0, 0.65) == crop).all()
    assert (overlay.blend(crop, against, 1.0, 0.65, signed=True) != crop).any()


def test_full_evidence_at_full_opacity_is_the_colour(crop):
    full = np.full((4, 4), 2, dtype=np.float32)
    expected = overlay.colour(full[:1, :1], 2.0, signed=False)[0, 0]
    assert (overlay.blend(crop, full, 2.0, 1.0) == expected).all()


def test_one_scale_makes_the_weaker_map_fainter(crop):
    weak, strong = np.full((4, 4), 1, dtype=np.float32), np.full((4, 4), 4, dtype=np.float32)
    scale = overlay.shared_scale([weak, strong])
    assert scale == 4
    change = [np.abs(overlay.blend(crop, m, scale, 0.65).astype(int) - crop).mean() for m in (weak, strong)]
    assert change[0] < change[1]


@pytest.mark.parametrize(("maps", "scale"), [([], 0), ([np.zeros((2, 2))], 0), ([np.array([[-3.0, 2.0]])], 3)])
def test_the_shared_scale_is_the_largest_magnitude(maps, scale):
    assert overlay.shared_scale([np.asarray(m, dtype=np.float32) for m in maps]) == scale


def test_signed_colours_are_red_for_and_blue_against_and_pale_between():
    negative, zero, positive = overlay.colour(np.array([[-1, 0, 1]], dtype=np.float32), 1.0, signed=True)[0].astype(int)
    assert positive[0] > positive[2] + 60
    assert negative[2] > negative[0] + 60
    assert zero.min() > 230


def test_unsigned_colours_grow_lighter_and_clip():
    row = np.array([[-5, 0, 0.25, 0.5, 1, 9]], dtype=np.float32)
    lightness = overlay.colour(row, 1.0, signed=False)[0].astype(int) @ [2126, 7152, 722]
    assert lightness[0] == lightness[1]
    assert (np.diff(lightness[1:5]) > 0).all()
    assert lightness[4] == lightness[5]


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (7, 5), (64, 64)])
def test_an_enlarged_map_has_the_side_asked_for(shape):
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    large = overlay.upsample(values, 96)
    assert large.shape == (96, 96)
    assert large.dtype == np.float32
    assert np.isfinite(large).all()


def test_an_enlarged_constant_is_constant():
    assert overlay.upsample(np.full((4, 4), 3, dtype=np.float32), 50) == pytest.approx(3)


def test_the_raw_grid_shows_every_cell_as_one_block():
    values = np.array([[0, 1], [2, 4]], dtype=np.float32)
    picture = overlay.grid_picture(values, 4.0, 64)
    assert picture.shape == (64, 64, 3)
    cells = overlay.colour(values, 4.0, signed=False)
    assert (picture == cells.repeat(32, axis=0).repeat(32, axis=1)).all()
    assert overlay.grid_picture(np.zeros((2, 2), dtype=np.float32), 0.0, 8).shape == (8, 8, 3)


# What the encoders saw


@pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS)
def test_the_strip_shows_the_very_pixels_that_a_sweep_measures(augmentation, monkeypatch):
    rival, image = toys.small_resnet(), toys.image()
    strengths = (augmentation.strengths[0], augmentation.strengths[-1])
    shown = strip.views(rival, image, augmentation, strengths)
    read = []
    real = invariance.augmented
    monkeypatch.setattr(invariance, "augmented", lambda *a, **k: read.append(real(*a, **k)) or read[-1])
    clean = pipeline.clean(rival, [image])
    for strength in strengths:
        invariance.measure(rival, clean, augmentation, strength, seeds=2)
    for png, views in zip(shown, read, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(png)))
        measured = views[0].permute(1, 2, 0).numpy() * 255  # seed 0
        assert np.abs(pixels - measured).max() <= 0.5 + 1e-4
    crop = preprocess.model_crop(image.rgb, rival.encoder.spec.preprocessing)
    assert (np.asarray(Image.open(io.BytesIO(shown[0]))) == crop).all()


def test_the_strip_tells_seed_0_of_the_image_shown():
    rival, images = toys.small_resnet(), [toys.image(seed=1), toys.image(seed=2)]
    found = [point for _, _, point in pipeline.sweep(rival, images, "blur", seeds=2)]
    table = pipeline.points_table(found, "resnet", "blur", [image.digest for image in images])
    told = strip.answers(table, images[1].digest)
    assert set(told) == {("resnet", strength) for strength in AUGMENTATIONS["blur"].strengths}
    for point in found:
        answer = told["resnet", point.strength]
        assert answer.prediction == point.prediction[1, 0]
        assert answer.confidence == point.confidence[1, 0]
        assert answer.flipped == point.flipped[1, 0]


# The packaged family


def measured(**top1: float) -> pd.DataFrame:
    """An accuracy table of one task of 1,000 images, with intervals of 3 points to either side."""
    return pd.DataFrame(
        {
            "encoder": id,
            "label": id,
            "task": task,
            "task_label": task,
            "domain": "source",
            "linear_top1": value,
            "low": value - 3,
            "high": value + 3,
            "knn_top1": value - 5,
            "test_images": 1000,
        }
        for task in ("one", "two")
        for id, value in top1.items()
    )


@pytest.mark.parametrize(
    ("top1", "words"),
    [
        ({"supervised": 60, "simclr": 50}, "supervised clearly ahead on 2, SimCLR on 0, no difference found on 0"),
        ({"supervised": 50, "simclr": 60}, "supervised clearly ahead on 0, SimCLR on 2, no difference found on 0"),
        ({"supervised": 55, "simclr": 50}, "supervised clearly ahead on 0, SimCLR on 0, no difference found on 2"),
        ({"supervised": 55, "random": 10}, "Linear-probe accuracy of the packaged encoders"),
    ],
)
def test_the_finding_of_the_family(top1, words):
    assert words in family.accuracy_finding(measured(**top1))


def test_the_family_table_holds_the_cards_and_intervals_around_them():
    table = family.accuracy_table()
    assert list(table.columns) == list(family.COLUMNS)
    assert set(table["encoder"]) <= {id for id, spec in encoders().items() if spec.weights.packaged}
    assert len(table) > 0
    for _, row in table.iterrows():
        assert 0 <= row["low"] <= row["linear_top1"] + 0.01
        assert row["linear_top1"] - 0.01 <= row["high"] <= 100
        # Wilson and the normal approximation agree on a few thousand images.
        p = row["linear_top1"] / 100
        half = 196 * np.sqrt(p * (1 - p) / row["test_images"])
        assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.1, abs=0.5)
    figure = family.accuracy_bars(table)
    assert style.finding_of(figure) == family.accuracy_finding(table)
    assert len(figure.data) == table["encoder"].nunique()
    alt = family.accuracy_alt(table)
    assert all(label in alt for label in table["label"])


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


# The common look


def test_families_differ_in_colour_dash_and_marker():
    look = style.styles([SSL, SL, RANDOM, OTHER])
    for field in ("colour", "dash"):
        assert len({getattr(s, field) for s in look.values()}) == 4
    assert len({s.marker for s in look.values()}) >= 3


def test_members_of_one_family_differ_in_shade_and_marker_but_not_dash():
    specs = [toys.spec(f"ssl{i}", regime="self-supervised") for i in range(3)]
    look = list(style.styles(specs).values())
    assert len({s.colour for s in look}) == len({s.marker for s in look}) == 3
    assert len({s.dash for s in look}) == 1


def test_a_style_does_not_depend_on_the_other_family():
    assert style.styles([SL, SSL])["ssl"] == style.styles([SSL])["ssl"]


def test_colours_with_an_opacity():
    assert style.rgba("#1f86c9", 0.15) == "rgba(31,134,201,0.15)"


@pytest.mark.parametrize("hue", [hue for hues in style.HUES.values() for hue in hues[:1]])
@pytest.mark.parametrize("background", ["#ffffff", "#11161d"])
def test_the_first_hue_of_each_family_can_be_told_from_both_backgrounds(hue, background):
    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(hue), luminance(background)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_short_labels_leave_out_what_all_share():
    assert style.short_labels([SSL, SL]) == {"ssl": "SSL", "sl": "SL"}
    assert style.short_labels([SSL]) == {"ssl": "Net · SSL"}
    other = toys.spec("big", label="Big net · SL")
    assert style.short_labels([SSL, other]) == {"ssl": "Net · SSL", "big": "Big net · SL"}


def test_a_chart_that_leaves_the_page_carries_its_finding():
    figure = style.finish(go.Figure(), "a long sentence " * 12, height=300)
    alone = style.titled(figure)
    assert figure.layout.title.text is None
    assert alone.layout.title.text.replace("<br>", " ") == ("a long sentence " * 12).strip()
    assert alone.layout.height > figure.layout.height
