"""Gaussian blur: detail lost, nothing moved."""

import math

import torch
from torch import Tensor

from core.augmentations.sampling import separable
from core.augmentations.spec import Augmentation

REFERENCE_SIDE = 224  # pixels at which sigma is stated


def gaussian(size: int, sigma: Tensor) -> Tensor:
    """(B, size, size) matrices of a Gaussian along one axis, the image mirrored at its edges (d c b a | a b c d).

    The cosines of the DCT are what a mirrored axis consists of, and a Gaussian scales each by exp(-(sigma w)^2 / 2).
    Unlike a kernel sampled at the pixels, which does next to nothing below half a pixel of sigma, this is the right
    amount of blur on small images too. From two pixels on the two agree to rounding.
    """
    order = torch.arange(size, device=sigma.device, dtype=torch.float32)
    frequency = order * (math.pi / size)
    cosines = (frequency[:, None] * (order + 0.5)).cos() * math.sqrt(2 / size)
    cosines[0] = math.sqrt(1 / size)
    gain = torch.exp(-0.5 * (sigma[:, None] * frequency).square())
    return (cosines.T * gain[:, None, :]) @ cosines


def blur(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images under a Gaussian of `strengths` pixels at 224, scaled with the shorter side."""
    height, width = images.shape[-2:]
    sigma = strengths * (min(height, width) / REFERENCE_SIDE)
    rows = gaussian(height, sigma)
    return separable(images, rows, rows if width == height else gaussian(width, sigma))


BLUR = Augmentation(
    id="blur",
    label="Gaussian blur",
    family="degradation",
    unit="pixels of sigma at 224",
    description="Blurs with a Gaussian of this standard deviation, scaled to the image's side; no seed is used.",
    # Holds the levels of ImageNet-C's Gaussian blur: 1, 2, 3, 4, 6.
    strengths=(0, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    seeded=False,
    transform=blur,
)
