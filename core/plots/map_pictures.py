"""Attribution maps as pictures with their words: what a page, a slide and a file show of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.attribution import without_evidence
from core.encoders.preprocess import display_crop, seen_box
from core.images import image as pictures
from core.images.image import Pixels, SafeImage
from core.pipeline import Reading
from core.plots import overlay, whole
from core.readout import Contender

SIDE, WHOLE = 448, 720
"""Pixels of a picture's side: of the crop that the model saw, and of the longer one of the whole image."""
FAINT = 0.2


@dataclass(frozen=True, slots=True)
class Shown:
    """A map as it is shown.

    Attributes:
        draw: gives the picture, (h, w, 3) uint8; what it costs is spent when it is called.
        alt: it in words.
        note: what must be said beside it; empty as a rule.
        empty: whether the note says that there is no positive evidence.
    """

    draw: Callable[[], Pixels]
    alt: str
    note: str = ""
    empty: bool = False

    @property
    def png(self) -> bytes:
        """The picture, drawn now."""
        return pictures.encode_png(self.draw())


def scales(maps: Sequence[NDArray[np.float32]], shared: bool) -> list[float]:
    """The scale of each map: one for all, or each its own."""
    if shared:
        return [overlay.shared_scale(maps)] * len(maps)
    return [overlay.shared_scale([m]) for m in maps]


def place_words(values: NDArray[np.float32]) -> str:
    """Where the strongest place of a map is, in words."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    vertical = ("upper", "middle", "lower")[min(2, int(3 * (row + 0.5) / values.shape[0]))]
    horizontal = ("left", "centre", "right")[min(2, int(3 * (column + 0.5) / values.shape[1]))]
    return f"{vertical} {horizontal}"


def map_alt(contender: Contender, class_name: str, values: NDArray[np.float32]) -> str:
    """A map in words."""
    positive = np.maximum(values, 0)
    total = float(positive.sum())
    share = float(np.sort(positive.ravel())[::-1][: max(1, positive.size // 4)].sum() / total) if total > 0 else 0.0
    return (
        f"{contender.encoder.spec.label}, map for {class_name}: strongest in the {place_words(values)} of the picture; "
        f"the strongest quarter of the places holds {share:.0%} of the positive evidence."
    )


def picture(
    contender: Contender,
    image: SafeImage,
    reading: Reading,
    values: NDArray[np.float32],
    scale: float,
    class_name: str,
    *,
    opacity: float = 0.65,
    view: str = "overlay",
    signed: bool = False,
) -> Shown:
    """One map as a picture.

    Args:
        values: (h, w) signed map.
        scale: magnitude at full colour.
        class_name: that is explained.
        opacity: of the strongest place.
        view: `overlay`, `whole` (the overlay on the whole picture), `map` (the raw grid) or `input` (the pixels the
            model read).
        signed: draw negative evidence too.
    """
    spec = contender.encoder.spec
    alt, note = map_alt(contender, class_name, values), ""
    empty = view != "input" and not signed and without_evidence(values, reading.logits)
    if view == "input":
        alt = f"The {spec.preprocessing.size} by {spec.preprocessing.size} pixels that {spec.label} reads."
    elif empty:
        note = f"No positive evidence for {class_name} here."
        alt = f"{spec.label}: no positive evidence for {class_name}; the picture is shown without a map."
    elif 0 < float(values.max()) < FAINT * scale:
        note = f"Faint: its strongest place has {values.max() / scale:.0%} of the common scale."

    def draw() -> Pixels:
        if view == "input":
            return reading.crop
        crop = display_crop(image.rgb, spec.preprocessing, SIDE)
        if empty:
            over = crop
        elif view == "map":
            over = overlay.grid_picture(values, scale, SIDE, signed)
        else:
            over = overlay.blend(crop, values, scale, opacity, signed)
        if view != "whole":
            return over
        shown = pictures.thumbnail(image, WHOLE)
        height, width = shown.shape[:2]
        return whole.placed(shown, seen_box(width, height, spec.preprocessing), over)

    return Shown(draw, alt, note, empty)
