"""What every entry of the registry promises, checked on every entry."""

import copy
import math
import pickle
from itertools import accumulate, pairwise

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch.nn import functional as F

from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import Augmentation
from core.errors import InvalidRequest

EVERY = pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())
# The least share of the frame that stays in view at any strength.
IN_VIEW = {"random-crop": 0.09}
MOVING = pytest.mark.parametrize(
    "augmentation", [a for a in AUGMENTATIONS.values() if a.inverse_warp], ids=lambda entry: entry.id
)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]),
]


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    """(1, 3, 64, 64): a face, with texture and colour."""
    pixels = torch.from_numpy(astronaut()[:256, 96:352].copy()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(pixels, size=64, mode="area")


def spread(augmentation: Augmentation) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch of different images, each with its own strength (the grid's, identity twice) and its own seed."""
    strengths = torch.tensor([*augmentation.strengths, augmentation.identity])
    images = torch.rand(len(strengths), 3, 40, 40, generator=torch.Generator().manual_seed(3))
    return images, strengths, torch.arange(len(strengths)) * 7 + 1


def test_ids_and_families() -> None:
    for name, augmentation in AUGMENTATIONS.items():
        assert augmentation.id == name
        assert augmentation.family in {"geometric", "photometric", "degradation", "occlusion", "combined"}
        assert (augmentation.inverse_warp is not None) == (augmentation.family in {"geometric", "combined"})
        assert augmentation.label
        assert augmentation.unit
        assert augmentation.description.endswith(".")
        drawn = "random" in augmentation.description or "the seed" in augmentation.description
        assert drawn == augmentation.seeded, "people read whether chance has a part in it"


@EVERY
def test_grid_runs_from_identity_to_strongest(augmentation: Augmentation) -> None:
    grid = augmentation.strengths
    away = [abs(strength - augmentation.identity) for strength in grid]
    assert 9 <= len(grid) <= 11 or grid == (0, 1)
    assert all(a < b for a, b in pairwise(away))
    # Strengths travel as float32 tensors: the identity must survive that.
    assert torch.tensor(grid, dtype=torch.float32)[0].item() == augmentation.identity


@EVERY
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_identity_rows_come_back_bit_for_bit(augmentation: Augmentation, device: str, dtype: torch.dtype) -> None:
    images, strengths, seeds = spread(augmentation)
    images = images.to(device, dtype)
    out = augmentation.apply(images, strengths.to(device), seeds.to(device))
    still = (strengths == augmentation.identity).to(device)
    assert still.sum() == 2
    assert torch.equal(out[still], images[still])
    assert ((out != images).flatten(1).any(1) == ~still).all()


@EVERY
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(64, 64), (33, 33), (30, 47)])
def test_shape_dtype_device_and_range(
    augmentation: Augmentation, device: str, dtype: torch.dtype, shape: tuple[int, int]
) -> None:
    _, strengths, seeds = spread(augmentation)
    # Black and white only: where interpolation, noise and factors overshoot the most.
    images = (torch.rand(len(strengths), 3, *shape) > 0.5).to(device, dtype)
    out = augmentation.apply(images, strengths, seeds)
    assert (out.shape, out.dtype, out.device) == (images.shape, images.dtype, images.device)
    assert out.isfinite().all()
    assert out.min() >= 0
    assert out.max() <= 1


@EVERY
def test_inputs_are_left_as_they_were(augmentation: Augmentation) -> None:
    given = spread(augmentation)
    before = copy.deepcopy(given)
    augmentation.apply(*given)
    for tensor, copied in zip(given, before, strict=True):
        assert torch.equal(tensor, copied)


@EVERY
def test_outcome_shares_no_memory_with_the_input(augmentation: Augmentation) -> None:
    images = torch.rand(2, 3, 32, 32)
    kept = images.clone()
    augmentation.apply(images, torch.full((2,), augmentation.identity), torch.arange(2)).zero_()
    assert torch.equal(images, kept)


@EVERY
@pytest.mark.parametrize("device", DEVICES)
def test_a_row_does_not_depend_on_its_batch(augmentation: Augmentation, device: str) -> None:
    images, strengths, seeds = (tensor.to(device) for tensor in spread(augmentation))
    whole = augmentation.apply(images, strengths, seeds)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).to(device)
    torch.testing.assert_close(
        augmentation.apply(images[order], strengths[order], seeds[order]), whole[order], atol=2e-6, rtol=0
    )
    for i in range(len(images)):
        alone = augmentation.apply(images[i : i + 1], strengths[i : i + 1], seeds[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], atol=2e-6, rtol=0)


@EVERY
def test_global_random_state_is_neither_read_nor_moved(augmentation: Augmentation) -> None:
    given = spread(augmentation)
    torch.manual_seed(1)
    first, state = augmentation.apply(*given), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(augmentation.apply(*given), first)


