"""Attribution maps as pictures: a colour scale that means the same for every contender, over the crop the model saw."""

from collections.abc import Sequence
from functools import cache
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale

Map = NDArray[np.float32]

DIVERGING = "RdBu_r"
SEQUENTIAL = "Inferno"
LEVELS = 256
WEAK = 0.25
"""Share of the common scale below which evidence has no tint, which would only muddy the picture."""


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

    Unsigned, the map is opaque in proportion to its evidence, signed, to its magnitude. What is weaker than `WEAK`
    keeps the picture, and a line goes where that begins; a map that is weaker everywhere has a line at half its height.

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
    alpha = opacity * np.where(evidence < WEAK * scale, 0, np.clip(evidence / scale, 0, 1))[..., None] ** 0.7
    mixed = (1 - alpha) * crop + alpha * colour(large, scale, signed)
    level = min(WEAK * scale, float(evidence.max()) / 2)
    return outlined(np.round(mixed).astype(np.uint8), evidence >= level) if level > 0 else crop


def outlined(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture with a line around an area of it: white within, dark without, to be seen on any ground.

    Args:
        picture: (S, S, 3).
        inside: (S, S).
    """
    width = max(1, len(picture) // 200)
    drawn = picture.copy()
    drawn[_grown(inside, width) & ~inside] = 24
    drawn[inside & _grown(~inside, width)] = 255
    return drawn


def _grown(area: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    for _ in range(by):
        padded = np.pad(area, 1)
        area = area | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return area


def bar(scale: float, unit: str, signed: bool) -> str:
    """The colour bar of a map as markup: what its colours stand for, and where the line is.

    Args:
        scale: the magnitude at full colour.
        unit: of the map.
        signed: as for `colour`.
    """
    colours = _table(DIVERGING if signed else SEQUENTIAL)[::15]
    stops = ", ".join(f"rgb({red},{green},{blue})" for red, green, blue in colours)
    low = f"{-scale:.3g}".replace("-", "−") if signed else "0"
    at = (1 + WEAK) / 2 if signed else WEAK
    words = f"Colours from {low} to {scale:.3g} {unit}; the line is at {WEAK * scale:.3g}."
    line = "position:absolute;left:-2px;right:-2px;height:3px;background:#fff;border:solid #181818;border-width:1px 0"
    ground = f"position:relative;width:12px;height:130px;border-radius:3px;background:linear-gradient(to top, {stops})"
    return (
        f'<div role="img" aria-label="{escape(words)}" style="display:flex;gap:6px;font-size:12px;line-height:1.1">'
        f'<div style="{ground}"><div style="{line};bottom:{at:.0%}"></div></div>'
        '<div style="display:flex;flex-direction:column;justify-content:space-between">'
        f"<span>{scale:.3g}<br>{escape(unit)}</span><span>{low}</span></div></div>"
    )


def grid_picture(values: Map, scale: float, side: int, signed: bool = False) -> NDArray[np.uint8]:
    """The raw map, (side, side, 3), cell by cell with no smoothing: what was really computed."""
    cells = colour(values, scale if scale > 0 else 1.0, signed)
    return np.asarray(Image.fromarray(cells).resize((side, side), Image.Resampling.NEAREST))
