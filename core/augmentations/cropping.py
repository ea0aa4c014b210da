"""Flips and random crops, whose content fills the frame, each with its way back for maps."""

import math

import torch
from torch import Tensor

from core.augmentations.sampling import cubic, offsets, resampled, separable
from core.augmentations.seeding import seeded_uniforms
from core.augmentations.spec import Augmentation

# --- flips ------------------------------------------------------------------------------------------------------


def _flipped(images: Tensor, strengths: Tensor, axis: int) -> Tensor:
    """Images or maps mirrored along `axis` where the strength is nearer to 1 than to 0."""
    flips = (strengths >= 0.5).view(-1, *[1] * (images.ndim - 1))
    return torch.where(flips, images.flip(axis), images)


def flip_sideways(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with left and right exchanged where `strengths` is 1."""
    return _flipped(images, strengths, -1)


def flip_over(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with top and bottom exchanged where `strengths` is 1."""
    return _flipped(images, strengths, -2)


def unflip_sideways(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of flipped images flipped back; every location stays in view."""
    return _flipped(maps, strengths.to(maps.device), -1), torch.ones_like(maps, dtype=torch.bool)


def unflip_over(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of flipped images flipped back; every location stays in view."""
    return _flipped(maps, strengths.to(maps.device), -2), torch.ones_like(maps, dtype=torch.bool)


# --- random crop ------------------------------------------------------------------------------------------------

STRETCH = 4 / 3  # widest crop relative to the frame; the narrowest is its inverse


def cropped(removed: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """The crops that remain when a share of the area is cut away, as (B, 2) sizes and (B, 2) centres, x before y.

    Both are in shares of the frame, centres counted from the frame's. As in Inception's crops, width over height is
    log-uniform in 3/4..4/3, or what fits of it, and every place inside the frame is equally likely.

    Args:
        removed: (B,) in [0, 1).
        draws: (B, 3) uniform in [0, 1): for the aspect and the place along x and y.
    """
    kept = 1 - removed
    stretch = torch.minimum(-kept.log(), kept.new_tensor(math.log(STRETCH))) * (2 * draws[:, 0] - 1)
    size = (kept.sqrt()[:, None] * torch.stack((stretch / 2, -stretch / 2), dim=1).exp()).clamp(max=1)
    return size, (draws[:, 1:] - 0.5) * (1 - size)


def _enlarging(size: int, share: Tensor, centre: Tensor) -> Tensor:
    """(B, size, size) weights that enlarge `share` of an axis about `centre` to all of it; mirrored if negative.

    The kernel is Keys' cubic with a = -1/2, the bicubic of Pillow and of torch's antialiased resizing.
    """
    position = offsets(size, share.device)
    source = position * share[:, None] + centre[:, None] * size
    weights = cubic((position - source[:, :, None]).abs(), -0.5)
    return weights / weights.sum(dim=2, keepdim=True)


def enlarge(images: Tensor, size: Tensor, centre: Tensor) -> Tensor:
    """The crops of this size and centre (B, 2) of images (B, C, H, W), as large as these; mirrored if negative."""
    height, width = images.shape[-2:]
    return separable(images, _enlarging(height, size[:, 1], centre[:, 1]), _enlarging(width, size[:, 0], centre[:, 0]))


def reduce(maps: Tensor, size: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, h, w) of what `enlarge` gave in the clean frame, and which locations are inside the crop."""
    height, width = maps.shape[-2:]
    (across, down), (right, below) = size.view(-1, 2, 1, 1).unbind(1), centre.view(-1, 2, 1, 1).unbind(1)
    x, y = offsets(width, maps.device), offsets(height, maps.device)[:, None]
    return resampled(maps, (x - right * width) / across, (y - below * height) / down)


def crop(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Crops that leave out `strengths` of each image's area, resized to the whole frame; the seed picks which."""
    return enlarge(images, *cropped(strengths, seeded_uniforms(seeds, 3)))


def uncrop(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of crops in the clean frame, and which locations the crop holds."""
    draws = seeded_uniforms(seeds.to(maps.device), 3)
    return reduce(maps, *cropped(strengths.to(maps.device, torch.float32), draws))


# --- entries ----------------------------------------------------------------------------------------------------

HORIZONTAL_FLIP = Augmentation(
    id="horizontal-flip",
    label="Horizontal flip",
    family="geometric",
    unit="times",
    description="Exchanges left and right at 1 and leaves the image at 0; no seed is used.",
    strengths=(0, 1),
    seeded=False,
    transform=flip_sideways,
    inverse_warp=unflip_sideways,
)

VERTICAL_FLIP = Augmentation(
    id="vertical-flip",
    label="Vertical flip",
    family="geometric",
    unit="times",
    description="Exchanges top and bottom at 1 and leaves the image at 0; no seed is used.",
    strengths=(0, 1),
    seeded=False,
    transform=flip_over,
    inverse_warp=unflip_over,
)

RANDOM_CROP = Augmentation(
    id="random-crop",
    label="Random crop",
    family="geometric",
    unit="share of the area cut away",
    description="Cuts this share of the area away and enlarges the rest; the seed picks place and aspect of the crop.",
    # Training crops commonly go down to .08 of the area, a share cut away of .92.
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    seeded=True,
    transform=crop,
    inverse_warp=uncrop,
)
