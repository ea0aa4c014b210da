"""Image augmentations with a strength in a unit of its own: one dict, id to `Augmentation`.

A new one is a file of its own, or an entry in that of its kin, and a name here. The order, by family, is the order in
which people see them.
"""

from core.augmentations.blur import BLUR
from core.augmentations.compression import JPEG
from core.augmentations.cropping import HORIZONTAL_FLIP, RANDOM_CROP, VERTICAL_FLIP
from core.augmentations.detail import MOTION_BLUR, SHARPNESS
from core.augmentations.geometric import ROTATION, SCALE, TRANSLATION
from core.augmentations.noise import NOISE, SALT_AND_PEPPER, SHOT_NOISE
from core.augmentations.occlusion import BORDER, OCCLUSION
from core.augmentations.patches import PATCH_SHUFFLE, PIXELATE
from core.augmentations.photometric import BRIGHTNESS, HUE
from core.augmentations.recipe import TRAINING_RECIPE
from core.augmentations.spec import Augmentation
from core.augmentations.tone import CONTRAST, GAMMA, GREYSCALE, POSTERISE, SATURATION, SOLARISE
from core.augmentations.warping import ELASTIC, PERSPECTIVE, SHEAR

AUGMENTATIONS: dict[str, Augmentation] = {
    augmentation.id: augmentation
    for augmentation in (
        *(ROTATION, TRANSLATION, SCALE, SHEAR, PERSPECTIVE, ELASTIC),
        *(HORIZONTAL_FLIP, VERTICAL_FLIP, RANDOM_CROP, PATCH_SHUFFLE),
        *(BRIGHTNESS, CONTRAST, GAMMA, SATURATION, HUE, GREYSCALE, SOLARISE, POSTERISE),
        *(BLUR, MOTION_BLUR, PIXELATE, SHARPNESS, NOISE, SHOT_NOISE, SALT_AND_PEPPER, JPEG),
        *(OCCLUSION, BORDER),
        TRAINING_RECIPE,
    )
}
