"""What puts encoders into the line-up of the comparing pages: callbacks."""

from collections.abc import Sequence

import streamlit as st

from core.encoders.files import weights
from core.encoders.spec import EncoderSpec
from core.heads import store
from pages.ui import inputs


def common_task(specs: Sequence[EncoderSpec]) -> str | None:
    """A task that all of several encoders can answer, the one in the sidebar where possible; None if there is none."""
    shared = [task for task in store.tasks_of(specs[0]) if all(task in store.tasks_of(spec) for spec in specs[1:])]
    now = st.session_state.get("task", inputs.DEFAULT_TASK)
    return now if now in shared else next(iter(shared), None)


def add(spec: EncoderSpec) -> None:
    """Add an encoder to the contenders of every page; those that cannot answer its task make room for it."""
    task = common_task([spec])
    if task is None:
        return
    able = store.encoders_for(task)
    now = st.session_state.get("encoders", inputs.DEFAULT_PAIR)
    st.session_state["task"] = task
    kept = [id for id in now if id in able and id != spec.id]
    st.session_state["encoders"] = [*kept, spec.id][-inputs.MAX_CONTENDERS :]


def compare(specs: Sequence[EncoderSpec]) -> None:
    """Make some encoders the contenders of every page."""
    task = common_task(specs)
    if task is not None:
        st.session_state["task"] = task
        st.session_state["encoders"] = [spec.id for spec in specs][: inputs.MAX_CONTENDERS]


def study(specs: Sequence[EncoderSpec]) -> None:
    """Make some encoders those of the next study."""
    st.session_state["run_encoders"] = [spec.id for spec in specs]


def compare_button(specs: Sequence[EncoderSpec], key: str) -> None:
    """A button that compares encoders on an image, or in a study where they share no published head.

    A study fits its own heads, so it can compare any encoders that are on this machine.
    """
    if common_task(specs):
        if st.button("Compare these two", key=key, icon=":material/compare:", on_click=compare, args=(specs,)):
            # Without the address: what it holds already would win over what was just chosen.
            st.switch_page("compare.py", query_params={})
        return
    here = all(weights.is_here(spec.weights) for spec in specs)
    why = "They share no published head. A study fits its own and compares them"
    if st.button(
        "Study these two",
        key=key,
        icon=":material/analytics:",
        on_click=study,
        args=(specs,),
        disabled=not here,
        help=f"{why}." if here else f"{why}, once both are downloaded.",
    ):
        st.switch_page("run_study.py", query_params={})
