"""Attribution maps as pictures with their words, scale and downloads."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import export, images, pipeline
from core.encoders.preprocess import display_crop, seen_box
from core.images import SafeImage
from core.metrics.attribution import degenerate
from core.pipeline import Reading
from core.plots import overlay, whole
from core.readout import Contender
from core.text import plain
from pages.ui import picture as picture_of
from pages.ui import resources

SIDE = 448
FAINT = 0.2


def scales(maps: Sequence[NDArray[np.float32]], shared: bool) -> list[float]:
    """The scale of each map: one for all, or each its own."""
    if shared:
        return [overlay.shared_scale(maps)] * len(maps)
    return [overlay.shared_scale([m]) for m in maps]


def no_evidence(values: NDArray[np.float32], reading: Reading) -> bool:
    """Whether a map holds no positive evidence worth drawing, on the scale of the contender's own logits."""
    return degenerate(values, float(np.ptp(reading.logits)))


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


def draw(
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
) -> bytes:
    """Show one map and return the PNG that was shown.

    Args:
        contender: whose map it is.
        image: that was read.
        reading: of the image.
        values: (h, w) signed map.
        scale: magnitude at full colour.
        class_name: that is explained.
        opacity: of the strongest place.
        view: `overlay`, `whole` (the overlay on the whole picture), `map` (the raw grid) or `input` (the pixels the
            model read).
        signed: draw negative evidence too.
    """
    spec = contender.encoder.spec
    alt = map_alt(contender, class_name, values)
    bare = not signed and no_evidence(values, reading)
    if view == "input":
        alt = f"The {spec.preprocessing.size} by {spec.preprocessing.size} pixels that {spec.label} reads."
    elif bare:
        alt = f"{spec.label}: no positive evidence for {class_name}; the picture is shown without a map."
        st.caption(f":material/visibility_off: No positive evidence for *{plain(class_name)}* here.")

    def picture() -> images.Pixels:
        if view == "input":
            return reading.crop
        crop = display_crop(image.rgb, spec.preprocessing, SIDE)
        if bare:
            over = crop
        elif view == "map":
            over = overlay.grid_picture(values, scale, SIDE, signed)
        else:
            over = overlay.blend(crop, values, scale, opacity, signed)
        if view != "whole":
            return over
        shown = images.thumbnail(image, picture_of.SIDE)
        height, width = shown.shape[:2]
        return whole.placed(shown, seen_box(width, height, spec.preprocessing), over)

    of = pipeline.key(contender, image), values.tobytes()
    data = resources.png(image, picture, "map", *of, view, bare, scale, opacity, signed)
    st.image(data, width="stretch", output_format="PNG", alt=alt)
    if view != "input" and 0 < float(values.max()) < FAINT * scale:
        st.caption(f":material/info: Faint: its strongest place has {values.max() / scale:.0%} of the common scale.")
    return data


def downloads(
    contender: Contender,
    reading: Reading,
    values: NDArray[np.float32],
    png: bytes,
    class_name: str,
    method: str,
    key: str,
) -> None:
    """Buttons for the picture and the raw map."""
    spec = contender.encoder.spec
    facts = {"encoder": spec.id, "class": class_name, "method": method, "digest": reading.digest, "task": reading.task}
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "PNG",
            png,
            f"{spec.id}_{method}.png",
            "image/png",
            on_click="ignore",
            key=f"{key}_png",
            icon=":material/image:",
        )
        st.download_button(
            "Raw (npz)",
            export.map_archive(values, facts),
            f"{spec.id}_{method}.npz",
            "application/octet-stream",
            on_click="ignore",
            key=f"{key}_npz",
            icon=":material/data_array:",
        )
