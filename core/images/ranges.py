"""From numbers of any range to the 256 levels that a screen and an encoder know, and what was done, in words."""

import numpy as np
from numpy.typing import NDArray

ROWS = 256  # that are scaled at once, so that a large image is never held as floats
SAMPLED = 1 << 20  # values that percentiles are taken from
PERCENT = (2.0, 98.0)


def eight_bits(
    values: NDArray, bits: int = 0, percent: bool = False, missing: float | None = None
) -> tuple[NDArray[np.uint8], str]:
    """The values as uint8 of the same shape, and what was done in words; empty when that is the plain scale.

    Unsigned integers are scaled by the fewest bits that hold the brightest one, 8 at least: zero stays black, and 12
    bits in a 16-bit file, usual in microscopy, do not turn black. Floats from 0 to 1, and whole ones from 0 to 255, are
    on the scales that programs write. Others have no full scale of their own and are stretched over their range.

    Args:
        values: (H, W) or (H, W, C) numbers, one scale for all bands.
        bits: that integers have of which zero is black; 0 when not known.
        percent: stretch between percentiles, for measurements such as reflectance.
        missing: value that stands for no data.
    """
    if values.dtype == np.bool_ or values.dtype == np.uint8:
        return values.astype(np.uint8) * (255 if values.dtype == np.bool_ else 1), ""
    known = np.isfinite(values) if values.dtype.kind == "f" else None
    if missing is not None:
        known = (values != missing) if known is None else known & (values != missing)
    least, most = _extent(values, known)
    low, high, said = least, most, f"stretched from {least:g} to {most:g}"
    whole = values.dtype.kind in "ui"
    if bits:
        low, high, said = 0.0, float((1 << bits) - 1), ""
    elif percent and least < most:
        low, high = _percentiles(values, known)
        said = f"percent-stretched from {low:g} to {high:g}"
    elif whole and least >= 0:
        used = max(8, int(most).bit_length())
        low, high = 0.0, float((1 << used) - 1)
        said = "" if used == 8 * values.dtype.itemsize else f"{used} bits used: 0 is black and {high:,.0f} white"
    elif not whole and least >= 0 and most <= 1 and most > 0:
        low, high, said = 0.0, 1.0, "0 is black and 1 white"
    elif not whole and least >= 0 and 1 < most <= 255 and most > 127 and _integral(values):
        low, high, said = 0.0, 255.0, "0 is black and 255 white"
    return _scaled(values, low, high), said


def _extent(values: NDArray, known: NDArray[np.bool_] | None) -> tuple[float, float]:
    if known is not None and not known.any():
        return 0.0, 0.0
    if known is None:
        return float(values.min()), float(values.max())
    edge = np.inf if values.dtype.kind == "f" else None
    low = np.iinfo(values.dtype).max if edge is None else edge
    high = np.iinfo(values.dtype).min if edge is None else -edge
    return float(values.min(where=known, initial=low)), float(values.max(where=known, initial=high))


def _percentiles(values: NDArray, known: NDArray[np.bool_] | None) -> tuple[float, float]:
    flat = (values if known is None else values[known]).reshape(-1)
    low, high = np.percentile(flat[:: max(1, flat.size // SAMPLED)].astype(np.float64), PERCENT)
    return (float(low), float(high)) if low < high else _extent(values, known)


def _integral(values: NDArray) -> bool:
    part = values.reshape(-1)[:: max(1, values.size // SAMPLED)]
    part = part[np.isfinite(part)]
    return bool((part == np.rint(part)).all())


def _scaled(values: NDArray, low: float, high: float) -> NDArray[np.uint8]:
    if values.dtype.kind in "ui" and values.dtype.itemsize == 2 and values.size > 1 << 16:
        # Each of the 65,536 numbers once, and then looked up.
        kind = values.dtype.newbyteorder("=")
        levels = _scaled(np.arange(1 << 16, dtype=np.uint16).view(kind), low, high)
        looked_up: NDArray[np.uint8] = levels[values.astype(kind, copy=False).view(np.uint16)]
        return looked_up
    out = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):
        rows = values[start : start + ROWS].astype(np.float64)
        np.nan_to_num(rows, copy=False, nan=low, posinf=high, neginf=low)
        rows -= low
        rows *= 255 / (high - low) if high > low else 0
        out[start : start + ROWS] = np.rint(np.clip(rows, 0, 255, out=rows), out=rows)
    return out
