"""The default pairs as small cards: the comparisons to start with."""

import streamlit as st

from core.encoders import partners
from core.encoders.partners import COMPARISONS, Comparison
from core.encoders.registry import encoders
from core.encoders.spec import EncoderSpec
from core.text import plain
from pages.ui import blocks, lineup


def show(spec: EncoderSpec) -> None:
    """Open the card of an encoder. For callbacks."""
    st.session_state["model"] = spec.id
    st.toast(f"The card of {plain(spec.label)} is open below the table.", icon=":material/arrow_downward:")


def pairs() -> None:
    """All default pairs, three in a row."""
    for start in range(0, len(COMPARISONS), 3):
        row = COMPARISONS[start : start + 3]
        for column, pair in zip(st.columns(3)[: len(row)], row, strict=True):
            with column, st.container(border=True, height="stretch", gap="xsmall"):
                _pair(pair)


def _pair(pair: Comparison) -> None:
    known = encoders()
    first, second, *more = (known[id] for id in pair.ids)
    unlike = partners.differences(first, second)
    key = f"pair_{'_'.join(pair.ids)}"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(first.label.partition(' · ')[0])}**", width="content")
        with st.popover(f"Not controlled: {len(unlike)}", icon=":material/balance:", type="tertiary"):
            st.markdown("Besides the regime these differ:\n" + "\n".join(f"- {plain(text)}" for text in unlike))
    for spec in (first, second, *more):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                plain(spec.label.partition(" · ")[2] or spec.label),
                key=f"{key}_{spec.id}",
                type="tertiary",
                on_click=show,
                args=(spec,),
                help=f"Open the card of {plain(spec.id)}, below the table.",
            )
            blocks.badge(spec)
    st.caption(plain(pair.why))
    lineup.compare_button((first, second), key)
