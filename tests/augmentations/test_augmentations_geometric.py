"""Rotation, translation and scale against other ways to compute the same."""

import math

import pytest
import torch
from torch.nn import functional as F

from core.augmentations import AUGMENTATIONS
from core.augmentations.sampling import coverage, offsets, sample, sample_alike
from core.augmentations.seeding import seeded_sign, seeded_uniform
from core.augmentations.spec import FILL

ROTATE, TRANSLATE, SCALE = (AUGMENTATIONS[name] for name in ("rotation", "translation", "scale"))
SEEDS = torch.arange(8)
CPU = torch.device("cpu")


def batch(height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.rand(len(SEEDS), 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize("quarters", [1, 2])
def test_quarter_turns_are_exact_and_go_the_way_of_the_seed(size: int, quarters: int) -> None:
    images, signs = batch(size, size), seeded_sign(SEEDS)
    assert set(signs.tolist()) == {-1.0, 1.0}
    turned = ROTATE.apply(images, torch.full((8,), 90.0 * quarters), SEEDS)
    for image, result, sign in zip(images, turned, signs, strict=True):
        # rot90 turns counter-clockwise, which is what the positive sign stands for.
        torch.testing.assert_close(result, torch.rot90(image, int(sign) * quarters, (1, 2)), atol=2e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 33)])
@pytest.mark.parametrize("degrees", [0.0, 10.0, 37.3, 90.0, 171.0])
def test_images_that_share_positions_are_sampled_as_one_by_one(height: int, width: int, degrees: float) -> None:
    images, angle = batch(height, width), math.radians(degrees)
    across, down = offsets(width, CPU), offsets(height, CPU)[:, None]
    x, y = across * math.cos(angle) + down * math.sin(angle), down * math.cos(angle) - across * math.sin(angle)
    shown = coverage(x, y, height, width)
    apart = sample(images, x.expand(8, -1, -1), y.expand(8, -1, -1), "bicubic")
    expected = torch.lerp(torch.tensor(FILL), apart, shown)
    found = sample_alike(images, x, y, shown, FILL)
    # The other way rounds the positions to the grid's scale and back.
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    assert (found[..., shown == 0] == torch.tensor(FILL)).all()


def test_a_batch_of_many_angles_keeps_its_order() -> None:
    images, strengths = batch(), torch.tensor([30.0, 10, 30, 0, 90, 10, 30, 45])
    turned = ROTATE.apply(images, strengths, SEEDS)
    for i in range(8):
        alone = ROTATE.apply(images[i : i + 1], strengths[i : i + 1], SEEDS[i : i + 1])
        torch.testing.assert_close(turned[i], alone[0], atol=2e-6, rtol=0)


def test_rotation_has_no_shear_and_keeps_distances() -> None:
    """A dot on each axis lands at the same distance from the centre, a quarter turn apart."""
    images = torch.zeros(2, 3, 65, 65)
    images[0, :, 31:34, 51:54] = 1  # 20 to the right of the centre
    images[1, :, 11:14, 31:34] = 1  # 20 above it
    seeds = SEEDS[seeded_sign(SEEDS) > 0][:1].expand(2)
    turned = ROTATE.apply(images, torch.full((2,), 30.0), seeds)[:, 0]
    position = torch.arange(65.0) - 32
    # Grey corners are outside this window of 45 pixels.
    turned, position = turned[:, 10:55, 10:55], position[10:55]
    mass = turned.sum((1, 2))
    x, y = (turned * position).sum((1, 2)) / mass, (turned * position[:, None]).sum((1, 2)) / mass
    cos, sin = 20 * math.cos(math.pi / 6), 20 * math.sin(math.pi / 6)
    torch.testing.assert_close(x, torch.tensor([cos, -sin]), atol=0.05, rtol=0)
    torch.testing.assert_close(y, torch.tensor([-sin, -cos]), atol=0.05, rtol=0)


def test_rotated_corners_are_grey_and_a_flat_image_stays_flat_inside() -> None:
    turned = ROTATE.apply(torch.ones(8, 3, 64, 64), torch.full((8,), 45.0), SEEDS)
    torch.testing.assert_close(turned[:, :, :8, :8], torch.full((8, 3, 8, 8), FILL))
    torch.testing.assert_close(turned[:, :, 20:44, 20:44], torch.ones(8, 3, 24, 24))


def test_rotation_of_a_wide_image_is_rigid() -> None:
    images = batch(20, 30)
    half = ROTATE.apply(images, torch.full((8,), 180.0), SEEDS)
    torch.testing.assert_close(half, images.flip(2, 3), atol=2e-4, rtol=0)
    # After a quarter turn only the central square is left, turned.
    quarter = ROTATE.apply(images, torch.full((8,), 90.0), SEEDS)
    for image, result, sign in zip(images, quarter, seeded_sign(SEEDS), strict=True):
        expected = torch.rot90(image[:, :, 5:25], int(sign), (1, 2))
        torch.testing.assert_close(result[:, :, 5:25], expected, atol=2e-4, rtol=0)
        torch.testing.assert_close(result[:, :, :4], torch.full((3, 20, 4), FILL))


