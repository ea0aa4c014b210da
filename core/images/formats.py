"""What a file is, by its first bytes, and what to do with one that is no picture here."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from core.errors import UnreadableImage

# AVIF is optional in Pillow, and asking for a feature whose name an older Pillow does not know warns.
_HAS_AVIF = "avif" in features.modules and features.check("avif")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF") + (("AVIF",) if _HAS_AVIF else ())
"""Pillow's names of the formats that are read."""

SUPPORTED = "PNG, JPEG, WebP, BMP, TIFF, GIF or AVIF" if _HAS_AVIF else "PNG, JPEG, WebP, BMP, TIFF or GIF"
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif"}
    # What is opened by an extra is an image without it too: it is refused with what to install.
    | {".heic", ".heif", ".hif", ".dcm", ".dicom"}
)
"""Endings of image files, in lower case."""

DICOM, HEIC, JPEG, TIFF, GIF = "DICOM", "HEIC", "JPEG", "TIFF", "GIF"

_RAW = "a camera's raw file"
_RAW_ADVICE = "develop it with the camera's program or darktable, export it as JPEG or TIFF, and open that"
_EXPORT = "export it as PNG, JPEG or TIFF, and open that"
_VIDEO = "take a frame of it, for example with 'ffmpeg -i FILE -frames:v 1 frame.png', and open that"
_ARCHIVE = "unpack it and open its images; a labelled folder packed so is named to a study as 'folder:PATH'"
_ARRAY = "save its array as PNG or TIFF, and open that"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "export the page or the figure as PNG, and open that"),
    (b"%!PS", "PostScript", "convert it to PNG, and open that"),
    (b"\xc5\xd0\xd3\xc6", "PostScript", "convert it to PNG, and open that"),
    (b"8BPS", "a Photoshop document", _EXPORT),
    (b"gimp xcf", "a GIMP document", _EXPORT),
    (b"FUJIFILMCCD-RAW", _RAW, _RAW_ADVICE),
    (b"IIRO", _RAW, _RAW_ADVICE),
    (b"IIRS", _RAW, _RAW_ADVICE),
    (b"MMOR", _RAW, _RAW_ADVICE),
    (b"IIU\0", _RAW, _RAW_ADVICE),
    (b"\0MRM", _RAW, _RAW_ADVICE),
    (b"FOVb", _RAW, _RAW_ADVICE),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image", "convert it to PNG or TIFF, and open that"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", "convert it to PNG or TIFF, and open that"),
    (b"\xff\x0a", "a JPEG XL image", "convert it to PNG or JPEG, and open that"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image", "convert it to PNG or JPEG, and open that"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image", "map its tones and export it as PNG, and open that"),
    (b"#?RADIANCE", "a Radiance HDR image", "map its tones and export it as PNG, and open that"),
    (b"SIMPLE  =", "a FITS file", _ARRAY),
    (b"NRRD", "an NRRD volume", "choose a slice, save it as PNG or TIFF, and open that"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _ARRAY),
    (b"CDF\x01", "a NetCDF file", _ARRAY),
    (b"\x93NUMPY", "a NumPy array", _ARRAY),
    (b"MATLAB 5.0", "a MATLAB file", _ARRAY),
    (b"\0\0\1\0", "a Windows icon", _EXPORT),
    (b"icns", "an Apple icon", _EXPORT),
    (b"DDS ", "a DDS texture", _EXPORT),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", _EXPORT),
    (b"PK\x03\x04", "a zip archive", _ARCHIVE),
    (b"PK\x05\x06", "a zip archive", _ARCHIVE),
    (b"Rar!", "a RAR archive", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _ARCHIVE),
    (b"\xfd7zXZ\0", "an xz archive", _ARCHIVE),
    (b"BZh", "a bzip2 archive", _ARCHIVE),
    (b"\x1a\x45\xdf\xa3", "a video", _VIDEO),
    (b"OggS", "a video or sound", _VIDEO),
    (b"version https://git-lfs", "a Git LFS pointer, and the picture itself was not fetched", "run 'git lfs pull'"),
    (b"\xd0\xcf\x11\xe0", "an old Office document or a Windows thumbnail file", _EXPORT),
)
"""First bytes, what a file that begins so is, and what to do."""

_BRANDS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"crx ",), _RAW, _RAW_ADVICE),
    ((b"avif", b"avis"), "an AVIF image, which this Pillow cannot read", "convert it to PNG or JPEG, and open that"),
    ((b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"M4V ", b"3gp4", b"3gp5", b"dash"), "a video", _VIDEO),
)
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_PORTABLE = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf", b"PF")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A file that is no picture here: what it is, with its article, and what to do."""

    what: str
    advice: str

    def refusal(self) -> UnreadableImage:
        """The error that says so."""
        return UnreadableImage(f"The file is {self.what}: {self.advice}.")


