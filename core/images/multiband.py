"""TIFF files that hold more, or finer, bands than a picture has: which three are shown, and on what scale, is said."""

import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ImageTooLarge, InvalidRequest, UnreadableImage
from core.images import formats
from core.images.limits import MAX_PIXELS
from core.images.ranges import eight_bits

RGB = 2
ALPHA = (1, 2)
SIGNED = 2
SENTINEL_2 = {12: (4, 3, 2), 13: (4, 3, 2)}
"""Red, green and blue of what has so many bands; of others the first three are shown."""

MAX_VALUES = 8 * MAX_PIXELS
"""Bytes of all bands together."""


def bands_of(tags: Mapping[int, Any]) -> int:
    """How many bands an image has, its alpha not counted."""
    extra = tags.get(formats.EXTRA, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    return int(tags.get(formats.SAMPLES, 1)) - sum(kind in ALPHA for kind in extra)


def _bits(tags: Mapping[int, Any]) -> int:
    bits = tags.get(formats.BITS, 1)
    return max(bits) if isinstance(bits, tuple) and bits else int(bits or 1)


def is_multiband(tags: Mapping[int, Any]) -> bool:
    """Whether Pillow would drop bits, bands or signs in silence."""
    form = tags.get(formats.SAMPLE_FORMAT, 1)
    signed = SIGNED in (form if isinstance(form, tuple) else (form,)) and _bits(tags) == 8
    several = int(tags.get(formats.SAMPLES, 1)) > 1
    return signed or (several and (_bits(tags) > 8 or bands_of(tags) > 4 or bands_of(tags) == 2))


def read(data: bytes, tags: Mapping[int, Any], bands: tuple[int, ...]) -> tuple[NDArray[np.uint8], list[str]]:
    """(H, W, 3) of three bands on one scale, and what was done, in words.

    Args:
        data: the file.
        tags: of its first image.
        bands: to show as red, green and blue, counted from 1; the usual ones when empty.

    Raises:
        UnreadableImage: `tifffile` is not installed, or cannot decode the file.
        ImageTooLarge: there are too many bands of too many pixels.
        InvalidRequest: there is no such band.
    """
    count, width, height = bands_of(tags), int(tags.get(formats.WIDTH, 0)), int(tags.get(formats.HEIGHT, 0))
    what = f"a TIFF of {count} bands of {_bits(tags)} bits" if count > 1 else f"a TIFF of {_bits(tags)}-bit numbers"
    try:
        import tifffile
    except ImportError:
        raise UnreadableImage(
            f"The file is {what}: install what opens it by 'pip install \"invariscope[tiff]\"', or export three bands "
            "of 8 bits."
        ) from None
    if width * height * int(tags.get(formats.SAMPLES, 1)) * max(1, _bits(tags) // 8) > MAX_VALUES:
        raise ImageTooLarge(
            f"The file is {what} and {width:,} × {height:,} pixels: cut a part out of it, and open that."
        )
    # Damaged metadata is no news to the person looking at the image: what matters is said in one sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            values = page.asarray()
            axes = page.axes
    # Decoders answer hostile bytes with any exception at all.
    except Exception as error:
        if "imagecodecs" in str(error):
            raise UnreadableImage(
                f"The file is {what}, compressed in a way that needs imagecodecs: 'pip install \"invariscope[tiff]\"', "
                "or export it without compression."
            ) from error
        raise UnreadableImage(f"The file is {what} and damaged: export it again.") from error
    return shown(values if axes.startswith("Y") else np.moveaxis(values, 0, -1), tags, bands)


def shown(values: NDArray, tags: Mapping[int, Any], bands: tuple[int, ...]) -> tuple[NDArray[np.uint8], list[str]]:
    """(H, W, 3) of (H, W) or (H, W, bands) values, and what was done; arguments as in `read`."""
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or 0 in values.shape:
        raise UnreadableImage("The TIFF holds no flat image: export one slice of it as PNG or TIFF.")
    if values.dtype.kind not in "uifb":
        raise UnreadableImage(
            "The TIFF holds complex numbers: save their magnitude as a TIFF of floats, and open that."
        )
    count = min(bands_of(tags), values.shape[2])
    if count < 1:
        raise UnreadableImage("The TIFF is damaged: it counts no bands besides its alpha. Export it again.")
    chosen = bands or SENTINEL_2.get(count) or ((1, 2, 3) if count >= 3 else (1, 1, 1))
    if max(chosen) > count:
        raise InvalidRequest(f"The image has {count} bands: choose three of them, counted from 1, not {chosen}.")
    photograph = int(tags.get(formats.PHOTOMETRIC, 1)) == RGB and not bands
    picked = values[:, :, [band - 1 for band in chosen]]
    pixels, scale = eight_bits(
        picked, percent=not photograph and picked.dtype.kind in "ui" and count > 2, missing=_missing(tags)
    )
    notes = []
    if count not in (1, 3) or bands:
        order = ", ".join(map(str, chosen)) if len(set(chosen)) > 1 else str(chosen[0])
        notes.append(f"{count} bands; shown as {'red, green, blue' if len(set(chosen)) > 1 else 'grey'}: {order}")
    if count < values.shape[2]:
        notes.append("its alpha is not shown")
    kind = f"{8 * picked.dtype.itemsize}-bit {'floats' if picked.dtype.kind == 'f' else 'numbers'}"
    if picked.dtype != np.uint8:
        notes.append(f"{kind}: {scale or f'0 is black and {np.iinfo(picked.dtype).max:,} white'}")
    return pixels, notes


def _missing(tags: Mapping[int, Any]) -> float | None:
    """The value that stands for no data, as GDAL writes it."""
    try:
        return float(str(tags[formats.NODATA]).strip("\0 "))
    except (KeyError, ValueError):
        return None
