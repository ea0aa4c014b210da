"""Pictures that visitors bring: uploads and photos. They stay in the session; an address holds their mark alone."""

from contextlib import suppress

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.errors import ImageError
from core.images.formats import SUFFIXES
from core.images.image import SafeImage
from core.images.limits import MAX_BYTES
from core.text import plain
from pages.ui import resources
from pages.ui.places import said

FROM_UPLOAD, FROM_CAMERA = "Upload", "Camera"
MARK = "own"
"""In the address: the first letters of the digest of the picture that is shown."""
MARK_LENGTH = 12
UPLOAD_MB = MAX_BYTES >> 20
UPLOAD_TYPES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
SEEN = "uploads_seen"
HELD = "own_images_held"


def asked() -> bool:
    """Whether the address is of somebody's own picture that is not in this session."""
    mark = st.query_params.get(MARK)
    return mark is not None and mark != st.session_state.get(HELD)


def forget_unless(wanted: bool) -> None:
    """Take the mark out of the address where other pictures than one's own are shown."""
    st.session_state.pop(HELD, None)
    if not wanted and MARK in st.query_params:
        del st.query_params[MARK]


def _hold(image: SafeImage) -> None:
    mark = image.digest[:MARK_LENGTH]
    st.session_state[HELD] = mark
    if st.query_params.get(MARK) != mark:
        st.query_params[MARK] = mark


def uploaded() -> list[tuple[str, SafeImage]]:
    """Every readable upload, in order; an unreadable one is explained and does no harm to the others."""
    files = st.file_uploader(
        "Your images",
        type=UPLOAD_TYPES,
        accept_multiple_files=True,
        max_upload_size=UPLOAD_MB,
        key="uploads",
        help="Images stay in the memory of this session; it is dropped about two minutes after you close the tab.",
    )
    found: dict[str, tuple[str, SafeImage]] = {}
    for file in files or []:
        image = opened(file)
        if image is not None:
            found[image.digest] = (file.name, image)
    return list(found.values())


def opened(file: UploadedFile) -> SafeImage | None:
    """The picture in a file; None where it cannot be read, which is said."""
    try:
        return resources.uploaded(file)
    except ImageError as error:
        st.error(f"{plain(file.name)}: {said(error)}", icon=":material/broken_image:")
        return None


def kept() -> list[tuple[str, SafeImage]]:
    """Every readable upload of the session, on a page whose sidebar has the uploader, which explains the others."""
    found = []
    for file in st.session_state.get("uploads") or []:
        with suppress(ImageError):
            found.append((file.name, resources.uploaded(file)))
    return found


def pick(uploads: list[tuple[str, SafeImage]]) -> tuple[str, SafeImage]:
    """The upload that is shown: the first that was not there before, or the one that was chosen."""
    names, digests = [name for name, _ in uploads], [image.digest for _, image in uploads]
    seen = st.session_state.get(SEEN, [])
    new = [at for at, digest in enumerate(digests) if digest not in seen]
    if seen and new:
        st.session_state["upload_shown"] = new[0]
    st.session_state[SEEN] = digests
    at = 0
    if len(names) > 1:
        at = st.selectbox(
            "Show", range(len(names)), format_func=lambda i: names[i], key="upload_shown", persist_state="session"
        )
    name, image = uploads[at or 0]
    _hold(image)
    return name, image


def photo() -> SafeImage | None:
    """The photo that was taken; None before, and where it cannot be read, which is said."""
    shot = st.camera_input("Take a photo", key="camera")
    image = None if shot is None else opened(shot)
    if image is not None:
        _hold(image)
    return image


def keep(shown: str = "") -> None:
    """Draw the inputs that hold an image of the visitor, all but the `shown` one: undrawn it would be forgotten."""
    uploads = shown != FROM_UPLOAD and st.session_state.get("uploads")
    shot = shown != FROM_CAMERA and st.session_state.get("camera")
    if uploads or shot:
        with st.expander("Your images, kept here", icon=":material/image:"):
            if uploads:
                uploaded()
            if shot:
                st.camera_input("Take a photo", key="camera")
