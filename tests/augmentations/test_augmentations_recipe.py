"""The training recipe: its parts against torchvision, its shares by counting, and its way back."""

import pytest
import torch
from torchvision.transforms.functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    rgb_to_grayscale,
)

from core.augmentations import AUGMENTATIONS
from core.augmentations.recipe import DRAWS, _frame, _recoloured
from core.augmentations.seeding import seeded_uniforms

RECIPE = AUGMENTATIONS["training-recipe"]
MANY = torch.arange(20_000)


@pytest.mark.parametrize("strength", [0.2, 0.6, 1.0])
def test_the_colours_are_those_of_torchvision_in_the_same_order(strength: float) -> None:
    draws = torch.rand(24, 6, generator=torch.Generator().manual_seed(0))
    images = torch.rand(24, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    out = _recoloured(images, torch.full((24,), strength), draws)
    happens = draws[:, [0, 5]] < torch.tensor([0.8, 0.2])
    assert (happens.any(0) & ~happens.all(0)).all()
    for image, result, (jitter, bright, contrast, saturation, hue, grey) in zip(
        images, out, draws.tolist(), strict=True
    ):
        expected = image
        if jitter < 0.8:
            amount = 0.8 * strength
            expected = adjust_brightness(expected, 1 + amount * (2 * bright - 1))
            expected = adjust_contrast(expected, 1 + amount * (2 * contrast - 1))
            expected = adjust_saturation(expected, 1 + amount * (2 * saturation - 1))
            expected = adjust_hue(expected, 0.2 * strength * (2 * hue - 1))
        if grey < 0.2:
            expected = torch.lerp(expected, rgb_to_grayscale(expected, 3), strength)
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_shares_and_sizes_scale_with_the_strength(strength: float) -> None:
    size, _ = _frame(torch.full((len(MANY),), strength), seeded_uniforms(MANY, DRAWS)[:, :5])
    flipped = size[:, 0] < 0
    assert flipped.float().mean().item() == pytest.approx(strength / 2, abs=0.015)
    area = size.prod(1).abs()
    # Uniform between what the strongest crop leaves and everything.
    least = 1 - 0.92 * strength
    assert area.min().item() == pytest.approx(least, abs=1e-3)
    assert area.mean().item() == pytest.approx((1 + least) / 2, abs=0.01)
    assert abs(torch.corrcoef(torch.stack((area, flipped.float())))[0, 1]) < 0.02


def test_a_flip_once_made_is_kept() -> None:
    draws = seeded_uniforms(torch.arange(200), DRAWS)[:, :5]
    flipped = torch.stack([_frame(torch.full((200,), s), draws)[0][:, 0] < 0 for s in RECIPE.strengths])
    assert (flipped[1:] >= flipped[:-1]).all()
    assert flipped[-1].any()
    assert not flipped[0].any()


@pytest.mark.parametrize("strength", [0.3, 0.7, 1.0])
def test_a_marked_place_comes_back_whatever_the_colours(strength: float) -> None:
    seeds = torch.arange(64)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    spot = 0.1 + 0.5 * torch.exp(-((y - 28) ** 2 + (x - 38) ** 2) / (2 * 3**2))
    strengths = torch.full((64,), strength)
    views = RECIPE.apply(spot.expand(64, 3, -1, -1), strengths, seeds)
    back, valid = RECIPE.inverse_warp(views.mean(1), strengths, seeds)
    whole = valid[:, 20:37, 30:47].flatten(1).all(1)
    assert whole.sum() >= 10
    place = torch.arange(-8.0, 9)
    for window in back[whole][:, 20:37, 30:47]:
        # Brightness and contrast may have clipped its top: half way up it is round all the same.
        high = (window > (window.max() + window.min()) / 2).float()
        assert abs((high.sum(0) * place).sum() / high.sum()) < 1
        assert abs((high.sum(1) * place).sum() / high.sum()) < 1


def test_half_the_images_are_blurred_at_the_end() -> None:
    seeds = torch.arange(200)
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).expand(200, -1, -1, -1)
    out = RECIPE.apply(noise, torch.ones(200), seeds)
    blurred = seeded_uniforms(seeds, DRAWS)[:, 11] < 0.5
    assert 70 < blurred.sum() < 130
    # Blur takes from the difference of neighbours more than from the contrast.
    detail = out.diff(dim=3).abs().mean((1, 2, 3)) / (out.std((1, 2, 3)) + 1e-3)
    assert detail[blurred].mean() < 0.95 * detail[~blurred].mean()
