"""The form that adds a person's own file of weights, for servers whose owner allows it."""

from typing import Any, LiteralString

import streamlit as st

from core.encoders import own
from core.encoders.own_entries import LONGEST
from core.encoders.own_networks import usual_input
from core.encoders.preprocess import FILTERS, three
from core.encoders.registry import encoders
from core.encoders.spec import REGIMES, Preprocessing
from core.errors import InvariscopeError
from core.plots.style import REGIME_NAMES
from core.text import plain
from pages.ui.places import said

ADDED, REFUSED = "own_added", "own_refused"
TYPED = ("path", "id", "architecture", "like", "method", "container", "prefix", "drop", "mean", "std")
CHOSEN = ("size", "resize", "crop", "interpolation")
BY_RULE = "found by rule"


def _add() -> None:
    # Asked again where it counts: a form that is not drawn is no lock.
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
            drop=tuple(part.strip() for part in typed["drop"].split(",") if part.strip()),
            preprocessing={name: st.session_state[f"own_{name}"] for name in CHOSEN}
            | {"mean": three(typed["mean"], "The mean"), "std": three(typed["std"], "The deviation")},
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
    if not own.allowed():
        st.info(
            f"Disabled on this server: it was started without `{own.PERMISSION}=1`, which lets visitors name files on "
            "its disk. `invariscope models add FILE --arch resnet50 --regime self-supervised` does the same in a "
            "terminal.",
            icon=":material/lock:",
        )
        return
    st.caption(
        "The file stays where it is and is read once as a trial: as plain tensors, strictly, running nothing. "
        "Where in it the weights are is found and said; preprocessing is that of the architecture in timm."
    )
    # Outside the form, so that what timm states for the network is seen before anything is added.
    architecture = st.text_input(
        "Architecture",
        key="own_architecture",
        placeholder="resnet50, or nothing where the file says it",
        help="As timm calls it, such as resnet50 or vit_small_patch16_224.",
    ).strip()
    usual = _usual(architecture) if architecture else None
    with st.form("own", border=False):
        left, right = st.columns(2)
        left.text_input("File on the server", key="own_path", placeholder="/data/checkpoints/epoch-200.pth")
        right.text_input("Name", key="own_id", placeholder="my-moco", max_chars=LONGEST)
        regimes = ["unknown", *(r for r in REGIMES if r not in ("unknown", "random"))]
        left.selectbox("Regime", regimes, key="own_regime", format_func=REGIME_NAMES.__getitem__)
        right.text_input("Method", key="own_method", placeholder="MoCo v2")
        left.text_input(
            "Like",
            key="own_like",
            placeholder="resnet50-moco-v2-800, or nothing",
            help=f"One of {len(encoders())} encoders by id, or a method, whose network, regime, method and "
            "preprocessing it shares where nothing else is said.",
        )
        right.text_input("Container", key="own_container", placeholder=BY_RULE)
        left.text_input("Prefix", key="own_prefix", placeholder=BY_RULE)
        told = "Beginnings of names to leave out, with commas between them."
        right.text_input("Drop", key="own_drop", placeholder=BY_RULE, help=told)
        with st.expander("Preprocessing", icon=":material/tune:"):
            _preprocessing(usual)
        st.form_submit_button("Add", icon=":material/add:", on_click=_add)


def _usual(architecture: str) -> Preprocessing | None:
    """What timm states for a network; of a name that it does not know, the nearest ones are told."""
    try:
        return usual_input(architecture)
    except InvariscopeError as error:
        st.warning(said(error), icon=":material/warning:")
        return None


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _preprocessing(usual: Preprocessing | None) -> None:
    """Inputs that say otherwise than timm, each empty with timm's value behind it."""
    behind = dict.fromkeys(("size", "resize"), "px") | dict.fromkeys(("mean", "std"), "R,G,B")
    behind |= {"crop": "share", "interpolation": "as timm has it"}
    if usual is None:
        st.caption("What stays empty is as timm has it for the network; name the architecture to see it.")
    else:
        behind = {"size": f"{usual.size}", "resize": f"{usual.resize}", "crop": f"{usual.size / usual.resize:.3f}"}
        behind |= {"mean": _listed(usual.mean), "std": _listed(usual.std), "interpolation": usual.interpolation}
        st.caption(
            f"What stays empty is as timm has it: {usual.size:d} px of a short side of {usual.resize:d} px, "
            f"{plain(usual.interpolation)}, mean {plain(_listed(usual.mean))}, "
            f"deviation {plain(_listed(usual.std))}; with *Like*, as that encoder has it."
        )

    def empty(name: str, help: LiteralString) -> dict[str, Any]:
        return {"key": f"own_{name}", "placeholder": behind[name], "help": help}

    left, middle, right = st.columns(3)
    left.number_input("Size", 16, 4096, value=None, **empty("size", "Side of the square input in pixels."))
    told = "Of the resized picture, in pixels, before the centre crop."
    middle.number_input("Short side", 16, 4096, value=None, **empty("resize", told))
    told = "Share of the short side that the centre crop keeps; says the short side by the size."
    right.number_input("Crop", 0.0, 1.0, value=None, step=0.005, format="%.3f", **empty("crop", told))
    left.text_input("Mean", **empty("mean", "Of the channels in [0, 1], R,G,B."))
    told = "By which the channels are divided after the mean is taken off, R,G,B."
    middle.text_input("Deviation", **empty("std", told))
    told = "Of the resizing."
    right.selectbox("Interpolation", list(FILTERS), index=None, **empty("interpolation", told))
