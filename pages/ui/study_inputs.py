"""The sidebar that the study pages share: which study, which protocol, which two contenders face each other.

All of it is in the address (`study`, `protocol`, `first`, `second`), so a view can be linked.
"""

from dataclasses import dataclass

import streamlit as st

from core.errors import InvariscopeError
from core.results import choices, store
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from pages.ui import inputs, own_images, pickers

CHOSEN = "chosen_study"
MINUS = "Differences are second minus first."


@dataclass(frozen=True, slots=True)
class ChosenStudy:
    """What the sidebar holds.

    Attributes:
        info: the study.
        studies: all with results, this one among them.
        protocol: id.
        first: id of the contender that differences are taken from; a supervised one by default.
        second: id of the contender that differences are taken to; a self-supervised one by default.
    """

    info: StudyInfo
    studies: tuple[StudyInfo, ...]
    protocol: str
    first: str
    second: str


def sidebar(uploads: bool) -> None:
    """Draw the shared inputs, and the uploader where `uploads` are asked for; pages read them with `chosen`."""
    st.session_state.pop(CHOSEN, None)
    with st.sidebar:
        try:
            known = {id: info for id, info in store.studies().items() if choices.protocols(info)}
        except InvariscopeError as error:
            inputs.explain(error)
            known = {}
        if known:
            titles = {id: each.title for id, each in known.items()}
            info = known[pickers.one("Study", titles, "study", help="Studies of all result folders.")]
            protocols = {id: PROTOCOLS[id].label if id in PROTOCOLS else id for id in choices.protocols(info)}
            protocol = pickers.one(
                "Protocol",
                protocols,
                "protocol",
                help="How the encoders were adapted: "
                + " ".join(f"{protocols[p]}: {PROTOCOLS[p].description}" for p in protocols if p in PROTOCOLS),
            )
            ids = choices.contenders(info, protocol)
            names = {id: str(info.encoders[id]["label"]) for id in ids}
            first = pickers.one("First contender", names, "first", choices.first(info, ids), help=MINUS)
            others = {id: name for id, name in names.items() if id != first} or names
            partner = choices.second(info, ids, first)
            second = pickers.one("Second contender", others, "second", partner, help=MINUS)
            st.session_state[CHOSEN] = ChosenStudy(info, tuple(known.values()), protocol, first, second)
        if uploads:
            own_images.uploaded()
        own_images.keep(own_images.FROM_UPLOAD if uploads else "")


def chosen() -> ChosenStudy:
    """What the sidebar holds; ends the page, after saying why, when there is no study."""
    found: ChosenStudy | None = st.session_state.get(CHOSEN)
    if found is None:
        st.info(
            "There is no study with results yet. Run one on the page 'Run a study', or with 'invariscope study'.",
            icon=":material/info:",
        )
        st.stop()
    return found
