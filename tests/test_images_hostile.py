"""Reading what is no image, half an image or a trap: refused undecoded, in one clear sentence."""

import io
import random
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tifffile
from image_files import BROKEN_METADATA, MODES, PICTURE, WHOLE, chunk, grey_tiff, png, tiff
from PIL import AvifImagePlugin, ImageFile, TiffImagePlugin, WebPImagePlugin

from core.errors import ImageError, ImageTooLarge, UnreadableImage
from core.images import formats
from core.images.limits import MAX_BYTES
from core.images.opening import open_image


def refusal(data: bytes, kind: type[ImageError]) -> str:
    """The sentence with which `data` is refused."""
    with pytest.raises(kind) as caught:
        open_image(data)
    message = str(caught.value)
    assert re.fullmatch(r"The [^\n]+[^.\n]\.", message)
    assert ". " not in message, "one sentence"
    assert ":" in message, "what is wrong: what to do"
    return message


NOT_IMAGES = {
    "text": b"just some words\n" * 9,
    "random": random.Random(0).randbytes(999),
    "one byte": b"\x89",
    "GIF without area": b"GIF89a\0\0\0\0\0\0\0;",
    "PNG without area": png(0, 0, b""),
    "TIFF of negative size": tiff(*(grey_tiff(2, 2)[2:]), (256, 9, 1, 2**32 - 5), (257, 9, 1, 2**32 - 5)),
    "TIFF of 65535 tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(range(256)) * 9,
    "TIFF directory outside": b"II*\0\xff\xff\xff\x7f",
    "TIFF of 4 billion bits": tiff(*(grey_tiff(2, 2)[:4]), (258, 3, 2**31, 8)),
    "PNG of an unknown colour type": png(1, 1, b"\0\0", colour=5),
    "palette PNG without palette": png(1, 1, b"\0\0", colour=3),
}


@pytest.mark.parametrize("data", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_what_is_no_image_is_told_the_supported_formats(data: bytes) -> None:
    assert "PNG, JPEG, WebP, BMP, TIFF, GIF" in refusal(data, UnreadableImage)


def test_empty_file_is_called_empty() -> None:
    assert "empty" in refusal(b"", UnreadableImage)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("kept", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95])
def test_file_cut_short_is_refused(name: str, kept: float) -> None:
    data = WHOLE[name]
    refusal(data[: int(len(data) * kept)], UnreadableImage)


def test_file_that_lacks_no_more_than_its_end_mark_opens() -> None:
    data = WHOLE["PNG"][:-12]
    assert (open_image(data).rgb == PICTURE).all()


def widened_jpeg() -> bytes:
    data = bytearray(WHOLE["JPEG"])
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 30_000, 30_000)
    return bytes(data)


def widened_bmp() -> bytes:
    return WHOLE["BMP"][:18] + struct.pack("<ii", 8000, 8000) + WHOLE["BMP"][26:]


GIF_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 9000, 9000, 0) + b"\2\2\x4c\1\0;"
BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG of 400 MP": lambda: png(20_000, 20_000, b""),
    "PNG of 42 MP, all there": lambda: png(6500, 6500, bytes(6501 * 6500)),
    "PNG of 100 MP in one bit": lambda: png(10_000, 10_000, bytes(1251), depth=1),
    "long thin PNG": lambda: png(16_385, 1, bytes(16_386)),
    "JPEG": widened_jpeg,
    "BMP": widened_bmp,
    "GIF screen": lambda: b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + b"\0\0\0" + GIF_FRAME,
    "GIF frame beyond its screen": lambda: b"GIF89a\1\0\1\0\0\0\0" + GIF_FRAME,
    "WebP": lambda: b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2,
    "TIFF": lambda: tiff(*grey_tiff(7000, 7000)),
    "TIFF tile": lambda: tiff(
        *(tag for tag in grey_tiff(2, 2) if tag[0] not in (259, 273, 278, 279)),
        *((259, 3, 1, 8), (322, 4, 1, 16_000), (323, 4, 1, 16_000), (324, 4, 1, 8), (325, 4, 1, 4)),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_large_image_is_refused_undecoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    for plugin in (
        ImageFile.ImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
    ):
        monkeypatch.setattr(plugin, "load", decoded.append)
    assert "40 megapixels and 16,384 pixels" in refusal(BOMBS[name](), ImageTooLarge)
    assert not decoded


def test_limit_itself_is_allowed() -> None:
    assert open_image(png(16_384, 1, bytes(16_385))).width == 16_384


def test_large_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "kind_of", lambda data: pytest.fail("read"))
    assert "50 MB" in refusal(bytes(MAX_BYTES + 1), ImageTooLarge)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_inflates_is_refused(kind: bytes) -> None:
    start = b"Comment\0\1\0\0\0" if kind == b"iTXt" else b"Comment\0\0"
    refusal(png(2, 1, b"\0\1\2", extra=chunk(kind, start + zlib.compress(bytes(20_000_000)))), UnreadableImage)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` after one to eight flipped bits, a cut, a repeated or a foreign piece, or wild bytes."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        # Half of the changes hit the header, where the decisions are made.
        at = chance.randrange(len(out) if chance.random() < 0.5 else min(64, len(out)))
        length = chance.randint(1, 16)
        match chance.randrange(5):
            case 0 | 1:
                out[at] ^= 1 << chance.randrange(8)
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                out[at : at + length] = chance.choice([chance.randbytes(length), b"\xff" * length, bytes(length)])
        if len(out) < 2:
            break
    return bytes(out)


def bands(**options: object) -> bytes:
    out = io.BytesIO()
    values = np.dstack([PICTURE, PICTURE]).astype(np.float32)
    tifffile.imwrite(out, values, photometric="minisblack", planarconfig="contig", **options)
    return out.getvalue()


MANY = {
    "bands": bands(),
    "packed bands": bands(compression="zlib"),
    "tiles of bands": bands(tile=(16, 16)),
    "BigTIFF": bands(bigtiff=True),
}


@pytest.mark.parametrize("name", [*WHOLE, *MODES, *BROKEN_METADATA, *MANY])
def test_mutated_file_opens_or_is_refused_in_one_sentence(name: str) -> None:
    chance = random.Random(name)
    whole = {**WHOLE, **{key: data for key, (data, _) in MODES.items()}, **BROKEN_METADATA, **MANY}[name]
    for _ in range(50):
        data = mutated(whole, chance)
        try:
            image = open_image(data)
        except (UnreadableImage, ImageTooLarge):
            continue
        assert image.rgb.shape == (image.height, image.width, 3)
