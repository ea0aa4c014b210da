"""The form that adds a person's own file of weights, for servers whose owner allows it."""

import streamlit as st

from core.encoders import own
from core.encoders.registry import encoders
from core.errors import InvariscopeError
from core.text import plain
from pages.ui.places import said

ADDED, REFUSED = "own_added", "own_refused"


def _add() -> None:
    # Asked again where it counts: a widget that is drawn disabled is no lock.
    if not own.allowed():
        return
    try:
        spec = own.add(
            st.session_state["own_path"].strip(),
            st.session_state["own_id"].strip(),
            like=st.session_state["own_like"].strip(),
            architecture=st.session_state["own_architecture"].strip(),
        )
    except InvariscopeError as error:
        st.session_state[REFUSED] = str(error)
    else:
        st.session_state[ADDED] = spec.label
        st.session_state["model"] = spec.id


def form() -> None:
    """Draw the form, and what came of its last use."""
    if message := st.session_state.pop(REFUSED, None):
        st.error(said(message), icon=":material/error:")
    if label := st.session_state.pop(ADDED, None):
        st.success(f"{plain(label)} was added; its card is above.", icon=":material/check_circle:")
    allowed = own.allowed()
    if not allowed:
        st.info(
            f"Disabled on this server: it was started without `{own.PERMISSION}=1`, which lets visitors name files on "
            "its disk. `invariscope models add FILE --arch resnet50 --like resnet50-moco-v2-800` does the same in a "
            "terminal.",
            icon=":material/lock:",
        )
    st.caption(
        "The file stays where it is and is read once as a trial: as plain tensors, strictly, running nothing. "
        "Preprocessing, pooling and the way names are arranged come from the encoder it is read like."
    )
    with st.form("own", border=False):
        left, right = st.columns(2)
        left.text_input(
            "File on the server", key="own_path", placeholder="/data/checkpoints/epoch-200.pth", disabled=not allowed
        )
        right.text_input("Name", key="own_id", placeholder="my-moco", max_chars=own.LONGEST, disabled=not allowed)
        left.text_input(
            "Read like",
            key="own_like",
            placeholder="resnet50-moco-v2-800, or a method such as SwAV",
            disabled=not allowed,
            help=f"One of {len(encoders())} encoders by id, or a method.",
        )
        right.text_input(
            "Architecture",
            key="own_architecture",
            placeholder="that of the encoder it is read like",
            disabled=not allowed,
            help="As timm calls it, such as resnet50 or vit_small_patch16_224.",
        )
        st.form_submit_button("Add", icon=":material/add:", on_click=_add, disabled=not allowed)
