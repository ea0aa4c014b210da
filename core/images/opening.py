"""Bytes from anywhere -> an upright 8-bit RGB image, or one sentence about why not.

Uploads are hostile until proven otherwise: a file is named by its first bytes, only known formats are tried, the size
in the header is checked before a pixel is decoded, decoding waits for its turn, and whatever a decoder throws leaves
here as an `ImageError`.
"""

import hashlib
import io
import struct
import warnings
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from core.errors import ImageError, ImageTooLarge, InvalidRequest, UnreadableImage
from core.images import colour, dicom, formats, limits, multiband
from core.images.image import Pixels, SafeImage, read_only, working_copy

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

ALONE = ("JPEG", "MPO")
"""Formats whose further frames are previews and depth maps of the one picture."""


def open_image(data: bytes, bands: tuple[int, ...] = ()) -> SafeImage:
    """The image in `data`: first frame, upright, in sRGB, transparency laid on white; `notes` say what else was done.

    A JPEG of more than `MAX_PIXELS` is decoded at a half, a quarter or an eighth of its size.

    Args:
        data: a whole file.
        bands: three bands, counted from 1, to show of a TIFF that has more; the usual ones when empty.

    Raises:
        UnreadableImage: `data` is empty, damaged, cut short, or not in a supported format; the message names what it
            is and what to do.
        ImageTooLarge: there is more of it than is safe to decode; nothing was decoded.
        InvalidRequest: there is no such band.
    """
    return _open(data, bands, copy=False)


def open_copy(data: bytes, bands: tuple[int, ...] = ()) -> SafeImage:
    """The working copy of the image in `data`, as `open_image` and `working_copy` give it; nothing larger is kept.

    Raises:
        UnreadableImage, ImageTooLarge, InvalidRequest: as `open_image`.
    """
    return _open(data, bands, copy=True)


def glimpse(data: bytes, *sides: int) -> tuple[Pixels, ...]:
    """(side, side, 3) pixels of the whole image for each side, squeezed: enough to tell one picture from another.

    Raises:
        UnreadableImage, ImageTooLarge: as `open_image`.
    """
    whole = Image.fromarray(_open(data, (), copy=True, enough=4 * min(sides)).rgb)
    return tuple(read_only(whole.resize((side, side), Image.Resampling.BOX)) for side in sides)


