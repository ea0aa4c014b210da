"""Noise: every value off by its own random amount, or some pixels lost altogether."""

import torch
from torch import Tensor

from core.augmentations.seeding import seeded_bits, seeded_normal
from core.augmentations.spec import Augmentation


def add_noise(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images plus `strengths` times the seed's noise field, independent for each pixel and channel."""
    field = seeded_normal(seeds, images[0].numel()).view_as(images)
    return images + strengths.view(-1, 1, 1, 1) * field


def count_photons(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images plus noise whose variance is the value times the square of `strengths`, the seed's field scaled.

    The noise of counting 1 / strength^2 photons where the image is white, with the Gaussian of the same mean and
    variance in place of the Poisson law: with one field a curve is smooth, where counts would jump. Below some ten
    photons a pixel the Poisson law is skewed, which this leaves out.
    """
    field = seeded_normal(seeds, images[0].numel()).view_as(images)
    return torch.addcmul(images, images.clamp(min=0).sqrt() * strengths.view(-1, 1, 1, 1), field)


def lose_pixels(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with `strengths` of their pixels, as the seed picks, black or white, with even odds.

    What is lost at one strength is lost, in the same colour, at every greater one.
    """
    height, width = images.shape[-2:]
    bits = seeded_bits(seeds, height * width).view(-1, 1, height, width)
    # High bits say when a pixel is lost, the lowest to what.
    lost = ((bits >> 40) & 0xFFFFFF).float() / (1 << 24) < strengths.view(-1, 1, 1, 1)
    return torch.where(lost, (bits & 1).float(), images)


NOISE = Augmentation(
    id="noise",
    label="Gaussian noise",
    family="degradation",
    unit="standard deviation, of the range 0 to 1",
    description="Adds noise of this standard deviation to each pixel and channel; the seed picks the noise field.",
    # Holds the levels of ImageNet-C's Gaussian noise: .08, .12, .18, .26, .38.
    strengths=(0, 0.02, 0.04, 0.08, 0.12, 0.18, 0.26, 0.32, 0.38, 0.5),
    seeded=True,
    transform=add_noise,
)

SHOT_NOISE = Augmentation(
    id="shot-noise",
    label="Shot noise",
    family="degradation",
    unit="standard deviation at white, of the range 0 to 1",
    description="Adds noise that grows with the root of the value, this strong at white; the seed picks its field.",
    # Holds, rounded, the levels of ImageNet-C's shot noise: 60, 25, 12, 5 and 3 photons at white.
    strengths=(0, 0.03, 0.06, 0.09, 0.13, 0.2, 0.29, 0.37, 0.45, 0.58),
    seeded=True,
    transform=count_photons,
)

SALT_AND_PEPPER = Augmentation(
    id="salt-and-pepper",
    label="Salt and pepper",
    family="degradation",
    unit="share of the pixels",
    description="Turns this share of the pixels black or white; the seed picks which.",
    # Holds the levels of ImageNet-C's impulse noise: .03, .06, .09, .17, .27.
    strengths=(0, 0.01, 0.03, 0.06, 0.09, 0.13, 0.17, 0.22, 0.27, 0.38, 0.5),
    seeded=True,
    transform=lose_pixels,
)
