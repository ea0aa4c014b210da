"""Augmentations that move the content: rotation, translation and scale, each with its way back for maps."""

import math

import torch
from torch import Tensor

from core.augmentations.sampling import coverage, cubic, filled, offsets, resampled, sample, sample_alike, separable
from core.augmentations.seeding import seeded_sign, seeded_uniform
from core.augmentations.spec import FILL, Augmentation

# --- rotation ---------------------------------------------------------------------------------------------------


def _turned(height: int, width: int, degrees: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel of a frame goes when its content turns counter-clockwise, as seen, by degrees (B,)."""
    x, y = offsets(width, degrees.device), offsets(height, degrees.device)[:, None]
    angle = torch.deg2rad(degrees).view(-1, 1, 1)
    cos, sin = angle.cos(), angle.sin()
    return x * cos + y * sin, y * cos - x * sin


def rotate(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images turned about their centre by `strengths` degrees, counter-clockwise or clockwise by the seed."""
    height, width = images.shape[-2:]
    degrees = -strengths * seeded_sign(seeds)
    if images.device.type == "cpu":
        return _turned_alike(images, degrees)
    # Which images share an angle is a question that a GPU would have to be waited for.
    x, y = _turned(height, width, degrees)
    return filled(sample(images, x, y, "bicubic"), coverage(x, y, height, width))


def _turned_alike(images: Tensor, degrees: Tensor) -> Tensor:
    """Images turned clockwise by `degrees`, those of one angle together: a point of a sweep has two at most."""
    height, width = images.shape[-2:]
    angles, which = degrees.unique(return_inverse=True)
    turned = []
    for number, angle in enumerate(angles):
        x, y = (position[0] for position in _turned(height, width, angle))
        same = images if len(angles) == 1 else images[which == number]
        turned.append(sample_alike(same, x, y, coverage(x, y, height, width), FILL))
    # Back into the order in which they came.
    return turned[0] if len(angles) == 1 else torch.cat(turned)[which.argsort(stable=True).argsort()]


def unrotate(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of rotated images in the clean frame, and which locations the rotation kept in view."""
    degrees = strengths.to(maps.device, torch.float32) * seeded_sign(seeds.to(maps.device))
    return resampled(maps, *_turned(maps.shape[1], maps.shape[2], degrees))


# --- translation ------------------------------------------------------------------------------------------------


def _shift(height: int, width: int, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) shifts in pixels to the right and down, in the direction the seed picks."""
    direction = seeded_uniform(seeds, 0, 2 * math.pi)
    distance = strengths * min(height, width)
    return distance * direction.cos(), distance * direction.sin()


def translate(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images shifted by `strengths` times their shorter side, to the nearest whole pixel, as the seed points.

    Whole pixels are moved and never interpolated, so that the outcome carries no blur that comes and goes with the
    fraction of a pixel. What leaves the frame is gone; grey follows it in.
    """
    batch, channels, height, width = images.shape
    right, down = _shift(height, width, strengths, seeds)
    rows = torch.arange(height, device=images.device) - down.round().long()[:, None]
    columns = torch.arange(width, device=images.device) - right.round().long()[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    source = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    moved = images.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, channels, -1))
    return torch.where(inside[:, None], moved.view(batch, channels, height, width), FILL)


def untranslate(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of translated images in the clean frame, and which locations did not leave it."""
    height, width = maps.shape[-2:]
    right, down = _shift(height, width, strengths.to(maps.device, torch.float32), seeds.to(maps.device))
    x, y = offsets(width, maps.device), offsets(height, maps.device)[:, None]
    return resampled(maps, x + right.view(-1, 1, 1), y + down.view(-1, 1, 1))


# --- scale ------------------------------------------------------------------------------------------------------


def _shrinking(size: int, zoom: Tensor) -> Tensor:
    """(B, size, size) weights that shrink one axis about its centre, widened against aliasing.

    The kernel is Keys' cubic with a = -1/2, stretched by 1 / zoom: the antialiased bicubic of Pillow and torch.
    """
    position, zoom = offsets(size, zoom.device), zoom.view(-1, 1, 1)
    # A pixel that the shrunk frame's edge cuts through takes the colour of the last whole one; `coverage` blends it.
    limit = zoom * (size / 2) - 0.5
    distance = (position * zoom - position[:, None].clamp(-limit, limit)).abs()
    weights = cubic(distance, -0.5)
    return weights / weights.sum(dim=2, keepdim=True)


def shrink(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images shrunk about their centre by the factor `strengths`, antialiased, with a grey border."""
    height, width = images.shape[-2:]
    smaller = separable(images, _shrinking(height, strengths), _shrinking(width, strengths))
    x, y, zoom = offsets(width, images.device), offsets(height, images.device)[:, None], strengths.view(-1, 1, 1)
    return filled(smaller, coverage(x, y, zoom * height, zoom * width))


def unshrink(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of shrunk images in the clean frame; every location stays in view, at a coarser grain."""
    zoom = strengths.to(maps.device, torch.float32).view(-1, 1, 1)
    x, y = offsets(maps.shape[2], maps.device), offsets(maps.shape[1], maps.device)[:, None]
    return resampled(maps, x * zoom, y * zoom)


# --- entries ----------------------------------------------------------------------------------------------------

ROTATION = Augmentation(
    id="rotation",
    label="Rotation",
    family="geometric",
    unit="degrees",
    description="Turns the image about its centre by this angle, leaving grey corners, to a side drawn at random.",
    strengths=(0, 10, 20, 30, 45, 60, 75, 90, 120, 150, 180),
    seeded=True,
    transform=rotate,
    inverse_warp=unrotate,
)

TRANSLATION = Augmentation(
    id="translation",
    label="Translation",
    family="geometric",
    unit="fraction of the shorter side",
    description="Shifts the image by this distance, in whole pixels, grey coming in; the seed picks the direction.",
    strengths=(0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    seeded=True,
    transform=translate,
    inverse_warp=untranslate,
)

# One-sided, out and not in: zooming out keeps all content in view, so that an encoder could ignore it, and what a
# curve loses is due to size. Zooming in crops as much as it enlarges, and would mix the two.
SCALE = Augmentation(
    id="scale",
    label="Scale",
    family="geometric",
    unit="× zoom",
    description="Shrinks the image to this multiple of its size, on grey; nothing is cropped and no seed is used.",
    strengths=(1, 0.84, 0.71, 0.59, 0.5, 0.42, 0.35, 0.3, 0.25),
    seeded=False,
    transform=shrink,
    inverse_warp=unshrink,
)