def _open(data: bytes, bands: tuple[int, ...], copy: bool, enough: int = 0) -> SafeImage:
    limits.check_bytes(data)
    # A filter, put in front anew each time, and not catch_warnings, which swaps the filters of all threads.
    # Nothing depends on it but a quiet log: damaged metadata is no news to the person looking at the image.
    warnings.filterwarnings("ignore", module=r"(PIL|pydicom|tifffile)\b")
    try:
        return _decoded(data, bands, copy, enough)
    except (ImageError, InvalidRequest):
        raise
    # Pillow's own limit is left alone, as others in the process rely on it. It is higher than ours, but it
    # also guards what is not in the header. Below twice the limit it warns, which filters may turn to raising.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"The image is too large to decode; {limits.LIMITS}: scale it down and try again."
        ) from error
    except MemoryError as error:
        raise ImageTooLarge(
            "The image takes more memory to decode than there is for it: scale it down and try again."
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(
            f"The file is not an image in a supported format, or its beginning is damaged: use {formats.SUPPORTED}."
        ) from error
    # Decoders answer hostile bytes with any exception at all.
    except Exception as error:
        raise UnreadableImage(
            f"The image is damaged, incomplete or of a rare kind: export it again as {formats.SUPPORTED}."
        ) from error


def _decoded(data: bytes, bands: tuple[int, ...], copy: bool, enough: int) -> SafeImage:
    kind = formats.kind_of(data)
    if isinstance(kind, formats.Foreign):
        raise kind.refusal()
    digest = hashlib.sha256(data).hexdigest()
    tags = formats.tiff_tags(data) if kind == formats.TIFF else {}
    by_bands = multiband.is_multiband(tags) or (kind == formats.TIFF and _beyond_pillow(data, tags))
    if kind == formats.DICOM or by_bands:
        pixels = limits.MAX_PIXELS
        if by_bands:
            limits.check_size(int(tags.get(formats.WIDTH, 0)), int(tags.get(formats.HEIGHT, 0)))
        with limits.DECODING.turn(pixels):
            rgb, notes = dicom.read(data) if kind == formats.DICOM else multiband.read(data, tags, bands)
            rgb = np.ascontiguousarray(rgb)
            rgb.setflags(write=False)
            return _safe(rgb, digest, notes + _frames(kind, data, None), None, copy)
    image, reduction = header(data, kind, enough)
    with limits.DECODING.turn(image.width * image.height):
        full = image.size
        if reduction > 1:
            image.draft(None, (max(1, full[0] // reduction), max(1, full[1] // reduction)))
        notes = _frames(kind, data, image)
        if reduction > 1 and not enough:
            notes.append(f"decoded at 1/{reduction} of its {full[0]:,} × {full[1]:,} pixels")
        image.load()
        flat, dropped = _without_band(image, tags)
        turned = _turn(image)
        plain, said = colour.to_rgb(flat)
        upright = plain.transpose(turned) if turned is not None else plain
        swapped = turned is not None and turned >= Image.Transpose.ROTATE_90 and turned != Image.Transpose.ROTATE_180
        original = (full[::-1] if swapped else full) if image.size != full else None
        return _safe(read_only(upright), digest, notes + dropped + said, original, copy)


def _beyond_pillow(data: bytes, tags: dict[int, Any]) -> bool:
    """Whether a TIFF is whole as far as its tags tell, and of a kind that Pillow has no name for."""
    if int(tags.get(formats.WIDTH, 0)) < 1 or int(tags.get(formats.HEIGHT, 0)) < 1 or formats.BITS not in tags:
        return False
    try:
        Image.open(io.BytesIO(data), formats=("TIFF",)).close()
    except UnidentifiedImageError:
        return True
    return False


def _safe(rgb: Pixels, digest: str, notes: list[str], original: tuple[int, int] | None, copy: bool) -> SafeImage:
    height, width, _ = rgb.shape
    found = SafeImage(rgb, digest, width, height, tuple(notes), original)
    return working_copy(found) if copy else found


def header(data: bytes, kind: str, enough: int = 0) -> tuple[ImageFile.ImageFile, int]:
    """The image, not yet decoded, and by how much a JPEG is reduced on the way.

    Args:
        data: a whole file.
        kind: by `formats.kind_of`.
        enough: pixels of the short side that a JPEG may be reduced to; 0 for as many as the limits allow.

    Raises:
        UnreadableImage: it is of a kind that nothing here reads.
        ImageTooLarge: the header promises more than is safe to decode.
    """
    file = io.BytesIO(data)
    if kind == formats.JPEG:
        # Not by Image.open, whose own limit is on the size before the reduction.
        jpeg = JpegImageFile(file)
        reduction = limits.jpeg_reduction(data, *jpeg.size)
        while enough and reduction < 8 and min(jpeg.size) // (2 * reduction) >= enough:
            reduction *= 2
        return jpeg, reduction
    image = _heic(file) if kind == formats.HEIC else Image.open(file, formats=formats.FORMATS)
    limits.check_size(*image.size, limits.MAX_HEIC if kind == formats.HEIC else limits.MAX_PIXELS)
    limits.check_tile(getattr(image, "tag_v2", {}))
    return image, 1


def _heic(file: io.BytesIO) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnreadableImage(
            "The file is a HEIC photo, as phones take them: install what opens it by 'pip install "
            '"invariscope[heic]"\', or export it as JPEG.'
        ) from None
    try:
        opened: ImageFile.ImageFile = HeifImageFile(file)
    # The decoder answers damaged bytes with any exception at all.
    except Exception as error:
        raise UnreadableImage("The file is a damaged or incomplete HEIC photo: export it again as JPEG.") from error
    return opened


def _frames(kind: str, data: bytes, image: Image.Image | None) -> list[str]:
    """Which of how many frames is shown, when there are several.

    Raises:
        ImageTooLarge: there are more than is sensible.
    """
    if kind == formats.GIF:
        count = limits.gif_frames(data)
    elif kind == formats.TIFF:
        count = limits.tiff_frames(data)
    else:
        count = 1 if image is None or image.format in ALONE else int(getattr(image, "n_frames", 1))
    if count > limits.MAX_FRAMES:
        raise ImageTooLarge(f"The file has more than {limits.MAX_FRAMES:,} frames: save one of them, and open that.")
    return [f"frame 1 of {count:,} is shown"] if count > 1 else []


def _without_band(image: Image.Image, tags: dict[int, Any]) -> tuple[Image.Image, list[str]]:
    """The image without a fourth band that its file does not call alpha, such as near infrared."""
    if image.mode not in ("RGB", "RGBA", "RGBX") or multiband.bands_of(tags) < 4:
        return image, []
    plain = Image.merge("RGB", [image.getchannel(i) for i in range(3)])
    plain.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return plain, ["4 bands; shown as red, green, blue: 1, 2, 3"]


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What puts the image upright, as its EXIF orientation says."""
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, struct.error):
        return None  # The metadata is not EXIF; the pixels are fine.
