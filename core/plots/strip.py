"""The augmented images themselves, with what was answered for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core import images, invariance
from core.augmentations.spec import Augmentation
from core.encoders import preprocess
from core.images import SafeImage
from core.readout import Contender


@dataclass(frozen=True, slots=True)
class Answer:
    """What one encoder said of one view."""

    prediction: int
    confidence: float
    flipped: bool


def views(
    contender: Contender, image: SafeImage, augmentation: Augmentation, strengths: Sequence[float]
) -> list[bytes]:
    """PNG of the model input at each strength, seed 0: the very pixels that the sweep measured."""
    crop = preprocess.model_crop(image.rgb, contender.encoder.spec.preprocessing)
    unit = preprocess.to_unit(crop[None]).expand(len(strengths), -1, -1, -1)
    at = torch.tensor([augmentation.check(strength) for strength in strengths])
    made = invariance.augmented(unit, augmentation, at, torch.zeros(len(strengths), dtype=torch.int64))
    return [images.encode_png((view.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)) for view in made]


def answers(table: pd.DataFrame, digest: str) -> dict[tuple[str, float], Answer]:
    """Seed 0's answer for one image, by encoder and strength."""
    rows = table[(table["image"] == digest) & (table["seed"] == 0)]
    return {
        (row["encoder"], row["strength"]): Answer(
            int(row["prediction"]), float(row["confidence"]), bool(row["flipped"])
        )
        for _, row in rows.iterrows()
    }
