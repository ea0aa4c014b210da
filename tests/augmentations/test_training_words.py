"""What a card's line on pre-training says an encoder was trained to ignore: every real line of the catalog."""

import pytest

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import SIGNS, trained_in
from core.encoders.registry import encoders

TEXTS = sorted({str(spec.pretraining.augmentation) for spec in encoders().values()})
CROP = {"random-crop", "scale", "translation", "training-recipe"}
JITTER = {"brightness", "contrast", "saturation", "hue"}
SILENT = {"none", "unknown", "as RotNet, then pseudo-labels", "jigsaw patches", "rotations by 90 degrees"}
"""Lines that name nothing one is trained to ignore: the turn of RotNet is what it is trained to tell."""


def test_there_are_texts_to_read() -> None:
    assert len(TEXTS) > 15
    assert set(TEXTS) >= SILENT


@pytest.mark.parametrize("text", TEXTS)
def test_every_id_is_an_augmentation(text: str) -> None:
    assert trained_in(text) <= AUGMENTATIONS.keys()


def test_no_sign_names_what_does_not_exist() -> None:
    assert {id for ids in SIGNS.values() for id in ids} <= AUGMENTATIONS.keys()


@pytest.mark.parametrize("text", TEXTS)
def test_only_silent_lines_name_nothing(text: str) -> None:
    assert (not trained_in(text)) == (text in SILENT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", set()),
        ("unknown", set()),
        ("", set()),
        ("random resized crop, flip", CROP | {"horizontal-flip"}),
        ("random resized crop, flip, colour jitter, grey", CROP | JITTER | {"horizontal-flip", "greyscale"}),
        ("Multi-Crop, FLIP, color distortion, grayscale", CROP | JITTER | {"horizontal-flip", "greyscale"}),
        (
            "multi-crop, flip, colour jitter, greyscale, blur, solarise",
            CROP | JITTER | {"horizontal-flip", "greyscale", "blur", "solarise"},
        ),
        ("rotations by 90 degrees", set()),
        ("jigsaw patches, random resized crop, flip", CROP | {"horizontal-flip"}),
    ],
)
def test_lines_by_hand(text: str, expected: set[str]) -> None:
    assert trained_in(text) == expected


def test_the_packaged_pair_saw_the_same_views() -> None:
    lines = {id: str(encoders()[id].pretraining.augmentation) for id in ("supervised", "simclr", "random")}
    assert trained_in(lines["simclr"]) == trained_in(lines["supervised"])
    assert trained_in(lines["simclr"]) == CROP | JITTER | {"horizontal-flip", "greyscale"}
    assert not trained_in(lines["random"])


def test_a_named_policy_stands_for_its_operations() -> None:
    found = trained_in("RandAugment, mixup, CutMix, erasing")
    assert {"rotation", "shear", "posterise", "occlusion"} <= found
    assert not found & {"blur", "hue", "jpeg"}


@pytest.mark.parametrize(
    ("short", "whole"), [("as MoCo v1", "resnet50-moco-v1-200"), ("as MoCo v2", "resnet50-moco-v2-200")]
)
def test_a_line_that_points_to_another_recipe_stands_for_that(short: str, whole: str) -> None:
    assert short in TEXTS
    assert trained_in(short) == trained_in(str(encoders()[whole].pretraining.augmentation))
