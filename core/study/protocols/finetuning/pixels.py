"""Pixels of a data set as uint8 arrays, read once: in memory, or in a memory-mapped file when they are large."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.datasets.spec import ImageSet, Part
from core.encoders import preprocess
from core.encoders.spec import Preprocessing
from core.files import is_whole, place, seal

Pixels = NDArray[np.uint8]
"""Images of one size, (N, S, S, 3)."""
Crop = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
Place = tuple[Part, int]
MARGIN = 1.25  # side of what is kept for random crops against the side of the input
IN_MEMORY = 2**29  # bytes; larger ones go to a file
CHUNK = 256  # images handed to the threads at once: whoever ends the work waits for no more than these


def places(images: ImageSet, ids: Sequence[str]) -> list[Place]:
    """Where each sample is: its part and its position there."""
    known = {id: (part, i) for part in images.parts.values() for i, id in enumerate(part.ids)}
    return [known[id] for id in ids]


def training_side(recipe: Preprocessing) -> int:
    """Side in pixels of what is kept for random crops: what the encoder resizes to, or a quarter more than it sees."""
    return max(recipe.resize, round(MARGIN * recipe.size))


def training_crop(rgb: NDArray[np.uint8], recipe: Preprocessing) -> NDArray[np.uint8]:
    """The largest centred square, (side, side, 3): training views are random crops of it."""
    side, (height, width) = training_side(recipe), rgb.shape[:2]
    least = min(height, width)
    left, top = (width - least) / 2, (height - least) / 2
    image = Image.fromarray(rgb)
    box = (left, top, left + least, top + least)
    return np.asarray(image.resize((side, side), preprocess.FILTERS[recipe.interpolation], box=box))


def read(where: Sequence[Place], side: int, crop: Crop, file: Path) -> Pixels:
    """The cropped pixels of samples, in order.

    Args:
        side: S of what `crop` gives.
        crop: from an image to (S, S, 3).
        file: where to keep them if they are large; one from an earlier run is used when it is whole.

    Raises:
        UnreadableImage: a file has changed since its features were computed.
        ImageTooLarge: likewise.
    """
    shape = (len(where), side, side, 3)
    large = int(np.prod(shape)) > IN_MEMORY
    if large and is_whole(file):
        return np.load(file, mmap_mode="r")
    partial = file.with_suffix(".partial")
    values: Pixels
    if large:
        file.parent.mkdir(parents=True, exist_ok=True)
        values = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
    else:
        values = np.empty(shape, np.uint8)

    def fill(position: int) -> None:
        part, i = where[position]
        values[position] = crop(part.read(i))

    with ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 2))) as pool:
        for start in range(0, len(where), CHUNK):
            for _ in pool.map(fill, range(start, min(start + CHUNK, len(where)))):
                pass
    if not isinstance(values, np.memmap):
        return values
    values.flush()
    place(partial, file)
    seal(file)
    return np.load(file, mmap_mode="r")
