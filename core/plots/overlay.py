"""Attribution maps as pictures: a colour scale that means the same for every contender, over the crop the model saw."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale

Map = NDArray[np.float32]

DIVERGING = "RdBu_r"
SEQUENTIAL = "Inferno"
LEVELS = 256


def shared_scale(maps: Sequence[Map]) -> float:
    """The largest magnitude of several maps: one scale on which they can be compared; 0 when all are flat zero."""
    return max((float(np.abs(m).max()) for m in maps), default=0.0)


def upsample(values: Map, side: int) -> Map:
    """(side, side) bicubic enlargement of an (h, w) map, for the eye only; no figure is computed from it."""
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32), mode=None)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


@cache
def _table(scale: str) -> NDArray[np.uint8]:
    # The darkest quarter of a sequential scale would read as a shadow on the picture.
    start = 0.0 if scale == DIVERGING else 0.25
    colours = sample_colorscale(scale, np.linspace(start, 1, LEVELS).tolist(), colortype="tuple")
    return np.round(np.array(colours) * 255).astype(np.uint8)


def colour(values: Map, scale: float, signed: bool) -> NDArray[np.uint8]:
    """(h, w, 3) colours of a map.

    Args:
        values: (h, w).
        scale: the magnitude at the end of the colour bar; must be positive.
        signed: diverging colours around 0 when true; otherwise only positive evidence, from dark to light.
    """
    if signed:
        position = (values / scale + 1) / 2
        table = _table(DIVERGING)
    else:
        position = np.maximum(values, 0) / scale
        table = _table(SEQUENTIAL)
    return table[(np.clip(position, 0, 1) * (LEVELS - 1)).round().astype(int)]


def blend(
    crop: NDArray[np.uint8], values: Map, scale: float, opacity: float, signed: bool = False
) -> NDArray[np.uint8]:
    """The map over the crop, (S, S, 3).

    Unsigned, the map is opaque in proportion to its evidence, so that places without any keep the picture;
    signed, in proportion to its magnitude.

    Args:
        crop: (S, S, 3) the square the model saw.
        values: (h, w) the map on its own grid.
        scale: the magnitude at full colour.
        opacity: of the strongest place, [0, 1].
        signed: as for `colour`.
    """
    if scale <= 0:
        return crop
    large = upsample(values, crop.shape[0])
    evidence = np.abs(large) if signed else np.maximum(large, 0)
    alpha = opacity * np.clip(evidence / scale, 0, 1)[..., None] ** 0.7
    mixed = (1 - alpha) * crop + alpha * colour(large, scale, signed)
    return np.round(mixed).astype(np.uint8)


def grid_picture(values: Map, scale: float, side: int, signed: bool = False) -> NDArray[np.uint8]:
    """The raw map, (side, side, 3), cell by cell with no smoothing: what was really computed."""
    cells = colour(values, scale if scale > 0 else 1.0, signed)
    return np.asarray(Image.fromarray(cells).resize((side, side), Image.Resampling.NEAREST))
