"""Occlusion: part of the image hidden behind a grey square or a grey border."""

import torch
from torch import Tensor

from core.augmentations.sampling import offsets
from core.augmentations.spec import FILL, Augmentation


def occlude(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images with a grey square at their centre, its side `strengths` times their shorter side.

    A pixel is hidden when its centre is inside the square: squares of growing strength contain each other and stay
    centred, which rounding their side to whole pixels would not allow.
    """
    height, width = images.shape[-2:]
    half = (strengths * (min(height, width) / 2)).view(-1, 1, 1)
    x, y = offsets(width, images.device), offsets(height, images.device)[:, None]
    hidden = torch.maximum(x.abs(), y.abs()) < half
    return torch.where(hidden[:, None], FILL, images)


def enframe(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images behind a grey border, `strengths` times their shorter side wide; it hides the pixels centred in it."""
    height, width = images.shape[-2:]
    border = (strengths * min(height, width)).view(-1, 1, 1)
    x, y = offsets(width, images.device), offsets(height, images.device)[:, None]
    hidden = torch.minimum(width / 2 - x.abs(), height / 2 - y.abs()) < border
    return torch.where(hidden[:, None], FILL, images)


OCCLUSION = Augmentation(
    id="occlusion",
    label="Centre occlusion",
    family="occlusion",
    unit="fraction of the shorter side",
    description="Hides the centre behind a grey square with this side; no seed is used.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    seeded=False,
    transform=occlude,
)

BORDER = Augmentation(
    id="border",
    label="Border occlusion",
    family="occlusion",
    unit="fraction of the shorter side",
    description="Hides all that is this near to an edge behind a grey border; no seed is used.",
    strengths=(0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4),
    seeded=False,
    transform=enframe,
)
