"""Flips and random crops against Pillow, torchvision and what a ramp turns into."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.stats import kstest
from torchvision.transforms.functional import InterpolationMode, resized_crop

from core.augmentations import AUGMENTATIONS
from core.augmentations.cropping import STRETCH, cropped, enlarge, reduce
from core.augmentations.sampling import offsets
from core.augmentations.seeding import seeded_uniforms

SIDEWAYS, OVER, CROP = (AUGMENTATIONS[name] for name in ("horizontal-flip", "vertical-flip", "random-crop"))
SEEDS = torch.arange(8)
FLIPS = pytest.mark.parametrize(
    ("flip", "theirs"), [(SIDEWAYS, ImageOps.mirror), (OVER, ImageOps.flip)], ids=["horizontal", "vertical"]
)


@FLIPS
def test_flips_are_those_of_pillow(flip, theirs) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 33, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    out = flip.apply(images, torch.tensor([1.0]), torch.tensor([0]))
    expected = torch.from_numpy(np.array(theirs(Image.fromarray(pixels))))
    assert torch.equal((out[0].permute(1, 2, 0) * 255).round().byte(), expected)


@FLIPS
def test_twice_flipped_is_not_flipped(flip, theirs) -> None:
    images, ones = torch.rand(8, 3, 20, 33), torch.ones(8)
    flipped = flip.apply(images, ones, SEEDS)
    assert torch.equal(flip.apply(flipped, ones, SEEDS), images)
    back, valid = flip.inverse_warp(flipped[:, 0], ones, SEEDS)
    assert valid.all()
    assert torch.equal(back, images[:, 0])


@FLIPS
def test_half_a_flip_is_the_nearer_of_the_two(flip, theirs) -> None:
    images = torch.rand(4, 3, 8, 8)
    strengths = torch.tensor([0.1, 0.49, 0.51, 1.0])
    out = flip.apply(images, strengths, SEEDS[:4])
    assert torch.equal(out[:2], images[:2])
    assert torch.equal(out[2:], flip.apply(images, torch.ones(4), SEEDS[:4])[2:])


@pytest.mark.parametrize(("top", "left", "height", "width"), [(0, 0, 24, 16), (8, 11, 16, 24), (20, 20, 12, 30)])
def test_enlarging_is_the_resized_crop_of_torchvision(top: int, left: int, height: int, width: int) -> None:
    images = torch.rand(2, 3, 32, 50)
    size = torch.tensor([[width / 50, height / 32]]).expand(2, -1)
    centre = torch.tensor([[(left + width / 2) / 50 - 0.5, (top + height / 2) / 32 - 0.5]]).expand(2, -1)
    expected = resized_crop(images, top, left, height, width, [32, 50], InterpolationMode.BICUBIC, antialias=True)
    found = enlarge(images, size, centre)
    # It cuts first, so that its kernel does not see what is beyond the crop: two pixels of it at each edge.
    rows, columns = math.ceil(2 * 32 / height), math.ceil(2 * 50 / width)
    torch.testing.assert_close(
        found[..., rows:-rows, columns:-columns], expected[..., rows:-rows, columns:-columns], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("removed", [0.01, 0.3, 0.9])
def test_crops_have_the_stated_area_and_lie_in_the_frame(removed: float) -> None:
    size, centre = cropped(torch.full((20_000,), removed), seeded_uniforms(torch.arange(20_000), 3))
    torch.testing.assert_close(size.prod(1), torch.full((20_000,), 1 - removed), atol=1e-5, rtol=0)
    assert (centre.abs() + size / 2).max() <= 0.5 + 1e-6
    most = min(math.log(STRETCH), -math.log(1 - removed))
    stretch = (size[:, 0] / size[:, 1]).log()
    assert stretch.abs().max() <= most + 1e-5
    assert kstest(((stretch / most + 1) / 2).numpy(), "uniform").pvalue > 0.01
    room = (1 - size).clamp(min=1e-6)
    for axis in (0, 1):
        place = (centre / room)[:, axis][room[:, axis] > 1e-3] + 0.5
        assert kstest(place.numpy(), "uniform").pvalue > 0.01


def test_a_ramp_tells_the_place_of_the_crop() -> None:
    position = (offsets(64, torch.device("cpu")) / 64 + 0.5).expand(64, -1)
    ramps = torch.stack((position, position.T, position)).expand(8, -1, -1, -1)
    found = CROP.apply(ramps, torch.full((8,), 0.6), SEEDS)
    size, centre = cropped(torch.full((8,), 0.6), seeded_uniforms(SEEDS, 3))
    assert centre.unique(dim=0).shape == (8, 2)
    # The middle of the crop, and the slope, which is its size.
    torch.testing.assert_close(found[:, :2, 31:33, 31:33].mean((2, 3)), 0.5 + centre, atol=1e-4, rtol=0)
    slopes = torch.stack((found[:, 0, 32, 48] - found[:, 0, 32, 16], found[:, 1, 48, 32] - found[:, 1, 16, 32]), 1)
    torch.testing.assert_close(slopes, size / 2, atol=1e-4, rtol=0)


def test_masks_are_the_crops() -> None:
    strengths = torch.full((8,), 0.6)
    size, centre = cropped(strengths, seeded_uniforms(SEEDS, 3))
    mask = CROP.inverse_warp(torch.rand(8, 200, 200), strengths, SEEDS)[1]
    assert (mask.float().mean((1, 2)) - 0.4).abs().max() < 0.01
    for row, (width, height), (x, y) in zip(mask, size.tolist(), centre.tolist(), strict=True):
        down, across = (row.nonzero()[:, axis].float() for axis in (0, 1))
        assert across.mean() / 200 + 0.5 / 200 - 0.5 == pytest.approx(x, abs=0.006)
        assert down.mean() / 200 + 0.5 / 200 - 0.5 == pytest.approx(y, abs=0.006)
        assert (across.max() - across.min() + 1) / 200 == pytest.approx(width, abs=0.011)
        assert (down.max() - down.min() + 1) / 200 == pytest.approx(height, abs=0.011)


def test_a_negative_width_is_a_mirrored_crop_and_comes_back() -> None:
    images = torch.rand(1, 3, 32, 32)
    size, centre = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.2, -0.1]])
    mirrored = enlarge(images, size * torch.tensor([-1, 1]), centre)
    torch.testing.assert_close(mirrored.flip(-1), enlarge(images, size, centre))
    torch.testing.assert_close(enlarge(images, torch.tensor([[-1.0, 1.0]]), torch.zeros(1, 2)), images.flip(-1))
    spot = torch.zeros(1, 3, 32, 32)
    spot[..., 10:13, 20:23] = 1
    seen = enlarge(spot, size * torch.tensor([-1, 1]), centre)[:, 0]
    back, valid = reduce(seen, size * torch.tensor([-1, 1]), centre)
    assert valid[0, 11, 21]
    assert divmod(back.flatten().argmax().item(), 32) == (11, 21)
