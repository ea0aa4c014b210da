"""Gaussian noise: every value off by its own random amount."""

from torch import Tensor

from core.augmentations.seeding import seeded_normal
from core.augmentations.spec import Augmentation, exact_at


@exact_at(0.0)
def add_noise(images: Tensor, strengths: Tensor, seeds: Tensor) -> Tensor:
    """Images plus `strengths` times the seed's noise field, independent for each pixel and channel."""
    field = seeded_normal(seeds, images[0].numel()).view_as(images)
    return images + strengths.view(-1, 1, 1, 1) * field


NOISE = Augmentation(
    id="noise",
    label="Gaussian noise",
    family="degradation",
    unit="standard deviation, of the range 0 to 1",
    description="Adds noise of this standard deviation to each pixel and channel; the seed picks the noise field.",
    identity=0.0,
    minimum=0.0,
    maximum=0.5,
    # Holds the levels of ImageNet-C's Gaussian noise: .08, .12, .18, .26, .38.
    strengths=(0, 0.02, 0.04, 0.08, 0.12, 0.18, 0.26, 0.32, 0.38, 0.5),
    seeded=True,
    apply=add_noise,
)
