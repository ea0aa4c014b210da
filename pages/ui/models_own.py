"""The form that adds a person's own file of weights, for servers whose owner allows it."""

import streamlit as st

from core.encoders import own
from core.encoders.own_entries import LONGEST
from core.encoders.registry import encoders
from core.encoders.spec import REGIMES
from core.errors import InvariscopeError
from core.plots.style import REGIME_NAMES
from core.text import plain
from pages.ui.places import said

ADDED, REFUSED = "own_added", "own_refused"
TYPED = ("path", "id", "architecture", "like", "method", "container", "prefix")


def _add() -> None:
    # Asked again where it counts: a widget that is drawn disabled is no lock.
    if not own.allowed():
        return
    try:
        typed = {name: st.session_state[f"own_{name}"].strip() for name in TYPED}
        regime = st.session_state["own_regime"]
        said = own.Said(
            architecture=typed["architecture"],
            like=typed["like"],
            regime="" if regime == "unknown" else regime,
            method=typed["method"],
            container=typed["container"] or None,
            prefix=typed["prefix"] or None,
        )
        spec = own.add(typed["path"], typed["id"], said)
    except InvariscopeError as error:
        st.session_state[REFUSED] = str(error)
    else:
        st.session_state[ADDED] = f"{spec.label} was added. {spec.note}"
        st.session_state["model"] = spec.id


def form() -> None:
    """Draw the form, and what came of its last use."""
    if message := st.session_state.pop(REFUSED, None):
        st.error(said(message), icon=":material/error:")
    if added := st.session_state.pop(ADDED, None):
        st.success(f"{plain(added)} Its card is above.", icon=":material/check_circle:")
    allowed = own.allowed()
    if not allowed:
        st.info(
            f"Disabled on this server: it was started without `{own.PERMISSION}=1`, which lets visitors name files on "
            "its disk. `invariscope models add FILE --arch resnet50 --regime self-supervised` does the same in a "
            "terminal.",
            icon=":material/lock:",
        )
    st.caption(
        "The file stays where it is and is read once as a trial: as plain tensors, strictly, running nothing. "
        "Where in it the weights are is found and said; preprocessing is that of the architecture in timm."
    )
    with st.form("own", border=False):
        left, right = st.columns(2)
        left.text_input(
            "File on the server", key="own_path", placeholder="/data/checkpoints/epoch-200.pth", disabled=not allowed
        )
        right.text_input("Name", key="own_id", placeholder="my-moco", max_chars=LONGEST, disabled=not allowed)
        left.text_input(
            "Architecture",
            key="own_architecture",
            placeholder="resnet50",
            disabled=not allowed,
            help="As timm calls it, such as resnet50 or vit_small_patch16_224.",
        )
        right.selectbox(
            "Regime",
            ["unknown", *(r for r in REGIMES if r not in ("unknown", "random"))],
            key="own_regime",
            format_func=REGIME_NAMES.__getitem__,
            disabled=not allowed,
        )
        left.text_input("Method", key="own_method", placeholder="MoCo v2", disabled=not allowed)
        right.text_input(
            "Like",
            key="own_like",
            placeholder="resnet50-moco-v2-800, or nothing",
            disabled=not allowed,
            help=f"One of {len(encoders())} encoders by id, or a method, whose network, regime, method and "
            "preprocessing it shares where nothing else is said.",
        )
        left.text_input("Container", key="own_container", placeholder="found by rule", disabled=not allowed)
        right.text_input("Prefix", key="own_prefix", placeholder="found by rule", disabled=not allowed)
        st.form_submit_button("Add", icon=":material/add:", on_click=_add, disabled=not allowed)
