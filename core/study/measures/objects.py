"""How much of what an encoder sees is the object, cell by cell of its own grid, where a set has masks."""

import numpy as np
from numpy.typing import NDArray

from core.datasets.spec import Part
from core.encoders.preprocess import model_crop
from core.encoders.spec import Preprocessing
from core.errors import DataUnavailable, ImageError


def cover(part: Part, position: int, recipe: Preprocessing, grid: tuple[int, int]) -> NDArray[np.float64] | None:
    """(h, w) share of each cell that a sample's object covers, in [0, 1], after the very crop that the encoder reads.

    Args:
        grid: (h, w) of its maps.

    Returns:
        None for a sample without a mask, and where the crop leaves the object out.

    Raises:
        DataUnavailable: the mask cannot be read, or is not of its picture's proportions.
    """
    try:
        mask = None if part.mask is None else part.mask(position)
        if mask is None:
            return None
        high, wide, _ = part.read(position).shape
    except ImageError as error:
        raise DataUnavailable(f"The mask of {part.ids[position]} cannot be read: {error}") from error
    # A picture may have been made smaller; a mask of another shape would lie beside what it marks.
    if abs(mask.shape[1] * high - mask.shape[0] * wide) > sum(mask.shape):
        raise DataUnavailable(
            f"The mask of {part.ids[position]} has {mask.shape[1]} × {mask.shape[0]} pixels and its picture "
            f"{wide} × {high}: draw masks on pictures as they are shown, or remove this one."
        )
    pixels = np.repeat(mask[:, :, None].astype(np.uint8) * 255, 3, axis=2)
    seen = model_crop(pixels, recipe)[:, :, 0] / 255
    down, right = (np.array_split(np.arange(side), cells) for side, cells in zip(seen.shape, grid, strict=True))
    found = np.array([[seen[np.ix_(rows, columns)].mean() for columns in right] for rows in down])
    return found if found.any() else None
