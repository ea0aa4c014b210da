"""Augmentations of a grid: patches that change places, and blocks that become one colour."""

import torch
from torch import Tensor

from core.augmentations.sampling import separable
from core.augmentations.seeding import seeded_bits
from core.augmentations.spec import Augmentation

MOST = 16  # patches a side: those of a ViT at 224

# --- patch shuffle ----------------------------------------------------------------------------------------------


def _cycles(sides: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """(B, MOST**2) patches that each patch shows, and the patches that show each: one cycle through all.

    A random cycle (Sattolo 1986) instead of any permutation, so that no patch stays where it is.

    Args:
        sides: (B,) int64 patches a side; numbers from its square on stay where they are.
        seeds: (B,) int64.
    """
    count = sides.square()[:, None]
    number = torch.arange(MOST**2, device=sides.device)
    # Unused numbers sort last.
    keys = torch.where(number < count, seeded_bits(seeds, MOST**2), torch.iinfo(torch.int64).max)
    order = keys.argsort(dim=1, stable=True)
    following = torch.where(number < count, (number + 1) % count, number)
    following = order.gather(1, following)
    shown, shows = torch.empty_like(order), torch.empty_like(order)
    return shows.scatter_(1, order, following), shown.scatter_(1, following, order)


def _line(size: int, sides: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One axis cut into patches, in int64.

    Returns:
        (B, size) the patch that each pixel's centre is in; (B, size) its pixels from the first of the patch; (B,
        MOST + 1) the first pixel of each patch.
    """
    sides = sides[:, None]
    # In half pixels and whole numbers: a centre on a border belongs to one side of it on every device.
    pixel = torch.arange(size, device=sides.device)
    patch = (2 * pixel + 1) * sides // (2 * size)
    first = (2 * size * torch.arange(MOST + 1, device=sides.device) + sides - 1) // (2 * sides)
    return patch, pixel - first.gather(1, patch), first


def _sources(into: Tensor, first: Tensor, partner: Tensor) -> Tensor:
    """(B, H, W) pixels along one axis that show the partner patches: as far from the first, or else the last.

    Args:
        into: (B, H, 1) or (B, 1, W) pixels from the first of the patch.
        first: (B, MOST + 1) pixel of each patch.
        partner: (B, H, W) patches.
    """
    start, end = (first.gather(1, (partner + i).flatten(1)).view_as(partner) for i in (0, 1))
    return torch.minimum(start + into, end - 1).clamp_(min=0)


def _rearranged(images: Tensor, sides: Tensor, partners: Tensor) -> Tensor:
    """Images (B, C, H, W) whose every patch shows its partner (B, MOST**2), `sides` (B,) int64 patches a side."""
    channels, height, width = images.shape[1:]
    (down, below, tops), (right, beside, lefts) = _line(height, sides), _line(width, sides)
    square = sides.view(-1, 1, 1)
    partner = partners.gather(1, (down[:, :, None] * square + right[:, None]).flatten(1)).view(-1, height, width)
    rows = _sources(below[:, :, None], tops, partner // square)
    source = rows * width + _sources(beside[:, None], lefts, partner % square)
    return images.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, channels, -1)).view_as(images)


def _sides(strengths: Tensor) -> Tensor:
    """(B,) int64 patches a side."""
    return strengths.round().long().clamp(1, MOST)


def shuffle(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images cut into `strengths` patches a side, to the nearest whole number, in the order that the seed picks.

    Where the side does not divide, patches differ by a line of pixels: their last is doubled or left out.
    """
    sides = _sides(strengths)
    return _rearranged(images, sides, _cycles(sides, seeds)[0])


def unshuffle(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of shuffled images in the clean frame; every location stays in view.

    Cells move whole, since those between would mix patches that are no neighbours. Where patches are finer than the
    map, a cell takes the value from where its centre went.
    """
    sides = _sides(strengths.to(maps.device))
    back = _rearranged(maps[:, None], sides, _cycles(sides, seeds.to(maps.device))[1])[:, 0]
    return back, torch.ones_like(maps, dtype=torch.bool)


# --- pixelate ---------------------------------------------------------------------------------------------------


def _averaging(size: int, block: Tensor) -> Tensor:
    """(B, size, size) weights that give each pixel of an axis the mean of its block, `block` (B,) pixels long."""
    number = ((torch.arange(size, device=block.device) + 0.5) / block[:, None]).floor()
    alike = (number[:, :, None] == number[:, None]).float()
    return alike / alike.sum(dim=2, keepdim=True)


def pixelate(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images of square blocks, each of its mean colour, with a side of `strengths` times the shorter side.

    Blocks start at the upper left corner. Their borders need not lie between pixels: a pixel belongs to the block
    that its centre is in.
    """
    height, width = images.shape[-2:]
    block = strengths * min(height, width)
    rows = _averaging(height, block)
    return separable(images, rows, rows if width == height else _averaging(width, block))


# --- entries ----------------------------------------------------------------------------------------------------

PATCH_SHUFFLE = Augmentation(
    id="patch-shuffle",
    label="Patch shuffle",
    family="geometric",
    unit="patches a side",
    description="Cuts the image into so many patches a side and moves each to another's place; the seed picks where.",
    strengths=(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16),
    seeded=True,
    transform=shuffle,
    inverse_warp=unshuffle,
)

PIXELATE = Augmentation(
    id="pixelate",
    label="Pixelation",
    family="degradation",
    unit="block side, as a fraction of the shorter side",
    description="Replaces square blocks with this side by their mean colour; no seed is used.",
    # From blocks of 7 pixels at 224 on: much smaller ones are no blocks in small images.
    strengths=(0, 0.03125, 0.04, 0.05, 0.0625, 0.08, 0.1, 0.125, 0.16, 0.2, 0.25),
    seeded=False,
    transform=pixelate,
)
