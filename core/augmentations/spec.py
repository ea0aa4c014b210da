"""What an augmentation is, and the promise every one of them keeps: at its identity no pixel changes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InvalidRequest

# What shows where an image has nothing to show: beyond its frame and behind an occluder. The mean of ImageNet's
# three channel means (.485, .456, .406), but grey, so that it suits no encoder's own normalisation best.
FILL = 0.45

Transform = Callable[[Tensor, Tensor, Tensor], Tensor]
InverseWarp = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One way to change an image, by a stated amount.

    The seed picks the direction (which way to turn, which noise field), the strength the amount: with one seed,
    a sweep over strengths follows one smooth path away from the image.

    Attributes:
        id: key in the registry and in addresses, such as "rotation".
        label: name for people.
        family: "geometric", "photometric", "degradation", "occlusion", or "combined" for several of them at once.
        unit: what strength counts.
        description: one sentence for people: what strength means and what the seed chooses.
        strengths: default grid, from the identity, which changes no pixel, to the strongest that is allowed.
        seeded: whether the seed changes the outcome.
        transform: (images (B, 3, H, W) in [0, 1], strengths (B,), seeds (B,) int64) to images of the same shape, of
            float32 on one device. Each row depends on nothing but its own image, strength and seed. Values may leave
            [0, 1], and rows at the identity may be rounded: `apply` sees to both.
        inverse_warp: for those that move content (maps (B, h, w) of the augmented images, strengths, seeds) to the maps
            resampled into the clean image's frame, and a (B, h, w) mask, True where the augmented image still
            shows that location; else None, as places do not move.
    """

    id: str
    label: str
    family: str
    unit: str
    description: str
    strengths: tuple[float, ...]
    seeded: bool
    transform: Transform
    inverse_warp: InverseWarp | None = None

    @property
    def identity(self) -> float:
        """The strength that changes no pixel, exactly."""
        return float(self.strengths[0])

    @property
    def minimum(self) -> float:
        """The smallest strength allowed."""
        return float(min(self.strengths))

    @property
    def maximum(self) -> float:
        """The largest strength allowed."""
        return float(max(self.strengths))

    def check(self, strength: float) -> float:
        """The strength itself, when it is in range.

        Raises:
            InvalidRequest: it is not a number between `minimum` and `maximum`; the message names range and unit.
        """
        if not (math.isfinite(strength) and self.minimum <= strength <= self.maximum):
            raise InvalidRequest(
                f"{self.label} cannot have strength {strength:g}: choose one from {self.minimum:g} "
                f"to {self.maximum:g} ({self.unit})."
            )
        return strength

    def apply(self, images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1], each changed by its strength (B,) and seed (B,); same dtype and device.

        Rows at the identity come back as they went in, bit by bit, whatever rounding the arithmetic did. Autocast is
        off inside, since half precision would show in coordinates and filters. No gradient passes. Strengths are not
        checked, which would wait for the device: `check` does, once, where a request comes in.
        """
        if images.ndim != 4 or strengths.shape != images.shape[:1] or seeds.shape != images.shape[:1]:
            raise ValueError(
                "images must be (B, 3, H, W) with strengths (B,) and seeds (B,), not "
                f"{tuple(images.shape)}, {tuple(strengths.shape)} and {tuple(seeds.shape)}"
            )
        device = images.device
        strengths, seeds = strengths.to(device, torch.float32), seeds.to(device)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            changed = self.transform(images.float(), strengths, seeds).clamp(0, 1).to(images.dtype)
            still = strengths == self.identity
            # Asked first where the answer is at hand: a GPU would have to be waited for.
            if device.type == "cpu" and not still.any():
                return changed
            return torch.where(still.view(-1, 1, 1, 1), images, changed)
