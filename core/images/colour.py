"""Colour as a screen shows it: profiles converted to sRGB, transparency laid on white, more than 8 bits scaled."""

import io
import re

import numpy as np
from PIL import Image, ImageCms

from core.images.ranges import eight_bits

NEAR = 3
"""Grey levels by which a profile may differ from sRGB without being converted: those called sRGB differ by rounding."""

MUCH = 0.5
"""Share of transparent pixels from which on a white picture needs its reason said."""


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The decoded image as sRGB without alpha, from any mode that Pillow decodes to, and what was done, in words."""
    notes: list[str] = []
    if image.mode.startswith(("I", "F")):
        image, said = _grey(image)
        notes += [said] if said else []
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    profile = image.info.get("icc_profile")
    if profile:
        image, said = _converted(image, profile)
        notes += [said] if said else []
    if image.mode == "LAB":
        to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
        image = ImageCms.applyTransform(image, to_srgb) or image
    image = image.convert("RGB")
    if alpha is not None:
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=alpha)
        image = canvas
        hidden = np.mean(np.asarray(alpha) == 0)
        if hidden >= MUCH:
            notes.append(f"{hidden:.0%} of it is transparent, and white here")
    return image, notes


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _converted(image: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    """The image in sRGB, by its profile, and what was done; itself when the profile is sRGB's or cannot be used."""
    if image.mode in ("P", "RGBA", "RGBX", "PA"):
        image = image.convert("RGB")
    elif image.mode in ("1", "LA"):
        image = image.convert("L")
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and opened.profile.xcolor_space == "RGB ":
            image = image.convert("RGB")  # grey that a program saved with the profile of its colours
        # A file's own words, and nothing that a page or a terminal would take for more.
        name = re.sub(r"[^\w .,()-]|_", " ", ImageCms.getProfileDescription(opened)).strip()[:60] or "its profile"
        transform = ImageCms.buildTransform(opened, _srgb(), image.mode, "RGB")
        probe = _probe(image.mode)
        moved = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, "its colour profile cannot be used: colours are taken as sRGB"
    if image.mode in ("RGB", "L") and np.abs(moved - np.asarray(probe.convert("RGB"))).max() <= NEAR:
        return image, ""
    return ImageCms.applyTransform(image, transform) or image, f"colours converted from {name} to sRGB"


def _probe(mode: str) -> Image.Image:
    """Colours all over the range, few enough to convert at no cost."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    bands = len(Image.new(mode, (1, 1)).getbands())
    grid = np.stack(np.meshgrid(*[levels[:: 1 if bands == 3 else 2]] * bands), axis=-1).reshape(1, -1, bands)
    return Image.frombytes(mode, (grid.shape[1], 1), np.ascontiguousarray(grid).tobytes())


def _grey(image: Image.Image) -> tuple[Image.Image, str]:
    """Grey or grey with alpha, 8 bits, from 16-bit, 32-bit or float grey; Pillow itself would clip to white."""
    values = np.asarray(image)
    pixels, said = eight_bits(values)
    grey = Image.fromarray(pixels)
    clear = values == image.info["transparency"] if isinstance(image.info.get("transparency"), int) else None
    if clear is not None and clear.any():
        grey.putalpha(Image.fromarray(~clear))
    grey.info.update({key: image.info[key] for key in ("icc_profile",) if key in image.info})
    return grey, said