@EVERY
def test_the_seed_matters_exactly_when_it_says_so(augmentation: Augmentation) -> None:
    images = torch.rand(1, 3, 40, 40).expand(32, -1, -1, -1)
    strengths = torch.full((32,), augmentation.strengths[len(augmentation.strengths) // 2])
    out = augmentation.apply(images, strengths, torch.arange(32))
    differs = (out != out[:1]).flatten(1).any(1)
    assert differs.any().item() == augmentation.seeded


@EVERY
@pytest.mark.parametrize("seed", [0, 1])
def test_change_grows_along_the_grid(augmentation: Augmentation, photo: torch.Tensor, seed: int) -> None:
    strengths = torch.tensor(augmentation.strengths)
    images = photo.expand(len(strengths), -1, -1, -1)
    out = augmentation.apply(images, strengths, torch.full((len(strengths),), seed))
    change = (out - images).abs().flatten(1).mean(1).tolist()
    assert change[0] == 0
    assert min(change[1:]) > 1e-3
    # Patches are away from their places as soon as there are any.
    assert augmentation.id == "patch-shuffle" or all(a < b for a, b in pairwise(change[:5]))
    if augmentation.family == "geometric" or augmentation.id == "hue":
        # Once content is away from its place, or a colour is opposite, pixels differ as those of strangers do.
        assert all(b > 0.8 * a for a, b in zip(accumulate(change[:-1], max), change[1:], strict=True))
    else:
        assert all(a < b for a, b in pairwise(change))


@EVERY
@pytest.mark.parametrize("beyond", [-1.0, 1.0])
def test_out_of_range_is_refused(augmentation: Augmentation, beyond: float) -> None:
    strength = augmentation.maximum + 1e-3 if beyond > 0 else augmentation.minimum - 1e-3
    with pytest.raises(InvalidRequest) as refusal:
        augmentation.check(strength)
    message = str(refusal.value)
    assert augmentation.unit in message
    assert f"{augmentation.minimum:g} to {augmentation.maximum:g}" in message


@EVERY
def test_check_returns_what_is_in_range_and_refuses_what_is_no_number(augmentation: Augmentation) -> None:
    assert [augmentation.check(strength) for strength in augmentation.strengths] == list(augmentation.strengths)
    for strength in (math.nan, math.inf, -math.inf):
        with pytest.raises(InvalidRequest):
            augmentation.check(strength)


@EVERY
def test_autocast_gradients_and_pickle(augmentation: Augmentation) -> None:
    images, strengths, seeds = spread(augmentation)
    plain = augmentation.apply(images, strengths, seeds)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentation.apply(images, strengths, seeds), plain)
    assert not augmentation.apply(images.clone().requires_grad_(), strengths, seeds)[1:2].requires_grad
    assert pickle.loads(pickle.dumps(augmentation)) == augmentation  # noqa: S301


@EVERY
def test_mismatched_rows_are_refused(augmentation: Augmentation) -> None:
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        augmentation.apply(torch.rand(2, 3, 32, 32), torch.full((1,), augmentation.maximum), torch.arange(2))


@pytest.mark.parametrize(
    # What combines moving with recolouring has a test of its own.
    "augmentation",
    [a for a in AUGMENTATIONS.values() if a.family == "geometric"],
    ids=lambda entry: entry.id,
)
@pytest.mark.parametrize("device", DEVICES)
def test_inverse_warp_brings_content_back(augmentation: Augmentation, device: str) -> None:
    strengths = torch.tensor(augmentation.strengths, device=device).repeat(4)
    seeds = torch.arange(len(strengths), device=device)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 56), torch.linspace(-1, 1, 56), indexing="ij")
    smooth = (0.5 + 0.25 * torch.sin(3 * x + 1) * torch.cos(2 * y) + 0.2 * x * y).to(device)
    moved = augmentation.apply(smooth.expand(len(strengths), 3, -1, -1), strengths, seeds)[:, 0]
    back, valid = augmentation.inverse_warp(moved, strengths, seeds)
    assert (back.shape, valid.shape, valid.dtype) == (moved.shape, moved.shape, torch.bool)
    assert back.device == valid.device == moved.device
    for row, mask in zip(back, valid, strict=True):
        assert mask.float().mean() > IN_VIEW.get(augmentation.id, 0.2)
        assert np.corrcoef(row[mask].cpu(), smooth[mask].cpu())[0, 1] > 0.98


@MOVING
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inverse_warp_on_a_native_grid(augmentation: Augmentation, dtype: torch.dtype) -> None:
    strengths = torch.tensor(augmentation.strengths).repeat(8)
    seeds = torch.arange(len(strengths))
    maps = torch.rand(len(strengths), 7, 7).to(dtype)
    kept = maps.clone()
    back, valid = augmentation.inverse_warp(maps, strengths, seeds)
    assert back.dtype == dtype
    assert torch.equal(maps, kept)
    assert valid.flatten(1).any(1).all()
    still = strengths == augmentation.identity
    assert valid[still].all()
    torch.testing.assert_close(back[still], maps[still], atol=1e-5, rtol=0)
    alone, alone_valid = augmentation.inverse_warp(maps[5:6], strengths[5:6], seeds[5:6])
    torch.testing.assert_close(alone, back[5:6])
    assert torch.equal(alone_valid, valid[5:6])
