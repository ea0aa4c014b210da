"""The augmentations that SimCLR was trained to ignore, all together and all of one strength."""

import torch
from torch import Tensor

from core.augmentations.blur import REFERENCE_SIDE, gaussian
from core.augmentations.cropping import cropped, enlarge, reduce
from core.augmentations.photometric import hue_turned
from core.augmentations.sampling import separable
from core.augmentations.seeding import seeded_uniforms
from core.augmentations.spec import Augmentation
from core.augmentations.tone import contrasted, saturated

# Chen et al. 2020, appendix A, at strength 1.
SMALLEST_CROP = 0.08  # share of the area
FLIPPED = 0.5  # share of images
JITTERED = 0.8
JITTER = 0.8  # ± of brightness, contrast and saturation
HUE_TURN = 0.2 * 360  # ± degrees
GREY = 0.2
BLURRED = 0.5
SIGMA = (0.1, 2.0)  # pixels at 224
DRAWS = 13

AT_ONCE = 4 * 224**2  # pixels on a CPU


def _frame(strengths: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 2) sizes and centres of the crops, as `cropped` gives them, the width negative where the image is flipped.

    A flip has no size to scale: its probability is scaled instead, so that each seed's image turns once at most.
    """
    size, centre = cropped((1 - SMALLEST_CROP) * strengths * draws[:, 0], draws[:, 1:4])
    across = torch.where(draws[:, 4] < FLIPPED * strengths, -size[:, 0], size[:, 0])
    return torch.stack((across, size[:, 1]), dim=1), centre


def _recoloured(images: Tensor, strengths: Tensor, draws: Tensor) -> Tensor:
    """Images after jitter of brightness, contrast, saturation and hue, in this order, and grey where it is drawn."""
    amount = strengths * (draws[:, 0] < JITTERED)
    factors = 1 + JITTER * amount[:, None] * (2 * draws[:, 1:4] - 1)
    images = (images * factors[:, 0].view(-1, 1, 1, 1)).clamp_(0, 1)
    images = contrasted(images, factors[:, 1]).clamp_(0, 1)
    images = saturated(images, factors[:, 2]).clamp_(0, 1)
    images = hue_turned(images, HUE_TURN * amount * (2 * draws[:, 4] - 1))
    return saturated(images, 1 - strengths * (draws[:, 5] < GREY))


def _views(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images (B, 3, H, W) after all that their seeds draw."""
    draws = seeded_uniforms(seeds, DRAWS)
    views = enlarge(images, *_frame(strengths, draws[:, :5])).clamp_(0, 1)
    views = _recoloured(views, strengths, draws[:, 5:11])
    height, width = images.shape[-2:]
    sigma = (SIGMA[0] + (SIGMA[1] - SIGMA[0]) * draws[:, 12]) * (min(height, width) / REFERENCE_SIDE)
    sigma = strengths * (draws[:, 11] < BLURRED) * sigma
    rows = gaussian(height, sigma)
    return separable(views, rows, rows if width == height else gaussian(width, sigma))


def train(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images after random crop, flip, colour jitter, grey and blur, each at `strengths` of SimCLR's own amount.

    The seed draws what happens and how much of it, the strength multiplies that: at 1 these are SimCLR's views, but
    for the order of the jitter, which is fixed here.
    """
    # So many steps go over the same pixels that on a CPU it pays to keep to what its caches hold.
    at_once = max(AT_ONCE // images[0, 0].numel(), 1) if images.device.type == "cpu" else len(images)
    parts = (tensor.split(at_once) for tensor in (images, strengths, seeds))
    return torch.cat([_views(*part) for part in zip(*parts, strict=True)])


def retrace(maps: Tensor, strengths: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of such views in the clean frame, unflipped, and which locations their crops hold."""
    draws = seeded_uniforms(seeds.to(maps.device), DRAWS)
    return reduce(maps, *_frame(strengths.to(maps.device, torch.float32), draws[:, :5]))


TRAINING_RECIPE = Augmentation(
    id="training-recipe",
    label="Training recipe",
    family="combined",
    unit="of SimCLR's amount",
    description="Crops, flips, recolours and blurs as SimCLR's training does, times this; the seed draws each part.",
    strengths=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    seeded=True,
    transform=train,
    inverse_warp=retrace,
)
