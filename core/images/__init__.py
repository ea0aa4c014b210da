"""Bytes from anywhere -> an upright 8-bit RGB image, or one sentence about why not."""

from core.images.apart import open_copy_in_time
from core.images.formats import FORMATS, SUFFIXES
from core.images.image import (
    FITS,
    Fit,
    Pixels,
    SafeImage,
    crop_told,
    encode_png,
    framed,
    seen_of,
    thumbnail,
    thumbnail_size,
    working_copy,
)
from core.images.limits import MAX_BYTES, MAX_PIXELS, MAX_SIDE
from core.images.opening import glimpse, open_copy, open_image

__all__ = [
    "FITS",
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "SUFFIXES",
    "Fit",
    "Pixels",
    "SafeImage",
    "crop_told",
    "encode_png",
    "framed",
    "glimpse",
    "open_copy",
    "open_copy_in_time",
    "open_image",
    "seen_of",
    "thumbnail",
    "thumbnail_size",
    "working_copy",
]
