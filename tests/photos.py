"""Pictures that could be somebody's photos, made on the spot."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def photo(seed: int = 0, width: int = 96, height: int = 64) -> Image.Image:
    """A colourful, smooth picture; another one for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG that promises 20,000 by 20,000 pixels in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


BROKEN = {
    "notes.png": b"Dear diary, this is no picture at all.",
    "empty.png": b"",
    "half.jpg": encoded(photo(), "JPEG")[:400],
    "bomb.png": bomb(),
}
"""Files that are no pictures, by name."""
