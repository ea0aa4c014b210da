"""Augmentations of colour: brightness and hue, both as the colour jitter of self-supervised training defines them."""

import torch
from torch import Tensor

from core.augmentations.seeding import seeded_sign
from core.augmentations.spec import Augmentation


def brighten(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images times 1 + `strengths` or 1 - `strengths`, by the seed; what exceeds white is white."""
    return images * (1 + strengths * seeded_sign(seeds)).view(-1, 1, 1, 1)


def hue_turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Images (B, 3, H, W) with their HSV hue turned by `degrees` (B,), red towards green where positive.

    Value and saturation stay, so that no colour leaves the range and gets clipped, as it would in a turn about the
    grey axis; greys do not change, and a third of a turn permutes the channels.
    """
    sextants = (degrees / 60).view(-1, 1, 1)
    red, green, blue = images.unbind(1)
    value = images.amax(dim=1)
    chroma = value - images.amin(dim=1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4)
    hue = torch.where(value == red, (green - blue) / safe, hue) + sextants
    # Each channel is a trapezoid over the hue circle: full for two sextants, empty for two, linear between.
    phase = (torch.tensor([5.0, 3.0, 1.0], device=images.device).view(3, 1, 1) + hue[:, None]) % 6
    empty = torch.minimum(phase, 4 - phase).clamp(0, 1)
    return value[:, None] - chroma[:, None] * empty


def turn_hue(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with their HSV hue turned by `strengths` degrees, either way by the seed."""
    return hue_turned(images, strengths * seeded_sign(seeds))


# Both ways, by the seed: darkening loses nothing but range, brightening also clips, and a study wants the two in its
# mean. A factor rather than an offset because that is what jitter does: SimCLR trained with up to ± .8 of this unit.
BRIGHTNESS = Augmentation(
    id="brightness",
    label="Brightness",
    family="photometric",
    unit="± share of each pixel's value",
    description="Multiplies every pixel by one plus or minus this share; the seed picks brighter or darker.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    seeded=True,
    transform=brighten,
)

HUE = Augmentation(
    id="hue",
    label="Hue",
    family="photometric",
    unit="degrees of the HSV colour circle",
    description="Turns every colour by this angle, greys staying grey, to a side drawn at random.",
    # 72 degrees is a fifth of a turn, the most that SimCLR trained with.
    strengths=(0, 18, 36, 54, 72, 90, 108, 126, 144, 162, 180),
    seeded=True,
    transform=turn_hue,
)
