"""Image files for the tests, made on the spot: by Pillow where it can, by hand where it would not."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from core.images.formats import FORMATS

ROWS, COLUMNS = np.mgrid[0:32, 0:48]
PICTURE = np.stack([ROWS * 8, COLUMNS * 5, 255 - ROWS * 4 - COLUMNS * 2], axis=2).astype(np.uint8)
"""(32, 48, 3), smooth, every pixel different."""


def encode(pixels: np.ndarray | Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(out, format, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    """A PNG by hand; `rows` are raw scan lines, each with its filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff(*tags: tuple[int, int, int, int], pixels: bytes = b"\1\2\3\4") -> bytes:
    """A little-endian TIFF by hand from (tag, type, count, value) and pixels at offset 8."""
    directory = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    start = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", start) + pixels + struct.pack("<H", len(tags)) + directory + b"\0" * 4


def grey_tiff(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The tags of an uncompressed 8-bit grey TIFF in one strip."""
    size = [(256, 4, 1, width), (257, 4, 1, height), (278, 4, 1, height), (279, 4, 1, width * height)]
    return [*size, (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1)]


WHOLE: dict[str, bytes] = {
    "PNG": encode(PICTURE, "PNG", compress_level=0),
    "JPEG": encode(PICTURE, "JPEG", exif=Image.Exif()),
    "progressive JPEG": encode(PICTURE, "JPEG", progressive=True),
    "WebP": encode(PICTURE, "WEBP"),
    "GIF": encode(PICTURE, "GIF"),
    "BMP": encode(PICTURE, "BMP"),
    "TIFF": encode(PICTURE, "TIFF"),
    "LZW TIFF": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "deflate TIFF": encode(PICTURE, "TIFF", compression="tiff_adobe_deflate"),
    **({"AVIF": encode(PICTURE, "AVIF")} if "AVIF" in FORMATS else {}),
}


def stepped(mode: str, values: list) -> Image.Image:
    """An image of one row with these pixels."""
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


def palette(transparency: bytes | int) -> bytes:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 100, 0])
    return encode(image, "PNG", transparency=transparency)


GREY_RAMP = np.array([[0, 10, 128, 255]], np.uint8)
MODES: dict[str, tuple[bytes, list]] = {
    "one bit": (encode(stepped("1", [0, 255]), "PNG"), [0, 255]),
    "grey with alpha": (encode(stepped("LA", [(0, 255), (0, 0), (100, 51)]), "PNG"), [0, 255, 224]),
    "RGBA": (encode(stepped("RGBA", [(9, 8, 7, 255), (9, 8, 7, 0)]), "PNG"), [(9, 8, 7), 255]),
    "WebP with alpha": (
        encode(stepped("RGBA", [(9, 8, 7, 255), (0, 0, 0, 0)]), "WEBP", lossless=True),
        [(9, 8, 7), 255],
    ),
    "palette": (encode(stepped("P", [0, 0]), "PNG"), [0, 0]),
    "palette with a clear entry": (palette(0), [255, (0, 100, 0)]),
    "palette with alpha": (palette(bytes([255, 51])), [(200, 0, 0), (204, 224, 204)]),
    "GIF with a clear entry": (encode(Image.open(io.BytesIO(palette(0))), "GIF", transparency=0), [255, (0, 100, 0)]),
    "CMYK TIFF": (encode(stepped("CMYK", [(255, 0, 0, 0), (0, 0, 0, 255)]), "TIFF"), [(0, 255, 255), 0]),
    "CMYK JPEG": (encode(Image.new("CMYK", (16, 1), (0, 0, 0, 255)), "JPEG"), [0] * 16),
    "16-bit PNG": (encode(GREY_RAMP.astype(np.uint16) * 257, "PNG"), [0, 10, 128, 255]),
    "16-bit TIFF": (encode(GREY_RAMP.astype(np.uint16) * 257, "TIFF"), [0, 10, 128, 255]),
    "big-endian 16 bits": (encode((GREY_RAMP.astype(np.uint16) * 257).astype(">u2"), "TIFF"), [0, 10, 128, 255]),
    "12 bits in 16": (encode(np.array([[0, 2048, 4095]], np.uint16), "TIFF"), [0, 128, 255]),
    "8 bits in 16": (encode(np.array([[0, 7, 100]], np.uint16), "TIFF"), [0, 7, 100]),
    "16-bit PNG with a clear grey": (
        png(2, 1, b"\0" + struct.pack(">2H", 1000, 65535), depth=16, extra=chunk(b"tRNS", struct.pack(">H", 1000))),
        [255, 255],
    ),
    "16-bit RGB": (png(1, 1, b"\0" + struct.pack(">3H", 65535, 257, 0), depth=16, colour=2), [(255, 1, 0)]),
    "32 bits": (encode(np.array([[0, 2**24 - 1]], np.int32), "TIFF"), [0, 255]),
    "signed": (encode(np.array([[-1000, 0, 1000]], np.int32), "TIFF"), [0, 128, 255]),
    "float from 0 to 1": (encode(np.array([[0, 0.2, 1]], np.float32), "TIFF"), [0, 51, 255]),
    "float of any range": (encode(np.array([[-3e38, 0, 3e38]], np.float32), "TIFF"), [0, 128, 255]),
    "float with gaps": (encode(np.array([[np.nan, 1, 3, np.inf]], np.float32), "TIFF"), [0, 0, 255, 255]),
    "float of gaps alone": (encode(np.full((1, 2), np.nan, np.float32), "TIFF"), [0, 0]),
    "constant float": (encode(np.full((1, 2), 7, np.float32), "TIFF"), [0, 0]),
}


BROKEN_METADATA = {
    "not EXIF": png(2, 1, b"\0\1\2", extra=chunk(b"eXIf", b"rubbish")),
    "EXIF cut short": png(2, 1, b"\0\1\2", extra=chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff\1\2")),
    "EXIF pointing nowhere": png(2, 1, b"\0\1\2", extra=chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f")),
    "animation without frames": png(2, 1, b"\0\1\2", extra=chunk(b"acTL", b"\0" * 8)),
    "TIFF tag larger than the file": tiff(*grey_tiff(2, 1), (700, 1, 2**32 - 1, 8), pixels=b"\1\2"),
}
