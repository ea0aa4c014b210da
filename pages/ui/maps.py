"""Attribution maps on a page, with what must be said of them and their downloads."""

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import export, pipeline
from core.encoders.preprocess import display_crop
from core.images.image import Pixels, SafeImage, thumbnail
from core.pipeline import Reading
from core.plots import map_pictures
from core.readout import Contender
from core.text import plain
from pages.ui import blocks, resources


def original(contender: Contender, image: SafeImage, whole: bool) -> None:
    """Show what a map lies on: the crop that the contender reads, or the whole picture."""
    recipe = contender.encoder.spec.preprocessing

    def draw() -> Pixels:
        return thumbnail(image, map_pictures.WHOLE) if whole else display_crop(image.rgb, recipe, map_pictures.SIDE)

    png = resources.png(image, draw, "original", recipe, whole)
    alt = f"The picture{'' if whole else f' as {contender.encoder.spec.label} reads it'}, without a map."
    st.image(png, width="stretch", output_format="PNG", alt=alt)


def draw(
    contender: Contender,
    image: SafeImage,
    reading: Reading,
    values: NDArray[np.float32],
    scale: float,
    class_name: str,
    **look: Any,
) -> tuple[map_pictures.Shown, bytes]:
    """Show one map; gives it and its PNG. Arguments as of `core.plots.map_pictures.picture`."""
    shown = map_pictures.picture(contender, image, reading, values, scale, class_name, **look)
    of = pipeline.key(contender, image), values.tobytes(), scale, shown.empty, tuple(sorted(look.items()))
    png = resources.png(image, shown.draw, "map", *of)
    st.image(png, width="stretch", output_format="PNG", alt=shown.alt)
    return shown, png


def note(shown: map_pictures.Shown) -> None:
    """What must be said of a map, if anything."""
    if shown.note:
        st.caption(f":material/{'visibility_off' if shown.empty else 'info'}: {plain(shown.note)}")


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
        file = f"{spec.id}_{method}"
        blocks.download("PNG", png, f"{file}.png", key=f"{key}_png", icon=":material/image:")
        archive = export.map_archive(values, facts)
        blocks.download("Raw (npz)", archive, f"{file}.npz", key=f"{key}_npz", icon=":material/data_array:")
