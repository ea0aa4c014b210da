"""Shear, perspective and elastic bending against torchvision, solid geometry and what a ramp turns into."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from torchvision.transforms.functional import InterpolationMode, affine, perspective

from core.augmentations import AUGMENTATIONS
from core.augmentations.sampling import cubic, offsets, sample
from core.augmentations.seeding import seeded_sign, seeded_uniform
from core.augmentations.spec import FILL
from core.augmentations.warping import DISTANCE

SHEAR, PERSPECTIVE, ELASTIC = (AUGMENTATIONS[name] for name in ("shear", "perspective", "elastic"))
SEEDS = torch.arange(8)
CPU = torch.device("cpu")


def smooth(height: int, width: int) -> torch.Tensor:
    """(8, 3, height, width), so smooth that bilinear and bicubic sampling agree."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    waves = [0.5 + 0.4 * torch.sin(3 * x + i) * torch.cos(2 * y - i) for i in range(3)]
    return torch.stack(waves).expand(8, -1, -1, -1)


def inside(shape: tuple[int, int], warp) -> torch.Tensor:
    """(height, width), True where the warp of a white image on black is all white, two pixels from its edges."""
    white = warp(torch.ones(1, 1, *shape))[0, 0]
    return -torch.nn.functional.max_pool2d(-white[None], 5, 1, 2)[0] > 0.999


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 65)])
@pytest.mark.parametrize("degrees", [5.0, 20.0, 45.0])
def test_shear_is_that_of_torchvision(degrees: float, height: int, width: int) -> None:
    images = smooth(height, width)
    leaning = SHEAR.apply(images, torch.full((8,), degrees), SEEDS)
    for image, result, sign in zip(images, leaning, seeded_sign(SEEDS).tolist(), strict=True):

        def theirs(picture: torch.Tensor, angle: float = -sign * degrees) -> torch.Tensor:
            return affine(picture, 0, [0, 0], 1, [angle, 0], InterpolationMode.BILINEAR)

        shown = inside((height, width), theirs)
        assert shown.float().mean() > 0.5
        torch.testing.assert_close(result[:, shown], theirs(image)[:, shown], atol=5e-3, rtol=0)


def test_shear_is_bicubic_along_lines() -> None:
    images = torch.rand(8, 3, 32, 40)
    leaning = SHEAR.apply(images, torch.full((8,), 30.0), SEEDS)
    slope = (math.tan(math.pi / 6) * seeded_sign(SEEDS)).view(-1, 1, 1)
    x, y = offsets(40, CPU) - slope * offsets(32, CPU)[:, None], offsets(32, CPU)[:, None].expand(8, -1, 40)
    expected = sample(images, x, y, "bicubic").clamp(0, 1)
    seen = x.abs() < 19
    for channel in range(3):
        torch.testing.assert_close(leaning[:, channel][seen], expected[:, channel][seen], atol=1e-4, rtol=0)
    assert (leaning.movedim(1, -1)[x.abs() > 21] == FILL).all()


def test_kernels_of_both_kinds_add_up_to_one() -> None:
    t = torch.rand(100)
    for a in (-0.5, -0.75):
        weights = torch.stack([cubic(distance, a) for distance in (t + 1, t, 1 - t, 2 - t)])
        torch.testing.assert_close(weights.sum(0), torch.ones(100))
        assert cubic(torch.tensor([0.0, 1.0, 2.0, 5.0]), a).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 65)])
@pytest.mark.parametrize("degrees", [6.0, 30.0, 60.0])
def test_perspective_is_that_of_a_tilted_sheet(degrees: float, height: int, width: int) -> None:
    """The sheet's corners turned in space and projected; torchvision draws the image between them."""
    images = smooth(height, width)
    tilted = PERSPECTIVE.apply(images, torch.full((8,), degrees), SEEDS)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - np.array([width, height]) / 2
    away, camera = seeded_uniform(SEEDS, 0, 2 * math.pi).tolist(), DISTANCE * max(height, width)
    for image, result, angle in zip(images, tilted, away, strict=True):
        axis = np.array([math.sin(angle), -math.cos(angle), 0])
        turned = Rotation.from_rotvec(axis * math.radians(degrees)).apply(np.pad(corners, ((0, 0), (0, 1))))
        assert turned[(corners @ [math.cos(angle), math.sin(angle)]).argmax(), 2] > 0, "the seed points to the far side"
        projected = turned[:, :2] * camera / (camera + turned[:, 2:])
        start, end = (corner + np.array([width, height]) / 2 for corner in (corners, projected))

        def theirs(picture: torch.Tensor, start=start, end=end) -> torch.Tensor:
            return perspective(picture, start.tolist(), end.tolist(), InterpolationMode.BILINEAR)

        shown = inside((height, width), theirs)
        assert shown.float().mean() > 0.25
        torch.testing.assert_close(result[:, shown], theirs(image)[:, shown], atol=5e-3, rtol=0)


