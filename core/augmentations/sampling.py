"""How images and maps are resampled, with a transform of its own for each row of the batch.

Positions are offsets of pixel centres from the centre of the frame, in pixels, x to the right and y down: the same
formulas then hold for an image and for the coarser map of it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


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
    grid = torch.stack((x * (2 / width), y * (2 / height)), dim=-1)
    return F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)


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
