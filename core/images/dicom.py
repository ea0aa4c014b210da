"""DICOM images, shown as a viewer shows them: rescaled, windowed, white where they mean white."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ImageError, UnreadableImage
from core.images.limits import check_size
from core.images.ranges import eight_bits

DEFLATED = b"1.2.840.10008.1.2.1.99"


def read(data: bytes) -> tuple[NDArray[np.uint8], list[str]]:
    """(H, W, 3) of the first frame, and what was done, in words.

    Raises:
        UnreadableImage: `pydicom` is not installed, or the file holds no image that it decodes.
        ImageTooLarge: it has too many pixels.
    """
    try:
        import pydicom
    except ImportError:
        raise UnreadableImage(
            "The file is a DICOM image: install what opens it by 'pip install \"invariscope[dicom]\"', or export it as "
            "PNG."
        ) from None
    # What packs a file is named near its beginning; this would be unpacked whole before anything is known of it.
    if DEFLATED in data[:4096]:
        raise UnreadableImage("The DICOM file is packed as a whole (deflated): export it unpacked, or as PNG.")
    try:
        file = pydicom.dcmread(io.BytesIO(data))
        if "PixelData" not in file:
            raise UnreadableImage("The DICOM file holds no image: choose the file of an image series.")
        check_size(int(file.Columns), int(file.Rows))
        return _shown(file)
    except ImageError:
        raise
    # Decoders answer hostile bytes with any exception at all.
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise UnreadableImage(f"The DICOM image cannot be decoded ({reason}): export it as PNG.") from error


def _shown(file: Any) -> tuple[NDArray[np.uint8], list[str]]:
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, pixel_array

    values = pixel_array(file, index=0)
    frames = int(file.get("NumberOfFrames", 1) or 1)
    notes = [f"frame 1 of {frames:,} is shown"] if frames > 1 else []
    meaning = str(file.PhotometricInterpretation)
    if meaning == "PALETTE COLOR":
        values = apply_color_lut(values, file)
    if values.ndim == 3:
        pixels, said = eight_bits(values)
        return pixels, [*notes, *filter(None, (said,))]
    rescaled = apply_modality_lut(values, file)
    unchanged = bool((rescaled == values).all())
    if not unchanged:
        notes.append("values rescaled as the file says")
    if "WindowWidth" in file and "WindowCenter" in file:
        centre, width = _first(file.WindowCenter), max(_first(file.WindowWidth), 1.0)
        pixels = _windowed(rescaled.astype(np.float64), centre, width, str(file.get("VOILUTFunction", "LINEAR")))
        notes.append(f"window {centre:g} ± {width / 2:g}")
    elif "VOILUTSequence" in file:
        pixels, said = eight_bits(apply_voi(rescaled, file))
        notes.append(f"its own look-up table; {said}" if said else "its own look-up table")
    else:
        plain = unchanged and not int(file.get("PixelRepresentation", 0))
        bits = int(file.BitsStored) if plain else 0
        pixels, said = eight_bits(rescaled, bits=bits)
        notes.append(f"no window: {said or f'0 to {(1 << (bits or 8)) - 1:,} shown'}")
    if meaning == "MONOCHROME1":
        pixels = 255 - pixels
        notes.append("inverted, as its low values mean white (MONOCHROME1)")
    return np.repeat(pixels[:, :, None], 3, axis=2), ["DICOM", *notes]


def _first(value: Any) -> float:
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _windowed(values: NDArray[np.float64], centre: float, width: float, function: str) -> NDArray[np.uint8]:
    """Levels by a window (DICOM PS3.3 C.11.2.1.2)."""
    if function == "SIGMOID":
        level = 1 / (1 + np.exp(-4 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        level = (values - centre) / width + 0.5
    else:
        level = (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5
    return np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8)
