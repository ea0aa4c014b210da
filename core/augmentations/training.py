"""Which augmentations an encoder was pre-trained with, as far as its card says.

To be unmoved by what one was trained to ignore is no discovery: curves mark these, and summaries can leave them out.
"""

import re

SIGNS: dict[str, tuple[str, ...]] = {
    r"crop|multi-crop": ("random-crop", "scale", "translation", "training-recipe"),
    r"flip": ("horizontal-flip",),
    r"jitter|colou?r dist": ("brightness", "contrast", "saturation", "hue"),
    r"gr[ae]y": ("greyscale", "saturation"),
    r"blur": ("blur",),
    r"solari[sz]": ("solarise",),
    r"rand-?augment|auto-?augment|trivial-?augment|augmix": (
        *("rotation", "shear", "translation", "brightness", "contrast", "saturation"),
        *("sharpness", "posterise", "solarise"),
    ),
    r"erasing|cut-?out": ("occlusion",),
}
"""Words of a card to ids of augmentations. A name such as AutoAugment stands for the operations of its paper."""

SAME_AS = {
    "as moco v1": "random resized crop, flip, colour jitter, greyscale",
    "as moco v2": "random resized crop, flip, colour jitter, greyscale, blur",
}
"""What a line stands for that names another method's recipe."""


def trained_in(recipe: str) -> frozenset[str]:
    """Ids of the augmentations that a card's line on pre-training names; empty when it names none."""
    text = recipe.lower()
    text = SAME_AS.get(text, text)
    return frozenset(id for sign, ids in SIGNS.items() if re.search(sign, text) for id in ids)
