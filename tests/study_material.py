"""Material for protocols from invented features or invented pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from toys import CPU

from core.datasets.spec import DatasetSpec, ImageSet, Part
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.study.features import Features
from core.study.protocols.base import Material, validation_split

SPEC = DatasetSpec("toy", "Toy", "unknown", "top-1", "invented", "none", "none", "none")
NOWHERE = Path("/nowhere")


def features(values: NDArray[np.float32], labels: NDArray[np.int64], part: str) -> Features:
    """Features whose samples are called `part/0000`, ..."""
    return Features(values, labels, tuple(f"{part}/{i:04d}" for i in range(len(labels))))


def no_encoder() -> Encoder:
    """What protocols on features never ask for."""
    raise AssertionError("this protocol needs no encoder")


def material_of(train: Features, test: Features, classes: int, seed: int = 0, **options: Any) -> Material:
    """Material without images, a tenth held out."""
    joined, held_out = validation_split(train, None, seed)
    nothing = ImageSet(SPEC, tuple(map(str, range(classes))), {}, "0", "folder:/nowhere")
    return Material(joined, held_out, test, classes, seed, CPU, nothing, no_encoder, NOWHERE, options)


def part_of(name: str, pictures: NDArray[np.uint8], labels: NDArray[np.int64]) -> Part:
    """A part of a data set in memory."""
    return Part(tuple(f"{name}/{i:04d}" for i in range(len(labels))), labels, lambda i: pictures[i])


def pictures_material(
    encoder: Encoder, parts: dict[str, Part], classes: int, checkpoint: Path, seed: int = 0, **options: Any
) -> Material:
    """Material of parts with pixels, features computed by the encoder."""
    images = ImageSet(SPEC, tuple(map(str, range(classes))), parts, "0", "folder:/nowhere")
    recipe = encoder.spec.preprocessing
    found = {}
    for name, part in parts.items():
        crops = np.stack([preprocess.model_crop(part.read(i), recipe) for i in range(len(part))])
        with torch.inference_mode():
            inputs = preprocess.normalise(preprocess.to_unit(crops), recipe)
            values = encoder.pool(encoder.trunk(inputs)).numpy()
        found[name] = Features(values, part.labels, part.ids)
    train, held_out = validation_split(found["train"], found.get("val"), seed)
    return Material(train, held_out, found["test"], classes, seed, CPU, images, lambda: encoder, checkpoint, options)
