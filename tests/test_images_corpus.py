"""A corpus of strange image files, made here: each opens, or is refused with a sentence and nothing else."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from image_files import PICTURE
from PIL import Image

from core.errors import ImageError
from core.images.apart import open_copy_in_time

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F")
Image.init()
FORMATS = sorted(set(Image.SAVE) - {"PDF", "XVTHUMB", "HDF5", "GRIB", "BUFR", "WMF"})  # of no pictures, or not Pillow's
LENGTHS = (0.0, 0.02, 0.1, 0.3, 0.6, 0.9, 0.999)
FLIPS = 40


def picture(mode: str) -> Image.Image:
    whole = Image.fromarray(PICTURE)
    if mode in ("I;16", "PA"):
        return whole.convert("L" if mode == "I;16" else "LA").convert(mode)
    return whole.convert("RGB").convert("L").convert(mode) if mode in ("I", "F") else whole.convert(mode)


def written(format: str) -> Iterator[bytes]:
    """A file of each mode that Pillow writes in a format."""
    for mode in MODES:
        out = io.BytesIO()
        try:
            picture(mode).save(out, format)
        except Exception:  # noqa: BLE001 - Pillow says in many ways that a format has no such mode
            continue
        yield out.getvalue()


def damaged(data: bytes, draw: np.random.Generator) -> Iterator[bytes]:
    yield from (data[: int(len(data) * share)] for share in LENGTHS)
    for _ in range(FLIPS):
        harmed = bytearray(data)
        for at in draw.integers(0, len(data), draw.integers(1, 9)):
            harmed[at] = draw.integers(0, 256)
        yield bytes(harmed)


def outcome(data: bytes) -> str:
    """`opened` with whole pixels, or the sentence."""
    try:
        image = open_copy_in_time(data)
    except ImageError as error:
        return str(error)
    assert image.rgb.shape == (image.height, image.width, 3)
    assert image.rgb.dtype == np.uint8
    return "opened"


@pytest.mark.parametrize("format", FORMATS)
def test_each_opens_or_is_refused_with_a_sentence(format: str) -> None:
    draw = np.random.default_rng(0)
    said = {outcome(harmed) for data in written(format) for harmed in (data, *damaged(data, draw))}
    for sentence in said - {"opened"}:
        assert sentence[0].isupper(), sentence
        assert sentence.endswith("."), sentence


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_whole_files_of_the_formats_that_are_read_open_in_every_mode(format: str) -> None:
    files = list(written(format))
    assert len(files) >= 4
    assert {outcome(data) for data in files} == {"opened"}
