"""Augmentations of fine detail other than Gaussian blur: motion blur and sharpness."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.augmentations.seeding import seeded_uniform
from core.augmentations.spec import Augmentation

LONGEST = 0.25  # of the shorter side, for motion blur


def smear(images: Tensor, lengths: Tensor, angles: Tensor) -> Tensor:
    """Images averaged along straight lines, mirrored at their edges.

    A line through the pixel multiplies each frequency by a sinc: in Fourier space the line has the same strength at
    any length, angle and image size, where one drawn in pixels is crooked and whole pixels long.

    Args:
        images: (B, C, H, W) float32.
        lengths: (B,) of the lines, in pixels, at most `LONGEST` of the shorter side.
        angles: (B,) of the lines, in radians, clockwise from the horizontal.
    """
    height, width = images.shape[-2:]
    # As much for every row of a batch: what another row needs must not change this one.
    margin = min(math.ceil(LONGEST * min(height, width) / 2), min(height, width) - 1)
    padded = F.pad(images, (margin,) * 4, mode="reflect")
    shape = padded.shape[-2:]
    down = torch.fft.fftfreq(shape[0], device=images.device)[:, None]
    across = torch.fft.rfftfreq(shape[1], device=images.device)
    x, y = ((lengths * part).view(-1, 1, 1) for part in (angles.cos(), angles.sin()))
    spectrum = torch.fft.rfft2(padded) * torch.sinc(across * x + down * y)[:, None]
    return torch.fft.irfft2(spectrum, s=shape)[..., margin : margin + height, margin : margin + width]


def blur_motion(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images moved by `strengths` times their shorter side while the shutter was open, in the seed's direction."""
    return smear(images, strengths * min(images.shape[-2:]), seeded_uniform(seeds, 0, math.pi))


def sharpen(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images plus `strengths` times what a smoothing over 3 x 3 pixels takes from them; edge pixels stay.

    The smoothing weighs the pixel 5 and its neighbours 1, as in Pillow and in torchvision's `adjust_sharpness`,
    whose factor is this strength plus 1.
    """
    lines = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    around = lines[..., :-2] + lines[..., 1:-1] + lines[..., 2:]
    inner = images[..., 1:-1, 1:-1]
    sharp = images.clone()
    sharp[..., 1:-1, 1:-1] += strengths.view(-1, 1, 1, 1) * (9 * inner - around) / 13
    return sharp


MOTION_BLUR = Augmentation(
    id="motion-blur",
    label="Motion blur",
    family="degradation",
    unit="fraction of the shorter side",
    description="Averages along a line of this length, as an unsteady camera does; the seed picks its angle.",
    strengths=(0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25),
    seeded=True,
    transform=blur_motion,
)

SHARPNESS = Augmentation(
    id="sharpness",
    label="Sharpening",
    family="degradation",
    unit="× the detail of 3 × 3 pixels",
    description="Adds this multiple of the detail that a smoothing over 3 × 3 pixels removes; no seed is used.",
    strengths=(0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8),
    seeded=False,
    transform=sharpen,
)
