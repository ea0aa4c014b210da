"""Contrast, saturation, gamma, greyscale, solarisation and posterisation against torchvision and Pillow."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms.functional import adjust_contrast, adjust_gamma, adjust_saturation, rgb_to_grayscale

from core.augmentations import AUGMENTATIONS
from core.augmentations.seeding import seeded_sign
from core.augmentations.spec import Augmentation
from core.augmentations.tone import luma

CONTRAST, SATURATION, GAMMA = (AUGMENTATIONS[name] for name in ("contrast", "saturation", "gamma"))
GREYSCALE, SOLARISE, POSTERISE = (AUGMENTATIONS[name] for name in ("greyscale", "solarise", "posterise"))
SEEDS = torch.arange(8)


def batch() -> torch.Tensor:
    return torch.rand(8, 3, 24, 31, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("augmentation", "theirs"),
    [(CONTRAST, adjust_contrast), (SATURATION, adjust_saturation)],
    ids=["contrast", "saturation"],
)
@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
def test_both_senses_are_those_of_torchvision(augmentation: Augmentation, theirs, strength: float) -> None:
    images, signs = batch(), seeded_sign(SEEDS).tolist()
    assert set(signs) == {-1, 1}
    out = augmentation.apply(images, torch.full((8,), strength), SEEDS)
    for image, result, sign in zip(images, out, signs, strict=True):
        torch.testing.assert_close(result, theirs(image, 1 + sign * strength), atol=1e-6, rtol=0)


@pytest.mark.parametrize("strength", [0.25, 1.0, 3.0])
def test_gamma_is_that_of_torchvision(strength: float) -> None:
    images = batch()
    images[:, :, 0], images[:, :, 1] = 0, 1
    out = GAMMA.apply(images, torch.full((8,), strength), SEEDS)
    for image, result, sign in zip(images, out, seeded_sign(SEEDS).tolist(), strict=True):
        torch.testing.assert_close(result, adjust_gamma(image, 2 ** (sign * strength)), atol=1e-6, rtol=0)


def test_grey_is_that_of_torchvision_and_blends() -> None:
    images = batch()
    grey = rgb_to_grayscale(images, 3)
    torch.testing.assert_close(luma(images).expand_as(images), grey)
    torch.testing.assert_close(GREYSCALE.apply(images, torch.ones(8), SEEDS), grey, atol=1e-6, rtol=0)
    blended = GREYSCALE.apply(images, torch.full((8,), 0.3), SEEDS)
    torch.testing.assert_close(blended, 0.7 * images + 0.3 * grey, atol=1e-6, rtol=0)


def test_contrast_and_saturation_keep_what_they_are_about() -> None:
    grey = torch.linspace(0.3, 0.6, 64).view(1, 1, 8, 8).expand(8, 3, 8, 8)
    # The weights of the three channels add up to .9999.
    torch.testing.assert_close(SATURATION.apply(grey, torch.full((8,), 0.9), SEEDS), grey, atol=1e-4, rtol=0)
    out = CONTRAST.apply(grey, torch.full((8,), 0.5), SEEDS)
    torch.testing.assert_close(out.mean((1, 2, 3)), grey.mean((1, 2, 3)), atol=1e-4, rtol=0)
    spread = out.std((1, 2, 3)) / grey.std((1, 2, 3))
    torch.testing.assert_close(spread, 1 + 0.5 * seeded_sign(SEEDS), atol=1e-4, rtol=0)


def of_pillow(pixels: np.ndarray, change) -> torch.Tensor:
    return torch.from_numpy(np.array(change(Image.fromarray(pixels)))).permute(2, 0, 1).int()


ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
IMAGE = torch.from_numpy(ALL_VALUES).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("threshold", [1, 64, 128, 200, 255])
def test_solarisation_is_that_of_pillow(threshold: int) -> None:
    # Half a step below the threshold, which is then the first value to turn.
    strength = torch.tensor([1 - (threshold - 0.5) / 255])
    out = SOLARISE.apply(IMAGE, strength, SEEDS[:1])
    expected = of_pillow(ALL_VALUES, lambda image: ImageOps.solarize(image, threshold))
    assert torch.equal((out[0] * 255).round().int(), expected)


def test_fully_solarised_is_the_negative() -> None:
    images = batch()
    torch.testing.assert_close(SOLARISE.apply(images, torch.ones(8), SEEDS), 1 - images)


@pytest.mark.parametrize("bits", range(1, 8))
def test_posterisation_is_that_of_pillow(bits: int) -> None:
    """At every value that 8 bits have; Pillow's levels are counted in 256ths, as white is no longer among them."""
    out = POSTERISE.apply(IMAGE, torch.tensor([float(bits)]), SEEDS[:1])
    expected = of_pillow(ALL_VALUES, lambda image: ImageOps.posterize(image, 8 - bits))
    assert torch.equal((out[0] * 256).round().int(), expected)


@pytest.mark.parametrize(("strength", "levels"), [(4.5, 11), (5.5, 6), (6.5, 3), (7, 2)])
def test_posterised_levels_are_as_many_as_stated_and_even(strength: float, levels: int) -> None:
    out = POSTERISE.apply(IMAGE, torch.tensor([float(strength)]), SEEDS[:1])
    assert math.isclose(2 ** (8 - strength), levels, abs_tol=0.5)
    torch.testing.assert_close(out.unique(), torch.arange(levels) / levels)
