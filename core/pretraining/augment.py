"""Random training views of a batch, made on the device in a handful of tensor operations.

Each image draws its own parameters. A crop and a flip are one affine sampling; brightness, contrast, saturation
and hue are together one affine map of RGB, so the whole jitter is a single batched 3x3 product. Order and
clamping between the colour steps, random in SimCLR's reference code, are given up for that.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a training view may differ in.

    Attributes:
        crop_scale: range of the crop's share of the area; its aspect ratio is within 3/4 to 4/3.
        flip: probability of a horizontal flip.
        jitter: half-widths of brightness, contrast, saturation (factors around 1) and hue (turns).
        jitter_probability: share of the views that are jittered.
        grey_probability: share of the views that lose their colour.
    """

    crop_scale: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    jitter_probability: float = 0.8
    grey_probability: float = 0.0

    def words(self) -> str:
        """What it does, as the catalog names it."""
        parts = [
            ("random resized crop", self.crop_scale[0] < 1),
            ("flip", self.flip),
            ("colour jitter", any(self.jitter)),
        ]
        return ", ".join(name for name, done in [*parts, ("grey", self.grey_probability)] if done) or "none"


def _uniform(count: int, low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(count, device=like.device).uniform_(low, high, generator=generator)


def crop_and_flip(images: Tensor, policy: Policy, size: int, generator: torch.Generator) -> Tensor:
    """(B, 3, size, size) random crops of (B, 3, H, W) images in [0, 1], some mirrored; neither jittered nor normalised.

    Args:
        images: float32.
        policy: what may vary.
        size: side of the crop in pixels.
        generator: source of all randomness, on the images' device.
    """
    count = len(images)
    area = _uniform(count, *policy.crop_scale, images, generator)
    ratio = _uniform(count, math.log(3 / 4), math.log(4 / 3), images, generator).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x = _uniform(count, -1, 1, images, generator) * (1 - width)
    y = _uniform(count, -1, 1, images, generator) * (1 - height)
    mirror = torch.where(_uniform(count, 0, 1, images, generator) < policy.flip, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 0, 2] = width * mirror, x
    theta[:, 1, 1], theta[:, 1, 2] = height, y
    grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _colour_matrices(count: int, policy: Policy, like: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Per image the 3x3 matrix of the colour jitter, and the share of the grey mean that contrast adds."""
    brightness, contrast, saturation, hue = policy.jitter
    applied = (_uniform(count, 0, 1, like, generator) < policy.jitter_probability).float()

    def factor(width: float) -> Tensor:
        return 1 + applied * (_uniform(count, 1 - width, 1 + width, like, generator) - 1)

    b, c, s = factor(brightness), factor(contrast), factor(saturation)
    turn = applied * _uniform(count, -hue, hue, like, generator) * 2 * math.pi
    s = torch.where(_uniform(count, 0, 1, like, generator) < policy.grey_probability, 0.0, s)
    luma = torch.tensor(LUMA, device=like.device)
    grey = luma.expand(3, 3)
    # Rodrigues' rotation about the grey axis (1, 1, 1): turns the hue and keeps greys grey.
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=like.device) / math.sqrt(3)
    cos, sin = turn.cos().view(-1, 1, 1), turn.sin().view(-1, 1, 1)
    identity = torch.eye(3, device=like.device)
    rotation = cos * identity + sin * cross + (1 - cos) / 3
    desaturate = s.view(-1, 1, 1) * identity + (1 - s).view(-1, 1, 1) * grey
    return (b * c).view(-1, 1, 1) * (desaturate @ rotation), b * (1 - c)


def _jitter(images: Tensor, policy: Policy, generator: torch.Generator) -> Tensor:
    matrix, lift = _colour_matrices(len(images), policy, images, generator)
    luma = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    mean_grey = (images * luma).sum(dim=1).mean(dim=(1, 2))
    flat = torch.baddbmm((lift * mean_grey).view(-1, 1, 1), matrix, images.flatten(2))
    return flat.view_as(images).clamp_(0, 1)


def normalise(images: Tensor) -> Tensor:
    """`images` in [0, 1] with the mean and deviation of ImageNet, channels last in memory."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def random_view(images: Tensor, policy: Policy, size: int, generator: torch.Generator) -> Tensor:
    """One normalised random view of each image.

    Args:
        images: (B, 3, H, W) uint8.
        policy: what may vary.
        size: side of the view in pixels.
        generator: source of all randomness, on the images' device.

    Returns:
        (B, 3, size, size) float32.
    """
    view = crop_and_flip(images.float() / 255, policy, size, generator)
    if any(policy.jitter) or policy.grey_probability:
        view = _jitter(view, policy, generator)
    return normalise(view)


def plain_view(images: Tensor, size: int) -> Tensor:
    """The normalised image itself at `size` pixels, as the encoder sees it after training."""
    view = images.float() / 255
    if view.shape[-1] != size:
        view = F.interpolate(view, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return normalise(view)
