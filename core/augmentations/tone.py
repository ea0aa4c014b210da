"""Augmentations of tone and colour, as torchvision defines them: contrast, saturation, gamma and their kin."""

import torch
from torch import Tensor

from core.augmentations.seeding import seeded_sign
from core.augmentations.spec import Augmentation


def luma(images: Tensor) -> Tensor:
    """(B, 1, H, W) greys of images (B, 3, H, W), by the weights of ITU-R BT.601 as torchvision rounds them."""
    red, green, blue = images.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def contrasted(images: Tensor, factors: Tensor) -> Tensor:
    """Images (B, 3, H, W) with every value `factors` (B,) times as far from the image's mean grey."""
    return torch.lerp(luma(images).mean(dim=(2, 3), keepdim=True), images, factors.view(-1, 1, 1, 1))


def saturated(images: Tensor, factors: Tensor) -> Tensor:
    """Images (B, 3, H, W) with every value `factors` (B,) times as far from its pixel's grey; 0 is greyscale."""
    return torch.lerp(luma(images), images, factors.view(-1, 1, 1, 1))


def change_contrast(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with 1 + `strengths` or 1 - `strengths` times their contrast about the mean grey, by the seed."""
    return contrasted(images, 1 + strengths * seeded_sign(seeds))


def saturate(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with 1 + `strengths` or 1 - `strengths` times their saturation, by the seed."""
    return saturated(images, 1 + strengths * seeded_sign(seeds))


def curve_tone(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images to the power of 2 to the plus or minus `strengths`, by the seed; above 1 darkens, below 1 brightens."""
    return images.pow(torch.exp2(strengths * seeded_sign(seeds)).view(-1, 1, 1, 1))


def drain(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images blended with their grey: `strengths` of the grey, the rest as it was."""
    return saturated(images, 1 - strengths)


def solarise(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images whose values from 1 - `strengths` on are inverted."""
    return torch.where(images >= (1 - strengths).view(-1, 1, 1, 1), 1 - images, images)


def posterise(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images of 2 to the 8 - `strengths` levels a channel, to the nearest whole number of them, values cut down.

    Without their lowest bits, white is no longer 1 but the highest level below, as in Pillow and torchvision.
    """
    levels = torch.exp2(8 - strengths).round().view(-1, 1, 1, 1)
    return torch.minimum((images * levels).floor(), levels - 1) / levels


# Both ways and up to .9 as brightness, of which it is the counterpart; SimCLR trained with up to ± .8 of each.
CONTRAST = Augmentation(
    id="contrast",
    label="Contrast",
    family="photometric",
    unit="± share of the distance from the mean grey",
    description="Multiplies contrast by one plus or minus this share; the seed picks more or less.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    seeded=True,
    transform=change_contrast,
)

SATURATION = Augmentation(
    id="saturation",
    label="Saturation",
    family="photometric",
    unit="± share of the distance from grey",
    description="Multiplies saturation by one plus or minus this share; the seed picks more or less.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    seeded=True,
    transform=saturate,
)

GAMMA = Augmentation(
    id="gamma",
    label="Gamma",
    family="photometric",
    unit="± log2 of the exponent",
    description="Raises values to a power, doubled or halved this many times; the seed picks darker or brighter.",
    strengths=(0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3),
    seeded=True,
    transform=curve_tone,
)

GREYSCALE = Augmentation(
    id="greyscale",
    label="Greyscale",
    family="photometric",
    unit="share of grey",
    description="Blends the image with its grey, of which this is the share; no seed is used.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    seeded=False,
    transform=drain,
)

SOLARISE = Augmentation(
    id="solarise",
    label="Solarisation",
    family="photometric",
    unit="of the range inverted",
    description="Inverts the values in this share of the range, from white down; no seed is used.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    seeded=False,
    transform=solarise,
)

POSTERISE = Augmentation(
    id="posterise",
    label="Posterisation",
    family="photometric",
    unit="bits removed of 8",
    description="Leaves 256 levels a channel divided by 2 to this power, halves allowed; no seed is used.",
    # Halves between few levels: 11 and 6 and 3 lie between 16, 8, 4 and 2.
    strengths=(0, 1, 2, 3, 4, 4.5, 5, 5.5, 6, 6.5, 7),
    seeded=False,
    transform=posterise,
)
