"""The sidebar that the study pages share: which study, which protocol, which two contenders face each other.

All of it is in the address (`study`, `protocol`, `first`, `second`), so a view can be linked.
"""

from dataclasses import dataclass
from typing import LiteralString

import streamlit as st

from core.errors import InvariscopeError
from core.results import store
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import inputs

CHOSEN = "chosen_study"


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


def _families(info: StudyInfo, protocol: str) -> dict[str, str]:
    """Family of each encoder with finished cells of a protocol, in the study's order."""
    done = {info.cells[id]["encoder"] for id in info.done(protocol)}
    return {id: entry["family"] for id, entry in info.encoders.items() if id in done}


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
            known = {id: info for id, info in store.studies().items() if _protocols(info)}
        except InvariscopeError as error:
            inputs.explain(error)
            known = {}
        if known:
            id = _pick("Study", list(known), next(iter(known)), "study", "Studies of all result folders.")
            info = known[id]
            st.caption(plain(info.title))
            protocols = _protocols(info)
            protocol = _pick(
                "Protocol",
                protocols,
                protocols[0],
                "protocol",
                "How the encoders were adapted: "
                + " ".join(f"{p}: {PROTOCOLS[p].description}" for p in protocols if p in PROTOCOLS),
            )
            families = _families(info, protocol)
            ids = list(families)
            supervised = next((id for id in ids if families[id] == "SL"), ids[0])
            first = _pick("First contender", ids, supervised, "first", "Differences are second minus first.")
            others = [id for id in ids if id != first] or ids
            partner = next((id for id in others if families[id] == "SSL"), others[0])
            second = _pick("Second contender", others, partner, "second", "Differences are second minus first.")
            st.session_state[CHOSEN] = ChosenStudy(info, tuple(known.values()), protocol, first, second)
        inputs.keep_uploads()


def _protocols(info: StudyInfo) -> list[str]:
    """The protocols with finished cells, in the study's order."""
    done = {info.cells[id]["protocol"] for id in info.done()}
    return [id for id in info.manifest["protocols"] if id in done]


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
