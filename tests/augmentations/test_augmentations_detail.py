"""Motion blur, sharpening, grain and the grey border against waves, torchvision, statistics and loops."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, uniform_filter1d
from scipy.stats import binom, poisson
from skimage.util import random_noise
from torchvision.transforms.functional import adjust_sharpness

from core.augmentations import AUGMENTATIONS
from core.augmentations.detail import smear
from core.augmentations.seeding import seeded_uniform
from core.augmentations.spec import FILL

MOTION, SHARPNESS, BORDER = (AUGMENTATIONS[name] for name in ("motion-blur", "sharpness", "border"))
NOISE, SHOT, SALT = (AUGMENTATIONS[name] for name in ("noise", "shot-noise", "salt-and-pepper"))
SEEDS = torch.arange(8)


def waves(height: int, width: int, across: float, down: float) -> torch.Tensor:
    """(1, 1, height, width): a plane wave, by cycles a pixel."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.5 + 0.4 * torch.sin(2 * math.pi * (across * x + down * y)))[None, None]


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 2.5])
@pytest.mark.parametrize("length", [1.0, 5.3, 12.0])
def test_a_wave_is_damped_by_the_sinc_of_its_cycles_along_the_line(length: float, angle: float) -> None:
    image = waves(96, 80, 0.07, -0.04)
    out = smear(image, torch.tensor([length]), torch.tensor([angle]))
    cycles = length * (0.07 * math.cos(angle) - 0.04 * math.sin(angle))
    expected = 0.5 + (image - 0.5) * float(np.sinc(cycles))
    # The mirrored edges reach in by half a line.
    torch.testing.assert_close(out[..., 12:-12, 12:-12], expected[..., 12:-12, 12:-12], atol=4e-3, rtol=0)


@pytest.mark.parametrize("strength", [0.08, 0.25])
def test_motion_is_the_mean_of_scipys_images_along_the_line(strength: float) -> None:
    y, x = np.meshgrid(np.arange(64.0), np.arange(64.0), indexing="ij")
    image = 0.5 + 0.2 * np.sin(x / 5) * np.cos(y / 4) + 0.2 * np.sin((x - 2 * y) / 9)
    given = torch.from_numpy(image).float().expand(8, 3, -1, -1)
    out = MOTION.apply(given, torch.full((8,), strength), SEEDS)[:, 0]
    for result, angle in zip(out, seeded_uniform(SEEDS, 0, math.pi).tolist(), strict=True):
        steps = (np.arange(64) + 0.5) / 64 - 0.5
        shifted = [
            map_coordinates(image, [y + d * math.sin(angle), x + d * math.cos(angle)], order=3, mode="mirror")
            for d in steps * strength * 64
        ]
        expected = torch.from_numpy(np.mean(shifted, axis=0)).float()
        torch.testing.assert_close(result[8:-8, 8:-8], expected[8:-8, 8:-8], atol=5e-3, rtol=0)


def test_motion_along_a_line_of_pixels_is_a_running_mean_and_keeps_a_flat_image() -> None:
    image = waves(64, 64, 0.03, 0.02)
    out = smear(image, torch.tensor([7.0]), torch.tensor([0.0]))[0, 0]
    expected = torch.from_numpy(uniform_filter1d(image[0, 0].double().numpy(), 7, axis=1, mode="mirror")).float()
    torch.testing.assert_close(out[:, 8:-8], expected[:, 8:-8], atol=3e-3, rtol=0)
    flat = torch.full((8, 3, 50, 41), 0.3)
    torch.testing.assert_close(MOTION.apply(flat, torch.full((8,), 0.25), SEEDS), flat)
    assert MOTION.apply(torch.rand(1, 3, 2, 2), torch.tensor([0.25]), SEEDS[:1]).isfinite().all()


@pytest.mark.parametrize("strength", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("shape", [(24, 31), (3, 3)])
def test_sharpening_is_that_of_torchvision(strength: float, shape: tuple[int, int]) -> None:
    images = torch.rand(8, 3, *shape)
    out = SHARPNESS.apply(images, torch.full((8,), strength), SEEDS)
    torch.testing.assert_close(out, adjust_sharpness(images, 1 + strength), atol=1e-5, rtol=0)


def test_an_image_without_a_middle_cannot_be_sharpened() -> None:
    images = torch.rand(2, 3, 2, 9)
    assert torch.equal(SHARPNESS.apply(images, torch.full((2,), 4.0), SEEDS[:2]), images)


@pytest.mark.parametrize(("value", "strength"), [(0.5, 0.06), (0.5, 0.13), (0.25, 0.09)])
def test_shot_noise_has_mean_and_variance_of_counted_photons(value: float, strength: float) -> None:
    out = SHOT.apply(torch.full((4, 3, 96, 96), value), torch.full((4,), strength), torch.arange(4))
    photons = poisson(value / strength**2)
    assert out.mean().item() == pytest.approx(photons.mean() * strength**2, abs=2e-3)
    assert out.std().item() == pytest.approx(photons.std() * strength**2, rel=0.01)


def test_shot_noise_leaves_black_and_shares_its_field_with_plain_noise() -> None:
    assert (SHOT.apply(torch.zeros(2, 3, 16, 16), torch.full((2,), 0.58), SEEDS[:2]) == 0).all()
    images, strengths = torch.full((2, 3, 32, 32), 0.49), torch.full((2,), 0.05)
    plain, shot = (kind.apply(images, strengths, SEEDS[:2]) - images for kind in (NOISE, SHOT))
    torch.testing.assert_close(shot, 0.7 * plain, atol=1e-6, rtol=0)


@pytest.mark.parametrize("share", [0.01, 0.17, 0.5])
def test_salt_and_pepper_is_the_stated_share_half_black_half_white(share: float) -> None:
    images = torch.full((4, 3, 128, 128), 0.5)
    out = SALT.apply(images, torch.full((4,), share), torch.arange(4))
    assert torch.equal(out[:, :1].expand_as(out), out), "all channels of a pixel are lost"
    black, white = (out[:, 0] == 0).sum().item(), (out[:, 0] == 1).sum().item()
    assert (out[:, 0] == 0.5).sum().item() + black + white == 4 * 128**2
    low, high = binom(4 * 128**2, share / 2).interval(0.9999)
    assert low <= black <= high
    assert low <= white <= high
    theirs = random_noise(np.full((256, 256), 0.5), "s&p", rng=0, amount=share)
    assert low <= (theirs == 0).sum() <= high
    assert not torch.equal(out[0], out[1])


def test_what_is_lost_stays_lost() -> None:
    images = torch.full((2, 3, 64, 64), 0.5)
    weak, strong = SALT.apply(images, torch.tensor([0.1, 0.4]), torch.tensor([3, 3]))
    assert torch.equal(strong[weak != 0.5], weak[weak != 0.5])


@pytest.mark.parametrize(
    ("height", "width", "strength", "border"),
    [(64, 64, 0.25, 16), (50, 80, 0.1, 5), (64, 64, 0.04, 3), (11, 11, 0.4, 4), (40, 30, 0.2, 6)],
)
def test_the_border_is_this_many_pixels_wide(height: int, width: int, strength: float, border: int) -> None:
    images = torch.rand(1, 3, height, width)
    out = BORDER.apply(images, torch.tensor([strength]), SEEDS[:1])
    expected = torch.full_like(images, FILL)
    inner = (..., slice(border, height - border), slice(border, width - border))
    expected[inner] = images[inner]
    assert torch.equal(out, expected)
