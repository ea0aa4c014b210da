"""What people bring that is no plain picture: named for what it is, opened right, and what was done is said."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import PICTURE, encode, grey_tiff, tiff
from PIL import Image, ImageCms

from core.errors import ImageTooLarge, InvalidRequest, UnreadableImage
from core.images.opening import open_image

GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))


def ftyp(*brands: bytes) -> bytes:
    body = brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + b"\0" * 200


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.png", encode(PICTURE, "PNG"))
    return out.getvalue()


def nifti() -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes(999)


def preview_tiff(*more: tuple[int, int, int, int]) -> bytes:
    return tiff(*grey_tiff(2, 2), *more)


FOREIGN = {
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "an SVG drawing"),
    "SVG with a head": (b"<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "an SVG drawing"),
    "PDF": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "a PDF document"),
    "EPS": (encode(PICTURE, "EPS"), "PostScript"),
    "ICO": (encode(PICTURE, "ICO"), "a Windows icon"),
    "PPM": (encode(PICTURE, "PPM"), "a portable pixmap"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "a JPEG 2000 image"),
    "JPEG XL": (b"\xff\x0a" + bytes(99), "a JPEG XL image"),
    "Photoshop": (b"8BPS\0\1" + bytes(99), "a Photoshop document"),
    "web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer"),
    "zip": (archive(), "a zip archive"),
    "gzip": (gzip.compress(b"words"), "a gzip archive"),
    "NIfTI": (nifti(), "a NIfTI volume"),
    "packed NIfTI": (gzip.compress(nifti()), "a NIfTI volume"),
    "NumPy": (b"\x93NUMPY\1\0", "a NumPy array"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "FITS": (b"SIMPLE  =                    T", "a FITS file"),
    "MP4": (ftyp(b"isom", b"isom", b"avc1"), "a video"),
    "QuickTime": (ftyp(b"qt  "), "a video"),
    "Canon CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(200), "a camera's raw file"),
    "Canon CR3": (ftyp(b"crx ", b"crx ", b"isom"), "a camera's raw file"),
    "Fujifilm": (b"FUJIFILMCCD-RAW 0201" + bytes(99), "a camera's raw file"),
    "Panasonic": (b"IIU\0\x18\0\0\0" + bytes(99), "a camera's raw file"),
    "Olympus": (b"IIRO\x08\0\0\0" + bytes(99), "a camera's raw file"),
    "DNG": (preview_tiff((50706, 1, 4, 1)), "a camera's raw file"),
    "Nikon": (preview_tiff((254, 4, 1, 1), (271, 2, 4, 0x4E494B00), (330, 4, 1, 8)), "a camera's raw file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_is_named_for_what_it_is(name: str) -> None:
    data, what = FOREIGN[name]
    with pytest.raises(UnreadableImage) as caught:
        open_image(data)
    text = str(caught.value)
    assert text.startswith(f"The file is {what}")
    assert ": " in text, "what it is: what to do"
    assert text.count(". ") == 0, "one sentence"


def test_the_name_of_a_file_does_not_matter_and_the_first_bytes_do() -> None:
    with pytest.raises(UnreadableImage, match=r"HEIC photo"):
        open_image(ftyp(b"heic", b"mif1", b"heic"))
    with pytest.raises(UnreadableImage, match=r"HEIC photo"):
        open_image(ftyp(b"mif1", b"heic"))


def test_heic_opens(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(PICTURE)).save(tmp_path / "a.heic", quality=95)
    found = open_image((tmp_path / "a.heic").read_bytes())
    assert np.abs(found.rgb.astype(int) - PICTURE).mean() < 6


@pytest.mark.parametrize(
    ("module", "data", "extra"),
    [
        ("pillow_heif", ftyp(b"heic", b"mif1", b"heic"), "invariscope[heic]"),
        ("pydicom", bytes(128) + b"DICM" + bytes(99), "invariscope[dicom]"),
    ],
)
def test_what_an_extra_opens_says_so(module: str, data: bytes, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(UnreadableImage) as caught:
        open_image(data)
    assert extra in str(caught.value)


# TIFF


def written(values: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


UNIT = PICTURE.astype(np.float32) / 255


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_floats_from_0_to_1_are_their_8_bit_twin(dtype: type) -> None:
    found = open_image(written(UNIT.astype(dtype), photometric="rgb"))
    np.testing.assert_allclose(found.rgb.astype(int), PICTURE, atol=1 if dtype is np.float16 else 0)
    assert "0 is black and 1 white" in found.notes[0]


def test_a_float_grey_image_is_its_8_bit_twin_and_never_stretched_in_silence() -> None:
    half = open_image(written(GREY.astype(np.float32) / 510))
    np.testing.assert_allclose(half.rgb[..., 0].astype(int), GREY / 2, atol=1)
    np.testing.assert_array_equal(open_image(written(GREY.astype(np.float32))).rgb[..., 0], GREY)
    stretched = open_image(written(GREY.astype(np.float32) * 7 - 300))
    low, high = int(GREY.min()) * 7 - 300, int(GREY.max()) * 7 - 300
    assert stretched.notes == (f"stretched from {low} to {high}",)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_thirteen_bands_are_shown_as_said(planar: str) -> None:
    bands = np.zeros((13, 32, 48), np.uint16)
    bands[[3, 2, 1]] = (UNIT * 10000).astype(np.uint16).transpose(2, 0, 1)
    values = bands if planar == "separate" else bands.transpose(1, 2, 0)
    data = written(values, photometric="minisblack", planarconfig=planar)
    found = open_image(data)
    assert found.notes[0] == "13 bands; shown as red, green, blue: 4, 3, 2"
    assert "16-bit numbers: percent-stretched from" in found.notes[1]
    correlation = np.corrcoef(found.rgb.ravel(), PICTURE.ravel())[0, 1]
    assert correlation > 0.99
    chosen = open_image(data, bands=(2, 3, 4))
    np.testing.assert_array_equal(chosen.rgb, found.rgb[..., ::-1])
    with pytest.raises(InvalidRequest, match="has 13 bands"):
        open_image(data, bands=(1, 2, 14))


def test_a_large_kind_of_tiff_is_read_alike() -> None:
    plain, big = (written(UNIT, photometric="rgb", bigtiff=bigtiff) for bigtiff in (False, True))
    assert open_image(big).notes == open_image(plain).notes
    np.testing.assert_array_equal(open_image(big).rgb, PICTURE)
    pages = written(np.stack([GREY] * 5), photometric="minisblack", bigtiff=True)
    assert open_image(pages).notes == ("frame 1 of 5 is shown",)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (GREY / 255, "64-bit floats: 0 is black and 1 white"),
        (GREY.astype(np.uint64), "64-bit numbers: 8 bits used: 0 is black and 255 white"),
        ((GREY.astype(int) - 128).astype(np.int8), "8-bit numbers: stretched from"),
    ],
)
def test_numbers_that_pillow_has_no_mode_for(values: np.ndarray, said: str) -> None:
    found = open_image(written(values))
    assert found.notes[0].startswith(said)
    assert np.corrcoef(found.rgb[..., 0].ravel(), GREY.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(("count", "shown"), [(2, "grey: 1"), (4, "red, green, blue: 1, 2, 3"), (5, "red, ")])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_without_a_meaning_are_counted(count: int, shown: str, planar: str) -> None:
    bands = np.stack([PICTURE[..., i % 3] for i in range(count)])
    values = bands if planar == "separate" else bands.transpose(1, 2, 0)
    found = open_image(written(values, photometric="minisblack", planarconfig=planar))
    assert found.notes[0].startswith(f"{count} bands; shown as {shown}")
    np.testing.assert_array_equal(found.rgb[..., 0], PICTURE[..., 0])


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(UnreadableImage, match="complex numbers: save their magnitude"):
        open_image(written(GREY.astype(np.complex64)))


def test_near_infrared_is_no_alpha() -> None:
    values = np.dstack([PICTURE, np.full((32, 48), 7, np.uint8)])
    found = open_image(written(values, photometric="rgb", extrasamples=["unspecified"]))
    np.testing.assert_array_equal(found.rgb, PICTURE)
    assert found.notes == ("4 bands; shown as red, green, blue: 1, 2, 3",)
    clear = open_image(written(values, photometric="rgb", extrasamples=["unassalpha"]))
    assert clear.rgb.min() > 240, "an alpha is one"


def test_twelve_bits_of_colour_in_sixteen_do_not_turn_black() -> None:
    found = open_image(written((PICTURE.astype(np.uint16) << 4) + 15, photometric="rgb"))
    np.testing.assert_allclose(found.rgb.astype(int), PICTURE, atol=1)
    assert found.notes == ("16-bit numbers: 12 bits used: 0 is black and 4,095 white",)


def test_missing_values_do_not_stretch() -> None:
    values = (UNIT[..., 0] * 1000).astype(np.int16)
    bands = np.repeat(values[..., None], 6, axis=2)
    bands[:2] = -9999
    options = {"photometric": "minisblack", "planarconfig": "contig", "extratags": [(42113, 2, 6, "-9999", True)]}
    assert "from -" not in open_image(written(bands, **options)).notes[1]


def test_many_bands_without_tifffile_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(UNIT, photometric="rgb")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(UnreadableImage, match=r"a TIFF of 3 bands of 32 bits.*invariscope\[tiff\]"):
        open_image(data)


def test_too_many_bands_are_refused_undecoded() -> None:
    size = [(256, 4, 1, 6000), (257, 4, 1, 6000), (258, 3, 1, 16), (277, 3, 1, 200), (262, 3, 1, 1), (259, 3, 1, 1)]
    with pytest.raises(ImageTooLarge, match="200 bands of 16 bits"):
        open_image(tiff(*size, (273, 4, 1, 8), (279, 4, 1, 4)))


@pytest.mark.parametrize(("format", "count"), [("GIF", 3), ("TIFF", 3), ("WEBP", 3), ("PNG", 3)])
def test_one_of_several_frames_is_said(format: str, count: int) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("blue", "red", "green")]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=100)
    assert open_image(data).notes == (f"frame 1 of {count} is shown",)
    assert open_image(encode(frames[0], format)).notes == ()


def test_frames_without_end_are_refused() -> None:
    data = encode(Image.new("L", (1, 1)), "GIF")
    start = data.index(b",")
    with pytest.raises(ImageTooLarge, match="more than 10,000 frames"):
        open_image(data[:start] + data[start:-1] * 10_001 + b";")


# Colour


def profile(gamma: float) -> bytes:
    """An RGB profile whose curves differ from sRGB's: its own bytes with another gamma."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", made, 128)[0]
    for i in range(count):
        tag, offset, size = struct.unpack_from(">4sII", made, 132 + 12 * i)
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            made[offset : offset + size] = (b"curv" + struct.pack(">IIH", 0, 1, int(gamma * 256))).ljust(size, b"\0")
    return bytes(made)


