"""A part of a data set as one tensor: for training loops that pass over all images many times."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.datasets.spec import ImageSet
from core.encoders.preprocess import model_crop
from core.encoders.spec import Preprocessing
from core.errors import DataUnavailable, ImageError


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images of one part: `images` (N, 3, S, S) uint8, `labels` (N,) int64, class names in label order."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def load(images: ImageSet, part: str, size: int, log: Callable[[str], None] = lambda line: None) -> LabelledImages:
    """All images of a part, short side scaled to `size` and centre-cropped.

    Args:
        images: an opened data set.
        part: `train` or `test`.
        size: side in pixels.
        log: told one line when the part has been read.

    Raises:
        DataUnavailable: an image cannot be read.
    """
    samples, recipe = images.parts[part], Preprocessing(size, size)
    pixels = np.empty((len(samples), size, size, 3), np.uint8)

    def fill(position: int) -> None:
        try:
            pixels[position] = model_crop(samples.read(position), recipe)
        except ImageError as error:
            raise DataUnavailable(f"{samples.ids[position]} cannot be read as an image: {error}") from error

    with ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 2))) as pool:
        for _ in pool.map(fill, range(len(samples)), chunksize=64):
            pass
    log(f"{part}: {len(samples)} images of {len(images.classes)} classes read")
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(tensor, torch.from_numpy(samples.labels), images.classes)
