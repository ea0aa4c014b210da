"""The picture that is compared: what was done to show it, what encoders read of it, and how it meets their square."""

from collections.abc import Iterable

import streamlit as st

from core.encoders.preprocess import seen_box
from core.images import image as pictures
from core.images.image import SafeImage
from core.plots import whole
from core.readout import Contender
from core.text import plain
from pages.ui import resources

SIDE = 720


def fitted(image: SafeImage) -> SafeImage:
    """Say what was done to show an image, and let the person choose how an oblong one meets a square input."""
    for note in image.notes:
        st.caption(f":material/info: {plain(note[0].upper() + note[1:])}.")
    told = pictures.crop_told(image)
    if not told:
        return image
    st.caption(f":material/crop: {plain(told)}")
    fit = st.segmented_control(
        "Fit", pictures.FITS, default="crop", required=True, key="fit", persist_state="session", width="stretch"
    )
    return pictures.framed(image, fit or "crop")


def boxes(contenders: Iterable[Contender], width: int, height: int) -> list[whole.Box]:
    """What contenders read of a picture that is shown at `width` × `height`; none when they read all of it."""
    recipes = {contender.encoder.spec.preprocessing for contender in contenders}
    found = {seen_box(width, height, recipe) for recipe in recipes}
    return sorted(box for box in found if whole.is_part(box, width, height))


def show(image: SafeImage, name: str, contenders: Iterable[Contender]) -> None:
    """The whole image, with a frame around what encoders read."""
    width, height = pictures.thumbnail_size(image, SIDE)
    frames = boxes(contenders, width, height)

    def picture() -> pictures.Pixels:
        return whole.with_frames(pictures.thumbnail(image, SIDE), frames)

    data = resources.png(image, picture, "framed", tuple(frames))
    st.image(data, width="stretch", alt=f"The image that is compared: {name}.")
    if frames:
        each = "The frame is what encoders read." if len(frames) == 1 else "Each frame is what some encoders read."
        st.caption(f":material/crop: {each}")
