"""The augmented images themselves, with what was answered for each, and where the answer turns."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core.augmentations.spec import Augmentation
from core.encoders import preprocess
from core.images.image import SafeImage
from core.readout import Contender


@dataclass(frozen=True, slots=True)
class Answer:
    """What one encoder said of one view."""

    prediction: int
    confidence: float
    flipped: bool


def views(
    contender: Contender, image: SafeImage, augmentation: Augmentation, strengths: Sequence[float]
) -> list[SafeImage]:
    """The model input at each strength, seed 0: the pixels that the sweep measured, rounded to bytes."""
    crop = preprocess.model_crop(image.rgb, contender.encoder.spec.preprocessing)
    unit = preprocess.to_unit(crop[None]).expand(len(strengths), -1, -1, -1)
    at = torch.tensor([augmentation.check(strength) for strength in strengths])
    made = augmentation.apply(unit, at, torch.zeros(len(strengths), dtype=torch.int64))
    pixels = [np.ascontiguousarray((view.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)) for view in made]
    for view in pixels:
        view.setflags(write=False)
    return [
        SafeImage(view, hashlib.sha256(view.tobytes()).hexdigest(), view.shape[1], view.shape[0]) for view in pixels
    ]


def turning(table: pd.DataFrame, digest: str) -> dict[str, float]:
    """The first strength at which seed 0's answer for one image is another than the clean one's, by encoder.

    Encoders whose answer never turns, or that give none, are left out.
    """
    turned = table[(table["image"] == digest) & (table["seed"] == 0) & table["flipped"].fillna(False).astype(bool)]
    return {str(id): float(part["strength"].iloc[0]) for id, part in turned.groupby("encoder", sort=False)}


def answers(table: pd.DataFrame, digest: str) -> dict[tuple[str, float], Answer]:
    """Seed 0's answer for one image, by encoder and strength."""
    rows = table[(table["image"] == digest) & (table["seed"] == 0)]
    return {
        (row["encoder"], row["strength"]): Answer(
            int(row["prediction"]), float(row["confidence"]), bool(row["flipped"])
        )
        for _, row in rows.iterrows()
    }