def kind_of(data: bytes) -> str | Foreign:
    """What a file is by its first bytes: a kind that is opened in a way of its own, `Foreign`, or empty."""
    head = data[:4096]
    if head[128:132] == b"DICM":
        return DICOM
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for probe in (_nifti, _raw_tiff, _by_text):
        if found := probe(data):
            return found
    if head[:4] in (*CLASSIC, *BIG):
        return TIFF
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE"):
        return Foreign("a video or sound", _VIDEO)
    if head[:2] in _PORTABLE and head[2:3].isspace():
        return Foreign("a portable pixmap (PPM, PGM or PBM)", _EXPORT)
    if head.startswith(b"\x1f\x8b") and _nifti(_inflated(data)) is None:
        return Foreign("a gzip archive", _ARCHIVE)
    return next((Foreign(what, advice) for start, what, advice in _STARTS if head.startswith(start)), "")


def _by_brand(head: bytes) -> str | Foreign:
    """By the brands of an ISO media file: the major one, and if that is general the compatible ones."""
    size = struct.unpack(">I", head[:4])[0]
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(size, 256), 4))]
    if _HAS_AVIF and {b"avif", b"avis"} & set(brands):
        return ""
    for known, what, advice in _BRANDS:
        if brands[0] in known or (brands[0] in (b"mif1", b"msf1") and set(known) & set(brands)):
            return Foreign(what, advice)
    return HEIC if set(_HEIC) & set(brands) else ""


def _inflated(data: bytes) -> bytes:
    """The first bytes of what a gzip file holds; empty when it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data[: 1 << 16], 1024)
    except zlib.error:
        return b""


def _nifti(data: bytes) -> Foreign | None:
    head = _inflated(data) if data.startswith(b"\x1f\x8b") else data[:1024]
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return Foreign(
            "a NIfTI volume", "choose a slice, for example with nibabel, save it as PNG or TIFF, and open that"
        )
    return None


def _by_text(data: bytes) -> Foreign | None:
    text = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text.startswith((b"<", b"{", b"[")):
        return None
    if b"<svg" in text:
        return Foreign("an SVG drawing", "export it as PNG in the size that is wanted, and open that")
    if b"<html" in text or text.startswith(b"<!doctype html"):
        return Foreign("a web page and no picture", "download the picture itself, past a login or a preview")
    if text.startswith(b"<?xml"):
        return Foreign("an XML document", "open the pictures that it describes")
    return None


def _raw_tiff(data: bytes) -> Foreign | None:
    """A camera's raw file that begins like a TIFF, whose first image is a small preview."""
    if data[8:10] == b"CR" and data[:4] == b"II*\0":
        return Foreign(_RAW, _RAW_ADVICE)
    tags = tiff_tags(data)
    if DNG_VERSION in tags or tags.get(PHOTOMETRIC) == COLOUR_FILTER_ARRAY:
        return Foreign(_RAW, _RAW_ADVICE)
    preview = SUB_IMAGES in tags and MAKER in tags and int(tags.get(NEW_SUBFILE, 0)) & 1
    return Foreign(_RAW, _RAW_ADVICE) if preview else None


CLASSIC, BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")
NEW_SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, MAKER, SAMPLES = 254, 256, 257, 258, 262, 271, 277
TILE_WIDTH, TILE_HEIGHT = 322, 323
SUB_IMAGES, EXTRA, SAMPLE_FORMAT, DNG_VERSION, NODATA = 330, 338, 339, 50706, 42113
COLOUR_FILTER_ARRAY = 32803


def tiff_tags(data: bytes) -> dict[int, Any]:
    """The tags of a TIFF's first image that say what it is; empty for what is no TIFF, or a damaged one."""
    if data[:4] not in (*CLASSIC, *BIG):
        return {}
    wanted = (NEW_SUBFILE, WIDTH, HEIGHT, BITS, PHOTOMETRIC, MAKER, SAMPLES, SUB_IMAGES, EXTRA, SAMPLE_FORMAT)
    found: dict[int, Any] = {}
    try:
        directory = ImageFileDirectory_v2(data[: 16 if data[:4] in BIG else 8])
        file = io.BytesIO(data)
        file.seek(directory.next)
        directory.load(file)
        for tag in (*wanted, TILE_WIDTH, TILE_HEIGHT, DNG_VERSION, NODATA):
            if tag in directory:
                found[tag] = directory[tag]
    # A parser of hostile bytes answers with any exception at all; the decoder will say what is wrong.
    except Exception:  # noqa: BLE001
        return {}
    return found
