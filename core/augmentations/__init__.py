"""Image augmentations with a strength in a unit of its own: one dict, id to `Augmentation`.

A new one is a file of its own and a line here. The order is the order in which people see them.
"""

from core.augmentations.blur import BLUR
from core.augmentations.compression import JPEG
from core.augmentations.geometric import ROTATION, SCALE, TRANSLATION
from core.augmentations.noise import NOISE
from core.augmentations.occlusion import OCCLUSION
from core.augmentations.photometric import BRIGHTNESS, HUE
from core.augmentations.seeding import seeded_normal, seeded_sign, seeded_uniform
from core.augmentations.spec import FILL, Augmentation

AUGMENTATIONS: dict[str, Augmentation] = {
    augmentation.id: augmentation
    for augmentation in (ROTATION, TRANSLATION, SCALE, BLUR, BRIGHTNESS, HUE, NOISE, JPEG, OCCLUSION)
}

__all__ = ["AUGMENTATIONS", "FILL", "Augmentation", "seeded_normal", "seeded_sign", "seeded_uniform"]
