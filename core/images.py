"""Bytes from anywhere -> an upright 8-bit RGB image, or one sentence about why not.

Uploads are hostile until proven otherwise: only named formats are tried, the size in the header is
checked before a pixel is decoded, and whatever a decoder throws leaves here as an `ImageError`.
"""

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError, features

from core.errors import ImageError, ImageTooLarge, InvalidRequest, UnreadableImage

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
WORKING_SIDE = 1024

# AVIF is optional in Pillow, and asking for a feature whose name an older Pillow does not know warns.
_HAS_AVIF = "avif" in features.modules and features.check("avif")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF") + (("AVIF",) if _HAS_AVIF else ())
"""Pillow's names of the formats that are read."""

_SUPPORTED = "PNG, JPEG, WebP, BMP, TIFF, GIF or AVIF" if _HAS_AVIF else "PNG, JPEG, WebP, BMP, TIFF or GIF"
_LIMITS = f"at most {MAX_PIXELS // 10**6} megapixels and {MAX_SIDE:,} pixels a side can be opened"

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what puts the stored pixels upright."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SafeImage:
    """A decoded image; two are equal when they come from the same bytes.

    Attributes:
        rgb: (H, W, 3), sRGB values from 0 to 255, read-only.
        digest: sha256 of the original bytes, in hex.
        width: W in pixels, after orientation.
        height: H in pixels, after orientation.
    """

    rgb: Pixels = field(repr=False, compare=False)
    digest: str
    width: int
    height: int


def open_image(data: bytes) -> SafeImage:
    """The image in `data`: first frame, upright, transparency laid on white.

    Greyscale of more than 8 bits is scaled to 8 (see `_eight_bits`); colour profiles are not applied.

    Raises:
        UnreadableImage: `data` is empty, damaged, cut short, or not in a supported format.
        ImageTooLarge: more than `MAX_BYTES`, `MAX_PIXELS` or `MAX_SIDE`; nothing was decoded.
    """
    if not data:
        raise UnreadableImage("The file is empty: choose another one or export it again.")
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(
            f"The file has {len(data) / 2**20:.0f} MB and at most {MAX_BYTES // 2**20} MB can be opened: "
            "save it smaller, for example as JPEG, and try again."
        )
    # A filter, put in front anew each time, and not catch_warnings, which swaps the filters of all threads.
    # Nothing depends on it but a quiet log: damaged metadata is no news to the person looking at the image.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image)
        rgb = _to_rgb(_upright(image))
    except ImageError:
        raise
    # Pillow's own limit is left alone, as others in the process rely on it. It is higher than ours, but it
    # also guards what is not in the header. Below twice the limit it warns, which filters may turn to raising.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"The image is too large to decode; {_LIMITS}: scale it down and try again.") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"The file is not an image in a supported format, or its beginning is damaged: use {_SUPPORTED}."
        ) from error
    # Decoders answer hostile bytes with any exception at all, from KeyError to MemoryError.
    except Exception as error:
        raise UnreadableImage(
            f"The image is damaged, incomplete or of a rare kind: export it again as {_SUPPORTED}."
        ) from error
    height, width, _ = rgb.shape
    return SafeImage(rgb, hashlib.sha256(data).hexdigest(), width, height)


def thumbnail(image: SafeImage, side: int) -> Pixels:
    """The image shrunk so that its long side is at most `side` pixels: (h, w, 3), read-only; never enlarged.

    Raises:
        InvalidRequest: `side` is below 1.
    """
    if side < 1:
        raise InvalidRequest(f"A thumbnail needs a side of at least 1 pixel, not {side}.")
    if max(image.width, image.height) <= side:
        return image.rgb
    small = Image.fromarray(image.rgb)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _read_only(small)


def working_copy(image: SafeImage, short_side: int = WORKING_SIDE) -> SafeImage:
    """The image with a short side of at most `short_side` pixels, the same digest, and its own new size.

    No encoder reads more than a quarter of that, so what is kept in memory need not be a 40-megapixel scan. Pages and
    the command line both work on it, which is why they give the same numbers.
    """
    side = min(image.width, image.height)
    if side <= short_side:
        return image
    size = (round(image.width * short_side / side), round(image.height * short_side / side))
    small = _read_only(Image.fromarray(image.rgb).resize(size, Image.Resampling.LANCZOS))
    return SafeImage(small, image.digest, *size)


def encode_png(pixels: Pixels) -> bytes:
    """`pixels` as PNG: lossless, without metadata, the same bytes for the same pixels.

    Args:
        pixels: uint8, (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Raises:
        InvalidRequest: another shape or type, or no pixels.
    """
    grey_or_colour = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not grey_or_colour or pixels.size == 0:
        raise InvalidRequest(f"A PNG needs uint8 grey, RGB or RGBA pixels, not {pixels.dtype} {pixels.shape}.")
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _check_size(image: Image.Image) -> None:
    """Nothing, when the header promises an image that is safe to decode.

    Raises:
        ImageTooLarge: it does not.
    """
    # A TIFF tile is decoded whole, however little of it the image shows.
    tags = getattr(image, "tag_v2", {})
    for width, height in (image.size, (tags.get(ExifTags.Base.TileWidth, 1), tags.get(ExifTags.Base.TileLength, 1))):
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise ImageTooLarge(f"The image has {width:,} × {height:,} pixels; {_LIMITS}: scale it down and try again.")


def _upright(image: Image.Image) -> Image.Image:
    """The decoded image, turned as its EXIF orientation says."""
    image.load()
    try:
        method = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, struct.error):
        return image  # The metadata is not EXIF; the pixels are fine.
    return image.transpose(method) if method is not None else image


def _to_rgb(image: Image.Image) -> Pixels:
    """(H, W, 3), read-only, from any mode that Pillow decodes to."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image)
        image = canvas
    return _read_only(image.convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey or grey with alpha, 8 bits, from 16-bit, 32-bit or float grey; Pillow itself would clip to white.

    Unsigned integers are scaled by the fewest bits that hold the brightest pixel, 8 at least: zero stays
    black, and 12 bits in a 16-bit file, usual in microscopy, do not turn black. Floats and signed integers
    have no full scale of their own and are stretched from their minimum to their maximum.
    """
    values = np.array(image, dtype=np.float64)
    finite = np.isfinite(values)
    low, high = float(values.min(where=finite, initial=np.inf)), float(values.max(where=finite, initial=-np.inf))
    if low > high:
        low = high = 0.0
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    transparent = values == image.info.get("transparency", np.nan)
    if image.mode != "F" and low >= 0:
        low, high = 0.0, float(max(255, (1 << int(high).bit_length()) - 1))
    values -= low
    values *= 255 / (high - low) if high > low else 0
    grey = Image.fromarray(np.rint(values).astype(np.uint8))
    if transparent.any():
        grey.putalpha(Image.fromarray(~transparent))
    return grey


def _read_only(image: Image.Image) -> Pixels:
    """The pixels of `image` as an array that refuses writes."""
    pixels = np.asarray(image)
    pixels.setflags(write=False)
    return pixels