def test_around_a_tilted_sheet_all_is_grey() -> None:
    tilted = PERSPECTIVE.apply(torch.ones(8, 3, 64, 64), torch.full((8,), 60.0), SEEDS)
    assert (tilted.flatten(1).min(1).values == FILL).all()
    long = PERSPECTIVE.apply(torch.ones(8, 3, 8, 64), torch.full((8,), 60.0), SEEDS)
    assert long.isfinite().all()


def ramps(side: int) -> torch.Tensor:
    """(3, side, side): x, y and x + y, each from 0 to 1 over the frame."""
    position = (offsets(side, CPU) / side + 0.5).expand(side, -1)
    return torch.stack((position, position.T, (position + position.T) / 2))


@pytest.mark.parametrize("strength", [0.003, 0.015, 0.03])
def test_bending_moves_points_by_its_strength(strength: float) -> None:
    seeds = torch.arange(200)
    bent = ELASTIC.apply(ramps(96).expand(200, -1, -1, -1), torch.full((200,), strength), seeds)
    moves = (bent - ramps(96))[:, :2]
    size = moves.square().sum(1).mean((1, 2)).sqrt()
    # Bicubic sampling reads a ramp to some hundredths of a pixel.
    torch.testing.assert_close(size, torch.full((200,), strength), atol=0.05 / 96, rtol=0)
    # The frame stays: what is at its edges is theirs.
    assert moves[:, 0, :, [0, -1]].abs().max() < 0.1 * strength * math.pi
    # Never folded: the area that a pixel shows stays positive.
    right, down = bent.diff(dim=3)[:, :2, :-1], bent.diff(dim=2)[:, :2, :, :-1]
    assert (right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0]).min() > 0


def test_bending_is_that_of_scipy_at_the_positions_that_ramps_tell() -> None:
    images = smooth(64, 64)
    positions = ELASTIC.apply(ramps(64).expand(8, -1, -1, -1), torch.full((8,), 0.03), SEEDS)
    bent = ELASTIC.apply(images, torch.full((8,), 0.03), SEEDS)
    for image, result, (x, y, _) in zip(images, bent, positions, strict=True):
        for channel in range(3):
            expected = map_coordinates(image[channel].numpy(), [y * 64 - 0.5, x * 64 - 0.5], order=3, mode="nearest")
            torch.testing.assert_close(
                result[channel, 2:-2, 2:-2], torch.from_numpy(expected)[2:-2, 2:-2], atol=2e-3, rtol=0
            )


def test_a_bent_map_comes_back() -> None:
    seeds = torch.arange(64)
    strengths = torch.full((64,), 0.03)
    bent = ELASTIC.apply(ramps(64).expand(64, -1, -1, -1), strengths, seeds)
    for channel in range(3):
        back, valid = ELASTIC.inverse_warp(bent[:, channel], strengths, seeds)
        assert valid.all()
        # A tenth of a pixel.
        torch.testing.assert_close(
            back[:, 2:-2, 2:-2], ramps(64)[channel, 2:-2, 2:-2].expand(64, -1, -1), atol=0.1 / 64, rtol=0
        )


@pytest.mark.parametrize("augmentation", [SHEAR, PERSPECTIVE, ELASTIC], ids=lambda entry: entry.id)
def test_a_marked_pixel_comes_back_to_its_place(augmentation) -> None:
    images = torch.zeros(8, 3, 65, 65)
    images[:, :, 11:16, 47:52] = 1
    strengths = torch.full((8,), augmentation.strengths[4])
    moved = augmentation.apply(images, strengths, SEEDS)[:, 0]
    assert (moved != images[:, 0]).flatten(1).any(1).all()
    # Grey is what comes in from beyond the frame.
    back, valid = augmentation.inverse_warp(torch.where(moved == FILL, 0, moved), strengths, SEEDS)
    assert valid[:, 13, 49].all()
    assert (back[:, 13, 49] > 0.9).all()
    mass = back[:, 5:22, 41:58]
    place = torch.arange(-8.0, 9)
    for axis in (1, 2):
        assert ((mass.sum(axis) * place).sum(1) / mass.sum((1, 2))).abs().max() < 0.2
