"""Brightness by hand, hue against channel permutations, the standard library and torchvision."""

import colorsys

import pytest
import torch
from torchvision.transforms.functional import adjust_hue

from core.augmentations import AUGMENTATIONS
from core.augmentations.seeding import seeded_sign

BRIGHTNESS, HUE = AUGMENTATIONS["brightness"], AUGMENTATIONS["hue"]
SEEDS = torch.arange(8)
UP, DOWN = SEEDS[seeded_sign(SEEDS) > 0][:1], SEEDS[seeded_sign(SEEDS) < 0][:1]


def test_brightness_on_hand_values() -> None:
    pixels = torch.tensor([0.0, 0.2, 0.5, 1.0]).expand(1, 3, 1, 4)
    brighter = BRIGHTNESS.apply(pixels, torch.tensor([0.5]), UP)[0, 0, 0]
    darker = BRIGHTNESS.apply(pixels, torch.tensor([0.5]), DOWN)[0, 0, 0]
    torch.testing.assert_close(brighter, torch.tensor([0.0, 0.3, 0.75, 1.0]))
    torch.testing.assert_close(darker, torch.tensor([0.0, 0.1, 0.25, 0.5]))


def test_a_third_of_a_turn_permutes_the_channels() -> None:
    images = torch.rand(8, 3, 16, 16)
    turned = HUE.apply(images, torch.full((8,), 120.0), SEEDS)
    for image, result, sign in zip(images, turned, seeded_sign(SEEDS), strict=True):
        torch.testing.assert_close(result, image.roll(int(sign), 0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("degrees", [18.0, 72.0, 100.0, 180.0])
def test_hue_is_that_of_torchvision(degrees: float) -> None:
    images = torch.rand(8, 3, 16, 16)
    turned = HUE.apply(images, torch.full((8,), degrees), SEEDS)
    for image, result, sign in zip(images, turned, seeded_sign(SEEDS).tolist(), strict=True):
        torch.testing.assert_close(result, adjust_hue(image, sign * degrees / 360), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rgb", [(1, 0, 0), (0.2, 0.9, 0.2), (0.1, 0.1, 0.7), (0.6, 0.6, 0.1), (0.3, 0.5, 0.9)])
def test_hue_is_that_of_the_standard_library(rgb: tuple[float, float, float]) -> None:
    """Also where two channels tie for the largest or the smallest."""
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    expected = colorsys.hsv_to_rgb((hue + 54 / 360) % 1, saturation, value)
    turned = HUE.apply(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1), torch.tensor([54.0]), UP)
    torch.testing.assert_close(turned.flatten(), torch.tensor(expected, dtype=torch.float32), atol=1e-5, rtol=0)


def test_greys_have_no_hue_to_turn() -> None:
    greys = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    torch.testing.assert_close(HUE.apply(greys, torch.tensor([90.0]), UP), greys, atol=1e-7, rtol=0)