def test_a_profile_that_is_not_srgb_is_converted_and_said() -> None:
    linear = encode(PICTURE, "PNG", icc_profile=profile(1.0))
    found = open_image(linear)
    assert "to sRGB" in found.notes[0]
    unit = PICTURE / 255
    expected = np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(found.rgb.astype(float), expected, atol=3)


def test_srgb_itself_changes_no_pixel() -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = open_image(encode(PICTURE, "PNG", icc_profile=made))
    np.testing.assert_array_equal(found.rgb, PICTURE)
    assert found.notes == ()


def test_grey_with_a_profile_of_colours_is_no_trouble() -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = open_image(encode(GREY, "PNG", icc_profile=made))
    np.testing.assert_array_equal(found.rgb[..., 0], GREY)
    assert found.notes == ()


def test_a_profile_keeps_what_is_transparent_and_a_broken_one_is_said() -> None:
    clear = np.dstack([PICTURE, np.zeros((32, 48), np.uint8)])
    assert (open_image(encode(clear, "PNG", icc_profile=profile(1.0))).rgb == 255).all()
    found = open_image(encode(PICTURE, "PNG", icc_profile=b"no profile at all"))
    np.testing.assert_array_equal(found.rgb, PICTURE)
    assert "cannot be used" in found.notes[0]


def test_what_is_all_transparent_says_why_it_is_white() -> None:
    hidden = Image.fromarray(np.dstack([PICTURE, np.zeros((32, 48), np.uint8)]))
    image = open_image(encode(hidden, "PNG"))
    assert (image.rgb == 255).all()
    assert image.notes == ("100% of it is transparent, and white here",)
