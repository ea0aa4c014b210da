"""The sidebar that the study pages share: which study, which protocol, which two contenders face each other.

All of it is in the address (`study`, `protocol`, `first`, `second`), so a view can be linked.
"""

from dataclasses import dataclass
from typing import LiteralString

import streamlit as st

from core.errors import InvariscopeError
from core.results import choices, store
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import inputs

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


def _pick(label: LiteralString, options: list[str], preferred: str, key: str, help: str) -> str:
    # A choice that the other study or protocol does not have gives way to the preferred one.
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    index = options.index(preferred) if preferred in options else 0
    chosen = st.selectbox(label, options, index=index, key=key, bind="query-params", help=plain(help))
    return chosen or options[index]


def sidebar() -> None:
    """Draw the shared inputs; pages read them with `chosen`."""
    st.session_state.pop(CHOSEN, None)
    with st.sidebar:
        try:
            known = {id: info for id, info in store.studies().items() if choices.protocols(info)}
        except InvariscopeError as error:
            inputs.explain(error)
            known = {}
        if known:
            id = _pick("Study", list(known), next(iter(known)), "study", "Studies of all result folders.")
            info = known[id]
            st.caption(plain(info.title))
            protocols = choices.protocols(info)
            protocol = _pick(
                "Protocol",
                protocols,
                protocols[0],
                "protocol",
                "How the encoders were adapted: "
                + " ".join(f"{p}: {PROTOCOLS[p].description}" for p in protocols if p in PROTOCOLS),
            )
            ids = choices.contenders(info, protocol)
            first = _pick(
                "First contender", ids, choices.first(info, ids), "first", "Differences are second minus first."
            )
            others = [id for id in ids if id != first] or ids
            partner = choices.second(info, ids, first)
            second = _pick("Second contender", others, partner, "second", MINUS)
            st.session_state[CHOSEN] = ChosenStudy(info, tuple(known.values()), protocol, first, second)
        inputs.keep_uploads()


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


def bound(chosen: ChosenStudy) -> dict[str, object]:
    """What of the address the sidebar decides, by parameter."""
    return {"study": chosen.info.id, "protocol": chosen.protocol, "first": chosen.first, "second": chosen.second}
