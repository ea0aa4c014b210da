"""Class by class, under the 2 × 2 of a study's samples: accuracies, and what is taken for what."""

from collections.abc import Mapping

import streamlit as st

from core.results import classes
from core.results.info import StudyInfo
from core.talk.on_studies import DIFFERENCE
from pages.ui import figures, pickers, resources


def show(info: StudyInfo, protocol: str, pair: tuple[str, str], dataset: str, names: Mapping[str, str]) -> None:
    """The table of classes, and the confusion matrix of one contender or the difference of both."""
    first, second = pair
    table = resources.of_study(info, classes.by_class, protocol, first, second, dataset)
    known = [str(name) for name in info.datasets[dataset]["classes"]]
    label = str(info.datasets[dataset]["label"])
    told = table.sort_values("difference").assign(
        label=lambda rows: rows["label"].map(lambda i: known[i]),
        **{
            side: lambda rows, side=side: rows[side].map(lambda i: known[i] if i >= 0 else "")
            for side in ("first_takes", "second_takes")
        },
    )
    percent = st.column_config.ProgressColumn
    st.dataframe(
        told,
        hide_index=True,
        key="by_class",
        height="content" if len(told) <= 12 else 420,
        column_config={
            "label": st.column_config.TextColumn("class", pinned=True),
            "first": percent(f"{names[first]} right", format="percent", min_value=0, max_value=1),
            "second": percent(f"{names[second]} right", format="percent", min_value=0, max_value=1),
            "difference": st.column_config.NumberColumn(f"{names[second]} minus {names[first]}", format="percent"),
            "low": st.column_config.NumberColumn("95 % from", format="percent"),
            "high": st.column_config.NumberColumn("to", format="percent"),
            "first_takes": f"{names[first]} mostly takes it for",
            "second_takes": f"{names[second]} mostly takes it for",
        },
        alt=f"{len(told)} classes of {label}, the one that {names[first]} is furthest ahead on first: "
        f"{told['label'].iloc[0]}, {told['difference'].iloc[0]:+.0%}.",
    )
    st.caption("Intervals are of one class each, over its images; of many classes some differ by chance.")
    pickers.one(
        "What is taken for what",
        {id: names[id] for id in pair} | {DIFFERENCE: f"{names[second]} minus {names[first]}"},
        "confusion",
        width=260,
    )
    figures.show("samples/confusion")
