"""Patch shuffle and pixelation against loops over patches and scikit-image."""

import numpy as np
import pytest
import torch
from skimage.measure import block_reduce

from core.augmentations import AUGMENTATIONS

SHUFFLE, PIXELATE = AUGMENTATIONS["patch-shuffle"], AUGMENTATIONS["pixelate"]
SEEDS = torch.arange(8)


def numbered(height: int, width: int) -> torch.Tensor:
    """(8, 3, height, width), every value once in an image."""
    return (torch.arange(3 * height * width) / (3 * height * width)).view(3, height, width).expand(8, -1, -1, -1)


@pytest.mark.parametrize(("side", "height", "width"), [(2, 48, 48), (3, 48, 24), (4, 64, 64), (16, 64, 48)])
def test_every_patch_is_another_patch_of_the_image(side: int, height: int, width: int) -> None:
    images = numbered(height, width)
    out = SHUFFLE.apply(images, torch.full((8,), float(side)), SEEDS)
    tall, wide = height // side, width // side
    for image, shuffled in zip(images, out, strict=True):

        def patch(picture: torch.Tensor, number: int) -> torch.Tensor:
            down, right = divmod(number, side)
            return picture[:, down * tall : (down + 1) * tall, right * wide : (right + 1) * wide]

        origin = {patch(image, i)[0, 0, 0].item(): i for i in range(side**2)}
        where = [origin[patch(shuffled, i)[0, 0, 0].item()] for i in range(side**2)]
        assert sorted(where) == list(range(side**2))
        # One cycle through all of them.
        place, seen = 0, set()
        while place not in seen:
            seen.add(place)
            place = where[place]
        assert len(seen) == side**2
        for i, source in enumerate(where):
            assert torch.equal(patch(shuffled, i), patch(image, source))


@pytest.mark.parametrize("strength", [2.0, 7.0, 14.0, 16.0])
def test_shuffling_keeps_the_pixels_and_comes_back(strength: float) -> None:
    images, strengths = numbered(224, 112), torch.full((8,), strength)
    out = SHUFFLE.apply(images, strengths, SEEDS)
    assert torch.equal(out.flatten(1).sort(1).values, images.flatten(1))
    for channel in range(3):
        back, valid = SHUFFLE.inverse_warp(out[:, channel], strengths, SEEDS)
        assert valid.all()
        assert torch.equal(back, images[:, channel])


@pytest.mark.parametrize(("height", "width"), [(33, 47), (64, 50)])
@pytest.mark.parametrize("side", [2, 3, 7, 11, 16])
def test_where_the_side_does_not_divide_a_patch_is_off_by_one_line(side: int, height: int, width: int) -> None:
    images, strengths = numbered(height, width), torch.full((8,), float(side))
    out = SHUFFLE.apply(images, strengths, SEEDS)

    def starts(size: int) -> list[int]:
        """The first pixel of each patch, the patch of a pixel being the one that its centre is in."""
        patch = [int((i + 0.5) * side / size) for i in range(size)]
        return [patch.index(i) for i in range(side)] + [size]

    tops, lefts = starts(height), starts(width)
    corner = {images[0, 0, y, x].item(): (a, b) for a, y in enumerate(tops[:-1]) for b, x in enumerate(lefts[:-1])}
    for image, shuffled in zip(images, out, strict=True):
        sources = set()
        for a in range(side):
            for b in range(side):
                c, d = corner[shuffled[0, tops[a], lefts[b]].item()]
                sources.add((c, d))
                tall = min(tops[a + 1] - tops[a], tops[c + 1] - tops[c])
                wide = min(lefts[b + 1] - lefts[b], lefts[d + 1] - lefts[d])
                assert tops[a + 1] - tops[a] - tall in (0, 1)
                assert torch.equal(
                    shuffled[:, tops[a] : tops[a] + tall, lefts[b] : lefts[b] + wide],
                    image[:, tops[c] : tops[c] + tall, lefts[d] : lefts[d] + wide],
                )
        assert len(sources) == side**2
    back, _ = SHUFFLE.inverse_warp(out[:, 0], strengths, SEEDS)
    # All but what the shuffle left out is back.
    assert ((back == images[:, 0]).float().mean((1, 2)) > (1 - side / height) * (1 - side / width) - 1e-6).all()


def test_more_patches_than_cells_is_no_failure() -> None:
    maps = torch.rand(8, 7, 7)
    back, valid = SHUFFLE.inverse_warp(maps, torch.full((8,), 16.0), SEEDS)
    assert valid.all()
    for row, clean in zip(back, maps, strict=True):
        assert set(row.flatten().tolist()) <= set(clean.flatten().tolist())


def test_the_order_of_two_by_two_is_any_cycle() -> None:
    images = torch.arange(4).view(1, 1, 2, 2).expand(600, 3, -1, -1) / 4
    out = SHUFFLE.apply(images, torch.full((600,), 2.0), torch.arange(600))
    orders, counts = out[:, 0].flatten(1).unique(dim=0, return_counts=True)
    assert len(orders) == 6  # (4 - 1)! cycles
    assert (counts - 100).abs().max() < 40


@pytest.mark.parametrize(("side", "block"), [(64, 4), (64, 16), (224, 7)])
def test_whole_blocks_are_those_of_scikit_image(side: int, block: int) -> None:
    images = torch.rand(2, 3, side, side)
    out = PIXELATE.apply(images, torch.full((2,), block / side), SEEDS[:2])
    expected = block_reduce(images.numpy(), (1, 1, block, block), np.mean).repeat(block, 2).repeat(block, 3)
    torch.testing.assert_close(out, torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [0.05, 0.13, 0.25])
def test_uneven_blocks_are_what_a_loop_makes_of_them(strength: float) -> None:
    images = torch.rand(1, 3, 33, 47)
    out = PIXELATE.apply(images, torch.tensor([strength]), SEEDS[:1])
    down, right = (np.floor((np.arange(size) + 0.5) / (strength * 33)) for size in (33, 47))
    expected = images.clone()
    for a in np.unique(down):
        for b in np.unique(right):
            rows, columns = torch.from_numpy(down == a), torch.from_numpy(right == b)
            here = rows[:, None] & columns
            expected[..., here] = images[..., here].mean(-1, keepdim=True)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
