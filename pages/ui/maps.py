"""Attribution maps on a page, with what must be said of them and their downloads."""

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import export, pipeline
from core.images.image import SafeImage
from core.pipeline import Reading
from core.plots import map_pictures
from core.readout import Contender
from core.text import plain
from pages.ui import blocks, resources


def draw(
    contender: Contender,
    image: SafeImage,
    reading: Reading,
    values: NDArray[np.float32],
    scale: float,
    class_name: str,
    **look: Any,
) -> bytes:
    """Show one map and return the PNG that was shown; arguments as of `core.plots.map_pictures.picture`."""
    shown = map_pictures.picture(contender, image, reading, values, scale, class_name, **look)
    icon = ":material/visibility_off:" if shown.empty else ":material/info:"
    if shown.empty:
        st.caption(f"{icon} {plain(shown.note)}")
    of = pipeline.key(contender, image), values.tobytes(), scale, shown.empty, tuple(sorted(look.items()))
    png = resources.png(image, shown.draw, "map", *of)
    st.image(png, width="stretch", output_format="PNG", alt=shown.alt)
    if shown.note and not shown.empty:
        st.caption(f"{icon} {plain(shown.note)}")
    return png


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