@pytest.mark.parametrize("strength", [0.125, 0.3, 0.5])
def test_translation_is_a_roll_where_content_stays_and_grey_elsewhere(strength: float) -> None:
    images = batch(32, 40)
    moved = TRANSLATE.apply(images, torch.full((8,), strength), SEEDS)
    directions = seeded_uniform(SEEDS, 0, 2 * math.pi)
    assert directions.max() - directions.min() > math.pi
    for image, result, direction in zip(images, moved, directions.tolist(), strict=True):
        # The shorter side is 32 whichever way the shift points.
        right, down = (round(strength * 32 * part) for part in (math.cos(direction), math.sin(direction)))
        assert abs(math.hypot(right, down) - strength * 32) <= math.sqrt(0.5)
        expected = torch.roll(image, (down, right), (1, 2))
        rows, columns = torch.arange(32) - down, torch.arange(40) - right
        inside = ((rows >= 0) & (rows < 32))[:, None] & ((columns >= 0) & (columns < 40))
        assert torch.equal(result, torch.where(inside, expected, torch.tensor(FILL)))


def test_the_seed_keeps_its_direction_at_every_strength() -> None:
    """A bright dot moves along one line, as far as the strength says."""
    images = torch.zeros(10, 3, 101, 101)
    images[:, :, 50, 50] = 1
    strengths = torch.arange(1, 11) * 0.045
    moved = TRANSLATE.apply(images, strengths, torch.full((10,), 5))[:, 0] == 1
    y, x = (moved.nonzero()[:, axis].float() - 50 for axis in (1, 2))
    direction = seeded_uniform(torch.tensor([5]), 0, 2 * math.pi)
    torch.testing.assert_close(x, strengths * 101 * direction.cos(), atol=0.51, rtol=0)
    torch.testing.assert_close(y, strengths * 101 * direction.sin(), atol=0.51, rtol=0)


@pytest.mark.parametrize(("zoom", "height", "width"), [(0.5, 32, 32), (0.25, 64, 48), (0.75, 32, 48), (0.6, 55, 55)])
def test_shrinking_is_an_antialiased_resize_on_grey(zoom: float, height: int, width: int) -> None:
    images = batch(height, width)
    small = SCALE.apply(images, torch.full((8,), zoom), SEEDS)
    h, w = round(zoom * height), round(zoom * width)
    expected = torch.full_like(images, FILL)
    top, left = (height - h) // 2, (width - w) // 2
    expected[:, :, top : top + h, left : left + w] = F.interpolate(
        images, (h, w), mode="bicubic", antialias=True, align_corners=False
    ).clamp(0, 1)
    torch.testing.assert_close(small, expected, atol=1e-5, rtol=0)


def test_shrinking_a_checkerboard_gives_its_mean() -> None:
    """Without antialiasing every second square would vanish and the frame come out black or white."""
    board = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().expand(1, 3, -1, -1)
    small = SCALE.apply(board, torch.tensor([0.25]), torch.tensor([0]))
    torch.testing.assert_close(small[:, :, 26:38, 26:38], torch.full((1, 3, 12, 12), 0.5), atol=0.02, rtol=0)


def test_a_frame_edge_between_pixels_is_blended() -> None:
    """White, 10 pixels wide at zoom .7: the frame ends at 3.5 pixels from the centre, half-way through a pixel."""
    small = SCALE.apply(torch.ones(1, 3, 10, 10), torch.tensor([0.7]), torch.tensor([0]))
    half = 0.5 + 0.5 * FILL
    expected = torch.tensor([FILL, half, 1, 1, 1, 1, 1, 1, half, FILL])
    torch.testing.assert_close(small[0, 0, 5], expected)


def test_masks_by_hand() -> None:
    maps, seeds = torch.rand(1, 8, 8), torch.tensor([0])
    for strength in SCALE.strengths:
        assert SCALE.inverse_warp(maps, torch.tensor([strength]), seeds)[1].all()
    assert ROTATE.inverse_warp(maps, torch.tensor([90.0]), seeds)[1].all()
    # Turned by 45 degrees the frame keeps what is within 4 of the centre along both diagonals.
    position = torch.arange(8) - 3.5
    octagon = ((position + position[:, None]).abs() <= 4 * 2**0.5) & (
        (position - position[:, None]).abs() <= 4 * 2**0.5
    )
    assert torch.equal(ROTATE.inverse_warp(maps, torch.tensor([45.0]), seeds)[1][0], octagon)
    direction = seeded_uniform(seeds, 0, 2 * math.pi)
    columns = (position + 0.25 * 8 * direction.cos()).abs() <= 4
    rows = (position + 0.25 * 8 * direction.sin()).abs() <= 4
    mask = TRANSLATE.inverse_warp(maps, torch.tensor([0.25]), seeds)[1][0]
    assert torch.equal(mask, rows[:, None] & columns)


@pytest.mark.parametrize("quarters", [1, 2])
def test_a_quarter_turned_map_comes_back_exactly(quarters: int) -> None:
    maps = torch.rand(8, 7, 7)
    turned = torch.stack(
        [torch.rot90(m, int(s) * quarters, (0, 1)) for m, s in zip(maps, seeded_sign(SEEDS), strict=True)]
    )
    back, valid = ROTATE.inverse_warp(turned, torch.full((8,), 90.0 * quarters), SEEDS)
    assert valid.all()
    torch.testing.assert_close(back, maps, atol=1e-5, rtol=0)
