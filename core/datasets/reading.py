"""Readers of samples: from image files through the one safe decoder, and from arrays that are already pixels."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest, UnreadableImage
from core.images.limits import MAX_BYTES
from core.images.opening import open_copy

Read = Callable[[int], NDArray[np.uint8]]


def decode(data: bytes, bands: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """(H, W, 3) pixels of an image file, scaled as the pages and the command line scale theirs.

    Args:
        data: a whole file.
        bands: to show of one that has more than three.

    Raises:
        ImageError: it is no usable image, or has no such bands.
    """
    try:
        return open_copy(data, bands).rgb
    except InvalidRequest as error:
        raise UnreadableImage(str(error)) from error


def file_bytes(path: Path | str) -> bytes:
    """The content of a file, up to one byte more than an image may have.

    Raises:
        UnreadableImage: it cannot be read.
    """
    try:
        # Unbuffered, and not asking for more than there is: a buffer of the limit for each small file takes longer
        # than reading it.
        with open(path, "rb", buffering=0) as file:
            return file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)
    except OSError as error:
        raise UnreadableImage(f"The file cannot be read: {error.strerror or error}.") from error


def file_reader(paths: Sequence[Path]) -> Read:
    """Reads sample i from the i-th file; may be called from any thread."""
    return lambda i: decode(file_bytes(paths[i]))


def as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) from grey (H, W) or from colour, which stays as it is."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels)


def array_reader(images: Any, axes: tuple[int, ...] | None = None) -> Read:
    """Reads sample i from `images[i]`, an array in memory or on disk of uint8 pixels, grey or RGB.

    Args:
        images: indexed by sample first.
        axes: order that turns one sample into (H, W, 3), when it is stored in another.
    """

    def read(i: int) -> NDArray[np.uint8]:
        pixels = np.asarray(images[i])
        return as_rgb(pixels if axes is None else pixels.transpose(axes))

    return read
