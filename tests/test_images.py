"""Reading images: every format and mode comes out right, and what goes out keeps every pixel."""

import hashlib
import io
import warnings

import numpy as np
import pytest
from image_files import BROKEN_METADATA, MODES, PICTURE, WHOLE, encode
from PIL import Image

from core.errors import InvalidRequest
from core.images.formats import FORMATS
from core.images.image import encode_png, thumbnail, working_copy
from core.images.opening import open_image

avif = pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow has no AVIF")

# What comes out


def test_image_carries_size_digest_and_locked_pixels() -> None:
    data = encode(PICTURE, "PNG")
    image = open_image(data)
    assert (image.width, image.height, image.rgb.shape, image.rgb.dtype) == (48, 32, (32, 48, 3), np.uint8)
    assert image.digest == hashlib.sha256(data).hexdigest()
    assert image == open_image(data)
    assert len({image, open_image(data), open_image(encode(PICTURE, "BMP"))}) == 2
    assert "array" not in repr(image)
    with pytest.raises(ValueError, match="read-only"):
        image.rgb[0, 0, 0] = 1


LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("WEBP", {"lossless": True}),
    *(("TIFF", {"compression": name}) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")),
]


@pytest.mark.parametrize(("format", "options"), LOSSLESS)
def test_lossless_format_gives_the_exact_pixels(format: str, options: dict) -> None:
    np.testing.assert_array_equal(open_image(encode(PICTURE, format, **options)).rgb, PICTURE)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("MPO", {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (48, 32))]}),
        ("WEBP", {"quality": 95}),
        ("GIF", {}),
        pytest.param("AVIF", {"quality": 95}, marks=avif),
    ],
)
def test_lossy_format_gives_nearly_the_pixels(format: str, options: dict) -> None:
    found = open_image(encode(PICTURE, format, **options)).rgb
    assert np.abs(found.astype(int) - PICTURE).mean() < 6


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", pytest.param("AVIF", marks=avif)])
@pytest.mark.parametrize(
    ("orientation", "red_corner", "green_corner"),
    # Where the standard puts the first stored pixel (red) and the last of the first row (green).
    [
        (1, "top left", "top right"),
        (2, "top right", "top left"),
        (3, "bottom right", "bottom left"),
        (4, "bottom left", "bottom right"),
        (5, "top left", "bottom left"),
        (6, "top right", "bottom right"),
        (7, "bottom right", "top right"),
        (8, "bottom left", "top left"),
    ],
)
def test_orientation_is_applied(format: str, orientation: int, red_corner: str, green_corner: str) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :16, 0] = stored[:16, -16:, 1] = 255
    exif = Image.Exif()
    exif[274] = orientation
    image = open_image(encode(stored, format, exif=exif, quality=95))
    assert (image.height, image.width) == ((32, 64) if orientation < 5 else (64, 32)) == image.rgb.shape[:2]
    corner = {"top": 4, "bottom": -4, "left": 4, "right": -4}
    for name, channel in ((red_corner, 0), (green_corner, 1)):
        vertical, horizontal = name.split()
        pixel = image.rgb[corner[vertical], corner[horizontal]]
        assert pixel[channel] > 180
        assert np.delete(pixel, channel).max() < 100


@pytest.mark.parametrize(("data", "expected"), MODES.values(), ids=MODES)
def test_mode_becomes_rgb(data: bytes, expected: list) -> None:
    rgb = [pixel if isinstance(pixel, tuple) else (pixel,) * 3 for pixel in expected]
    np.testing.assert_allclose(open_image(data).rgb[0].astype(int), rgb, atol=1)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_first_frame_is_taken(format: str) -> None:
    first, second = (Image.new("RGB", (20, 10), colour) for colour in ("blue", "red"))
    image = open_image(encode(first, format, save_all=True, append_images=[second], duration=100, lossless=True))
    assert (image.width, image.height) == (20, 10)
    np.testing.assert_allclose(image.rgb.mean((0, 1)), (0, 0, 255), atol=1)


@pytest.mark.parametrize("data", BROKEN_METADATA.values(), ids=BROKEN_METADATA)
@pytest.mark.parametrize("action", ["error", "always"])
def test_broken_metadata_neither_refuses_nor_warns(data: bytes, action: str) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter(action)  # type: ignore[arg-type]
        assert open_image(data).rgb[0].tolist() == [[1] * 3, [2] * 3]
    assert not seen


# What goes out


@pytest.mark.parametrize(("side", "size"), [(24, (24, 16)), (1, (1, 1)), (48, (48, 32)), (500, (48, 32))])
def test_thumbnail_keeps_the_shape_and_never_grows(side: int, size: tuple[int, int]) -> None:
    small = thumbnail(open_image(WHOLE["PNG"]), side)
    assert small.shape == (size[1], size[0], 3)
    assert not small.flags.writeable
    np.testing.assert_allclose(small.mean((0, 1)), PICTURE.mean((0, 1)), atol=8)


def test_thumbnail_without_a_side_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least 1 pixel"):
        thumbnail(open_image(WHOLE["PNG"]), 0)


@pytest.mark.parametrize("pixels", [PICTURE, PICTURE[..., 0], np.dstack([PICTURE, PICTURE[..., 0]])])
def test_png_keeps_every_pixel_and_no_metadata(pixels: np.ndarray) -> None:
    data = encode_png(pixels)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert not image.info
    assert data == encode_png(pixels.copy())


@pytest.mark.parametrize("pixels", [PICTURE / 255, PICTURE[..., :2], PICTURE[:0], PICTURE[0, 0]])
def test_png_of_other_arrays_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InvalidRequest, match="uint8"):
        encode_png(pixels)


def test_a_working_copy_keeps_digest_and_proportions() -> None:
    wide = open_image(encode(Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (1100, 9))), "PNG"))
    small = working_copy(wide)
    assert (small.width, small.height) == (round(2304 * 1024 / 1100), 1024)
    assert small.rgb.shape == (1024, small.width, 3)
    assert small.digest == wide.digest
    assert abs(float(small.rgb.mean()) - float(wide.rgb.mean())) < 0.5
    assert working_copy(small) is small
