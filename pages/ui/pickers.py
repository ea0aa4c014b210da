"""Pickers that show labels and keep ids. The address holds the ids, which outlive a change of words.

Streamlit's own binding would write labels into the address. What stands there is taken up when it came from outside: by
a link, or by the browser's way back.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString

import streamlit as st

from core.text import plain

WRITTEN = "written into the address: "
UNCHOSEN = "shown without being chosen: "
ARRIVED = "arrived"
LATE = 1.0
"""Seconds in which a browser may still ask with the address as it was before the last choice."""


def arrive(page: str) -> None:
    """Note whether a run is the first one on its page: there an address without a choice leaves the choice as it is."""
    st.session_state[ARRIVED] = st.session_state.get("page") != page
    st.session_state["page"] = page


def choose(key: str, value: object) -> None:
    """Make something the choice of a picker. For callbacks: over a link's, what the address holds already would win."""
    st.session_state[key] = value


def one(
    label: LiteralString,
    options: Mapping[str, str],
    key: str,
    default: str | None = None,
    control: Callable[..., Any] = st.selectbox,
    help: str | None = None,
    **look: Any,
) -> str:
    """The id that is chosen, in the address as `key`.

    Args:
        label: of the picker.
        options: labels by id, at least one.
        key: of the choice in the session.
        default: id; the first one without.
        control: `st.selectbox` or `st.segmented_control`.
        help: plain text beside the label.
        look: what the control takes besides.
    """
    options = _distinct(options)
    usual = default if default in options else next(iter(options))
    _follow(key, options, [usual])
    if st.session_state.get(key) not in options:
        st.session_state[key] = usual
    if control is st.segmented_control:
        look["required"] = True
    chosen = control(
        label,
        list(options),
        key=key,
        format_func=lambda id: options[id],
        persist_state="session",
        help=None if help is None else plain(help),
        **look,
    )
    chosen = chosen if chosen in options else usual
    _write(key, [chosen], [usual])
    return str(chosen)


def several(
    label: LiteralString,
    options: Mapping[str, str],
    key: str,
    default: Sequence[str],
    help: str | None = None,
    **look: Any,
) -> list[str]:
    """The ids that are chosen, maybe none; as `one`."""
    options = _distinct(options)
    _follow(key, options, list(default), several=True)
    wanted = [id for id in st.session_state.get(key, default) if id in options]
    # A list that someone emptied stays empty, or the last choice could never be replaced by another one.
    if not wanted and st.session_state.get(key, default):
        wanted = list(default)
    if st.session_state.get(key) != wanted:
        st.session_state[key] = wanted
    chosen = st.multiselect(
        label,
        list(options),
        key=key,
        format_func=lambda id: options[id],
        persist_state="session",
        help=None if help is None else plain(help),
        **look,
    )
    _write(key, chosen, list(default))
    return list(chosen)


def _distinct(options: Mapping[str, str]) -> dict[str, str]:
    """The options, those of one label told apart by their ids."""
    labels = list(options.values())
    return {id: name if labels.count(name) == 1 else f"{name} ({id})" for id, name in options.items()}


def _follow(key: str, options: Mapping[str, str], usual: list[str], several: bool = False) -> None:
    """Take up what stands in the address, where it is not what was written there last."""
    asked = st.query_params.get_all(key)
    written, before, when = st.session_state.get(WRITTEN + key, ([], None, 0.0))
    if not asked and st.session_state[ARRIVED]:
        # What nobody chose stays behind: each page has its own usual choice. What is kept is set again, or a control
        # that had other options on the last page would start with its first.
        shown = st.session_state.get(key)
        if shown is None or shown == st.session_state.get(UNCHOSEN + key):
            shown = usual if several else usual[0]
        st.session_state[key] = shown
        return
    if asked == written or (asked == before and time.monotonic() < when + LATE):
        return
    known = [id for id in asked if id in options] or usual
    st.session_state[key] = known if several else known[0]
    st.session_state[WRITTEN + key] = (asked, None, 0.0)


def _write(key: str, chosen: list[str], usual: list[str]) -> None:
    """Write a choice into the address; the usual one is left out, as it is what an address without it shows."""
    value = [] if chosen == usual else chosen
    st.session_state[UNCHOSEN + key] = st.session_state[key] if chosen == usual else None
    written, _, _ = st.session_state.get(WRITTEN + key, ([], None, 0.0))
    if value != written:
        st.session_state[WRITTEN + key] = (value, written, time.monotonic())
    if st.query_params.get_all(key) != value:
        if value:
            st.query_params[key] = value
        else:
            del st.query_params[key]
