"""Augmentations that bend the image plane: shear, perspective and elastic, each with its way back for maps."""

import math

import torch
from torch import Tensor

from core.augmentations.sampling import coverage, cubic, filled, offsets, resampled, sample
from core.augmentations.seeding import seeded_normal, seeded_sign, seeded_uniform
from core.augmentations.spec import Augmentation

# --- shear ------------------------------------------------------------------------------------------------------


def _slope(strengths: Tensor, seeds: Tensor) -> Tensor:
    """(B, 1, 1) pixels to the right that the image is sheared by, for each pixel down from the centre."""
    return (torch.deg2rad(strengths).tan() * seeded_sign(seeds)).view(-1, 1, 1)


def shear(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images whose upright lines lean by `strengths` degrees, to the left or to the right by the seed."""
    channels, height, width = images.shape[1:]
    y = offsets(height, images.device)[:, None]
    back = -_slope(strengths, seeds) * y  # (B, H, 1): each line is shifted as a whole
    first = back.floor()
    t = (back - first)[:, None]
    columns = torch.arange(-1, width + 2, device=images.device) + first.long()
    lines = images.gather(3, columns.clamp_(0, width - 1)[:, None].expand(-1, channels, -1, -1))
    sheared = lines[..., :width] * cubic(t + 1, -0.75)
    for tap, distance in enumerate((t, 1 - t, 2 - t), start=1):
        sheared.addcmul_(lines[..., tap : tap + width], cubic(distance, -0.75))
    return filled(sheared, coverage(offsets(width, images.device) + back, y, height, width))


def unshear(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of sheared images in the clean frame, and which locations did not leave it."""
    x, y = offsets(maps.shape[2], maps.device), offsets(maps.shape[1], maps.device)[:, None]
    return resampled(maps, x + _slope(strengths.to(maps.device, torch.float32), seeds.to(maps.device)) * y, y)


# --- perspective ------------------------------------------------------------------------------------------------

DISTANCE = 2.0  # of the camera from the centre of the image, in longer sides


def _tilt(height: int, width: int, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, ...]:
    """The camera's distance, and each row's cosine and sine of the tilt and of the direction that tilts away."""
    tilt = torch.deg2rad(strengths).view(-1, 1, 1)
    direction = seeded_uniform(seeds, 0, 2 * math.pi).view(-1, 1, 1)
    distance = tilt.new_tensor(DISTANCE * max(height, width))
    return distance, tilt.cos(), tilt.sin(), direction.cos(), direction.sin()


def tilt(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images as a camera in front of them sees them, tilted by `strengths` degrees; the seed picks the far side.

    The camera is two longer sides away: so far that nothing comes up to it, near enough for lines to converge.
    """
    height, width = images.shape[-2:]
    distance, cos, sin, right, down = _tilt(height, width, strengths, seeds)
    x, y = offsets(width, images.device), offsets(height, images.device)[:, None]
    along, across = x * right + y * down, y * right - x * down
    # A ray through the pixel meets the tilted plane here.
    along = along * distance / (distance * cos - along * sin)
    across = across * (1 + along * sin / distance)
    x, y = along * right - across * down, along * down + across * right
    return filled(sample(images, x, y, "bicubic"), coverage(x, y, height, width))


def untilt(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of tilted images in the clean frame, and which locations the near side did not push out of view."""
    height, width = maps.shape[-2:]
    distance, cos, sin, right, down = _tilt(
        height, width, strengths.to(maps.device, torch.float32), seeds.to(maps.device)
    )
    x, y = offsets(width, maps.device), offsets(height, maps.device)[:, None]
    along, across = x * right + y * down, y * right - x * down
    nearness = distance / (distance + along * sin)
    along, across = along * cos * nearness, across * nearness
    return resampled(maps, along * right - across * down, along * down + across * right)


# --- elastic ----------------------------------------------------------------------------------------------------

WAVES = 3  # half waves along each axis: enough to bend a shape, few enough to leave texture alone
TURNS = 25  # of the fixed-point iteration; at the strongest, the slowest leaves some hundredths of a pixel


def _waves(seeds: Tensor) -> Tensor:
    """(B, 2, WAVES, WAVES) amplitudes of sine waves by axis of displacement, half waves down and across.

    Sines, so that the frame stays where it is and all content in view. Slow waves weigh more. The squares sum to 4,
    which makes the root mean square of the displacement 1: that of a product of two sines is one half.
    """
    order = torch.arange(1, WAVES + 1, device=seeds.device)
    weights = 1 / (order.square() + order[:, None].square())
    waves = seeded_normal(seeds, 2 * WAVES**2).view(-1, 2, WAVES, WAVES) * weights
    return waves * (2 / waves.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)


def _sines(position: Tensor, size: int) -> Tensor:
    """(..., WAVES, P) half waves over an axis of this size, at offsets (..., P) from its centre."""
    order = torch.arange(1, WAVES + 1, device=position.device) * math.pi
    return ((position / size + 0.5)[..., None, :] * order[:, None]).sin()


def bend(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images bent by the seed's smooth field, `strengths` times their shorter side strong in the root mean square."""
    height, width = images.shape[-2:]
    x, y = offsets(width, images.device), offsets(height, images.device)
    waves = _waves(seeds) * (strengths * min(height, width)).view(-1, 1, 1, 1)
    field = _sines(y, height).T @ waves @ _sines(x, width)
    return sample(images, x + field[:, 0], y[:, None] + field[:, 1], "bicubic")


def unbend(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of bent images in the clean frame; every location stays in view.

    Where a clean location went solves p + field(p) = location, by iteration: the field nowhere stretches by as much
    as it is wide, so that each turn comes nearer.
    """
    height, width = maps.shape[-2:]
    seeds, strengths = seeds.to(maps.device), strengths.to(maps.device, torch.float32)
    waves = _waves(seeds) * (strengths * min(height, width)).view(-1, 1, 1, 1)
    x, y = torch.broadcast_tensors(offsets(width, maps.device), offsets(height, maps.device)[:, None])
    clean = torch.stack((x, y)).flatten(1)
    place = clean.expand(len(maps), -1, -1)
    for _ in range(TURNS):
        # Waves across first, for both axes of displacement and each wave down.
        across = (waves.flatten(1, 2) @ _sines(place[:, 0], width)).unflatten(1, (2, WAVES))
        place = clean - (across * _sines(place[:, 1], height)[:, None]).sum(2)
    return resampled(maps, *place.unflatten(2, (height, width)).unbind(1))


# --- entries ----------------------------------------------------------------------------------------------------

SHEAR = Augmentation(
    id="shear",
    label="Shear",
    family="geometric",
    unit="degrees",
    description="Makes upright lines lean by this angle, grey coming in; the seed picks the side.",
    strengths=(0, 5, 10, 15, 20, 25, 30, 35, 40, 45),
    seeded=True,
    transform=shear,
    inverse_warp=unshear,
)

PERSPECTIVE = Augmentation(
    id="perspective",
    label="Perspective",
    family="geometric",
    unit="degrees of tilt",
    description="Tilts the image away from the viewer by this angle, on grey; the seed picks the far side.",
    strengths=(0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60),
    seeded=True,
    transform=tilt,
    inverse_warp=untilt,
)

# Up to the strength at which no seed's field folds the image over itself, which would show content twice and leave
# maps no way back.
ELASTIC = Augmentation(
    id="elastic",
    label="Elastic bending",
    family="geometric",
    unit="fraction of the shorter side, root mean square",
    description="Bends the image smoothly, its points moving by this on average; the seed picks the bends.",
    strengths=(0, 0.003, 0.006, 0.009, 0.012, 0.015, 0.018, 0.021, 0.024, 0.027, 0.03),
    seeded=True,
    transform=bend,
    inverse_warp=unbend,
)
