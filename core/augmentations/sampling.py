"""How images and maps are resampled, with a transform of its own for each row of the batch.

Positions are offsets of pixel centres from the centre of the frame, in pixels, x to the right and y down: the same
formulas then hold for an image and for the coarser map of it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from core.augmentations.spec import FILL


def offsets(size: int, device: torch.device) -> Tensor:
    """(size,) offsets of the pixel centres along one axis from the centre of the frame, in pixels."""
    return torch.arange(size, device=device, dtype=torch.float32) + (0.5 - size / 2)


def sample(images: Tensor, x: Tensor, y: Tensor, mode: str) -> Tensor:
    """The images' values at positions between pixels; beyond the frame, those of its edge.

    Args:
        images: (B, C, H, W) float32.
        x: (B, h, w) offsets from the centre, in pixels.
        y: (B, h, w), likewise.
        mode: "bilinear", or "bicubic", which blurs less and may overshoot.

    Returns:
        (B, C, h, w).
    """
    height, width = images.shape[-2:]
    # Two planes, seen as the pairs that `grid_sample` takes: weaving them together costs more than the sampling.
    grid = torch.stack((x * (2 / width), y * (2 / height)), dim=1).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


def sample_alike(images: Tensor, x: Tensor, y: Tensor, shown: Tensor, fill: float) -> Tensor:
    """What `sample` gives by "bicubic" at positions that all the images share, up to rounding, laid over a fill.

    Then the sampling is one sparse matrix, 16 pixels and the fill to each position, and the images are the columns
    that it is multiplied by: on a CPU far faster than working out the same weights for every image and channel.

    Args:
        images: (B, C, H, W) float32.
        x: (h, w) offsets from the centre, in pixels.
        y: (h, w), likewise.
        shown: (h, w) share of the image in what is seen at each position, [0, 1].
        fill: the value of the rest.

    Returns:
        (B, C, h, w), pixel by pixel in memory.
    """
    batch, channels, height, width = images.shape
    rows, down = _taps(y.flatten(), height)
    columns, across = _taps(x.flatten(), width)
    places = images.new_empty((x.numel(), 17), dtype=torch.int32)
    weights = images.new_empty((x.numel(), 17))
    torch.add(rows[:, :, None] * width, columns[:, None], out=places[:, :16].unflatten(1, (4, 4)))
    torch.mul((down * shown.view(-1, 1))[:, :, None], across[:, None], out=weights[:, :16].unflatten(1, (4, 4)))
    places[:, 16] = height * width
    torch.sub(1, shown.flatten(), out=weights[:, 16])
    pixels = images.new_empty((height * width + 1, batch * channels))
    pixels[:-1] = images.reshape(batch * channels, height * width).t()
    pixels[-1] = fill
    found = F.embedding_bag(places, pixels, mode="sum", per_sample_weights=weights)
    return found.t().view(batch, channels, *x.shape)


def _taps(offset: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The 4 pixels along one axis that a bicubic value at each of (P,) offsets is made of, and their weights."""
    position = offset + (size / 2 - 0.5)
    first = position.floor()
    t = (position - first)[:, None]
    # Keys' cubic with a = -3/4, as `grid_sample` has it: at distances t and 1 - t, then one more.
    near = torch.cat((t, 1 - t), dim=1)
    inner = (1.25 * near - 2.25) * near.square() + 1
    far = near + 1
    outer = ((-0.75 * far + 3.75) * far - 6) * far + 3
    weights = torch.stack((outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1]), dim=1)
    pixels = first.int()[:, None] + torch.arange(-1, 3, device=offset.device, dtype=torch.int32)
    return pixels.clamp_(0, size - 1), weights


def cubic(distance: Tensor, a: float) -> Tensor:
    """Keys' (1981) cubic kernel at distances of at least 0, in pixels.

    Args:
        distance: of a pixel from the position that is read.
        a: -3/4, as in `grid_sample`, or -1/2, as in antialiased resizing.
    """
    near = ((a + 2) * distance - (a + 3)) * distance.square() + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def coverage(x: Tensor, y: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """The share of a unit pixel at each position that lies within a frame: 1 inside, 0 outside, between on the edge.

    Args:
        x: offsets from the frame's centre, in pixels.
        y: likewise; broadcast against x.
        height: of the frame, in pixels; may vary by row.
        width: likewise.
    """
    across = (width / 2 - x.abs() + 0.5).clamp(0, 1)
    return across * (height / 2 - y.abs() + 0.5).clamp(0, 1)


def within(x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    """True at the positions inside a frame, its edge included."""
    slack = 1e-4  # of a pixel: what rounding does to a position that is exactly on the edge
    return (x.abs() <= width / 2 + slack) & (y.abs() <= height / 2 + slack)


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Filters each image by its own two matrices, one along each axis.

    A dense product costs little next to an encoder, takes every row's own filter at once and of any length.

    Args:
        images: (B, C, H, W) float32.
        rows: (B, H, H), output row by input row.
        columns: (B, W, W), output column by input column.

    Returns:
        (B, C, H, W).
    """
    batch, channels, height, width = images.shape
    across = torch.bmm(images.reshape(batch, channels * height, width), columns.transpose(1, 2))
    return rows[:, None] @ across.view(batch, channels, height, width)


def filled(images: Tensor, shown: Tensor) -> Tensor:
    """Images where `shown` (B, H, W) is 1, grey where it is 0."""
    # One pass, and exact at both ends.
    return torch.lerp(images.new_tensor(FILL), images, shown[:, None])


def resampled(maps: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, h, w) read where the augmented frame shows each clean location, and which of these it shows.

    Args:
        maps: of the augmented images.
        x: offsets from the centre, in cells; broadcast against y to (B, h, w).
        y: likewise.
    """
    height, width = maps.shape[-2:]
    x, y = torch.broadcast_tensors(x, y)
    # Bilinear, as a cubic would overshoot and change the order of values, which the map metrics compare. A location
    # in the outer half of an edge cell takes that cell's value: the cell covers it.
    values = sample(maps[:, None].float(), x, y, "bilinear")[:, 0]
    return values.to(maps.dtype), within(x, y, height, width)
