"""The filters of the Models page; all of them are in the address."""

import streamlit as st

from core import choosing
from core.choosing import Wanted
from core.text import plain

LABELS = {
    "regime": "Regime",
    "method": "Method",
    "line": "Line",
    "architecture": "Architecture",
    "data": "Pre-training data",
    "licence": "Licence",
}
HELP = {
    "regime": "What taught the encoder. Self-supervised by name but fine-tuned with labels is a regime of its own.",
    "line": "Encoders of one line have kindred architectures.",
}


def key_of(facet: str) -> str:
    """The widget's key, which is also the name in the address."""
    return f"models_{facet}"


def filters() -> tuple[Wanted, str]:
    """What the visitor looks for, and the name of the order."""
    left, middle, right = st.columns([4, 6, 2], vertical_alignment="bottom")
    query = left.text_input(
        "Search",
        key="models_query",
        placeholder="name, method, data, paper …",
        icon=":material/search:",
        bind="query-params",
    )
    only = middle.pills(
        "Only",
        choosing.ONLY,
        selection_mode="multi",
        key="models_only",
        bind="query-params",
        label_visibility="collapsed",
    )
    sort = right.selectbox(
        "Sort by",
        choosing.SORT_NAMES,
        key="models_sort",
        bind="query-params",
        help="Accuracies are published ImageNet top-1, highest first; size is smallest first; unknown ones come last.",
    )
    facets: dict[str, tuple[str, ...]] = {}
    columns = [*st.columns(3), *st.columns(3)]
    for column, (facet, label) in zip(columns, LABELS.items(), strict=True):
        chosen = column.multiselect(
            plain(label),
            choosing.values(facet),
            key=key_of(facet),
            bind="query-params",
            placeholder="any",
            help=HELP.get(facet),
        )
        facets[facet] = tuple(chosen)
    return Wanted(facets, tuple(only or ()), query or ""), sort or choosing.SORT_NAMES[0]
