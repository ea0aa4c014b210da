"""Maps as pictures, and the strip of what the encoders saw."""

import re

import numpy as np
import pandas as pd
import pytest
import toys
from plot_specs import SSL

from core import invariance, pipeline, sweeps
from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import Augmentation
from core.encoders import preprocess
from core.plots import overlay, strip, whole

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
    contender, image = toys.small_resnet(), toys.image()
    strengths = (augmentation.strengths[0], augmentation.strengths[-1])
    shown = strip.views(contender, image, augmentation, strengths)
    read = []
    real = Augmentation.apply
    monkeypatch.setattr(Augmentation, "apply", lambda *a: read.append(real(*a)) or read[-1])
    clean = pipeline.clean(contender, [image])
    for strength in strengths:
        invariance.measure(contender, clean, augmentation, strength, seeds=2)
    for view, views in zip(shown, read, strict=True):
        pixels = view.rgb
        assert not pixels.flags.writeable
        measured = views[0].permute(1, 2, 0).numpy() * 255  # seed 0
        assert np.abs(pixels - measured).max() <= 0.5 + 1e-4
    crop = preprocess.model_crop(image.rgb, contender.encoder.spec.preprocessing)
    assert (shown[0].rgb == crop).all()


def test_the_strip_tells_seed_0_of_the_image_shown():
    contender, images = toys.small_resnet(), [toys.image(seed=1), toys.image(seed=2)]
    found = [point for _, _, point in pipeline.sweep(contender, images, "blur", seeds=2)]
    table = pipeline.points_table(found, "resnet", "blur", [image.digest for image in images])
    told = strip.answers(table, images[1].digest)
    assert set(told) == {("resnet", strength) for strength in AUGMENTATIONS["blur"].strengths}
    for point in found:
        answer = told["resnet", point.strength]
        assert answer.prediction == point.prediction[1, 0]
        assert answer.confidence == point.confidence[1, 0]
        assert answer.flipped == point.flipped[1, 0]


def test_an_answer_turns_at_the_first_strength_that_changes_it_under_seed_0():
    rows = [
        ("a", 0.0, 0, False), ("a", 1.0, 0, True), ("a", 1.0, 1, False), ("a", 2.0, 0, False),
        ("b", 0.0, 0, False), ("b", 1.0, 1, True), ("b", 2.0, 0, False),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["encoder", "strength", "seed", "flipped"]).assign(image="x")
    other = table.assign(image="y", flipped=True)
    headless = sweeps.without_answers(table.assign(encoder="c"))
    assert strip.turning(pd.concat([table, other, headless]), "x") == {"a": 1.0}


def test_a_frame_marks_what_is_seen_and_a_map_lies_where_it_belongs() -> None:
    picture = np.full((60, 100, 3), 100, np.uint8)
    box = (20.0, 0.0, 80.0, 60.0)
    framed = whole.with_frames(picture, [box])
    assert (framed[:, :20] == 100).all()
    assert (framed[30, 20] == 0).all()
    assert (framed[30, 21] == 255).all()
    assert (framed[10:50, 30:70] == 100).all()
    square = np.full((224, 224, 3), 7, np.uint8)
    placed = whole.placed(picture, box, square)
    assert (placed[10:50, 30:70] == 7).all()
    assert (placed[:, 81:] == 100).all()
    assert (picture == 100).all(), "what is given stays"
    assert whole.is_part(box, 100, 60)
    assert not whole.is_part((0, 0, 100, 60), 100, 60)


def test_weak_evidence_has_a_line_around_it_and_no_tint():
    """By hand: the left half is strong, the right half is weak, and beyond the line the picture stays as it is."""
    crop = np.full((64, 64, 3), 120, np.uint8)
    halves = np.zeros((64, 64), np.float32)
    halves[:, :32] = 1
    halves[:, 32:] = overlay.WEAK / 2
    drawn = overlay.blend(crop, halves, 1.0, 0.65)
    assert (drawn[:, 40:] == 120).all()
    assert (drawn[:, :24] != 120).any(axis=2).all()
    assert (drawn[:, 31] == 255).all()
    assert (drawn[:, 32] == 24).all()
    faint = overlay.blend(crop, halves * 0.1, 1.0, 0.65)
    assert (faint[:, 31] == 255).all(), "a map that is weak everywhere has a line"
    assert (np.delete(faint, [31, 32], axis=1) == 120).all(), "and no tint"


def test_the_colour_bar_says_what_colours_mean():
    told = overlay.bar(1.352, "logits", False)
    assert 'aria-label="Colours from 0 to 1.35 logits; the line is at 0.338."' in told
    assert 'aria-label="Colours from −1.35 to 1.35 logits; the line is at 0.338."' in overlay.bar(1.352, "logits", True)
    first, last = re.findall(r"rgb\((\d+),(\d+),(\d+)\)", told)[:: len(re.findall("rgb", told)) - 1]
    ends = overlay.colour(np.array([[0.0, 1.352]], np.float32), 1.352, False)[0]
    assert [tuple(map(int, first)), tuple(map(int, last))] == [tuple(ends[0]), tuple(ends[1])]
