"""What the pages about measured properties share: the pair, the data sets that have them, and what is absent."""

from collections.abc import Sequence
from typing import LiteralString

import streamlit as st

from core.plots import study
from core.plots.style import short_labels
from core.results import invariance
from core.results.info import StudyInfo
from core.study.measures import MEASURES
from core.text import plain
from pages.ui import pickers, study_samples
from pages.ui.study_inputs import ChosenStudy

ALL = "all data sets"


def pair(chosen: ChosenStudy) -> tuple[str, str]:
    """The two contenders; ends the page where there is one alone."""
    if chosen.first == chosen.second:
        st.info("This page compares two contenders; the study has one by this protocol.", icon=":material/info:")
        st.stop()
    return chosen.first, chosen.second


def names(info: StudyInfo) -> dict[str, str]:
    """Short names of a study's encoders by id."""
    return short_labels(study.encoders_of(info))


def require(chosen: ChosenStudy, found: Sequence[str], *measures: str) -> None:
    """End the page where a study holds nothing of it, after saying how to measure it and which study does."""
    if found:
        return
    info = chosen.info
    asked = " and ".join(MEASURES[id].label.lower() for id in measures)
    others = [other for other in chosen.studies if all(other.done(measure=id) for id in measures)]
    for other in others:
        st.button(
            f"Open {plain(other.title)}",
            icon=":material/arrow_forward:",
            key=f"measured_in_{other.id}",
            type="primary",
            on_click=pickers.choose,
            args=("study", other.id),
        )
    st.info(
        f"The study '{plain(info.id)}' holds answers, and {plain(asked)} of these contenders were not measured. "
        "Measuring goes on in the study's own folder, or in a copy of it:",
        icon=":material/add_chart:",
    )
    more = ",".join(("answers", *measures))
    st.code(f"invariscope study --out PATH/TO/{info.id} --measures {more}", language="bash")
    st.stop()


def pick_way(label: LiteralString, options: Sequence[str]) -> str:
    """What invariance is read of, a key of `invariance.WAYS`; whitened unless the address says otherwise."""
    return pickers.one(
        label,
        {id: invariance.WAYS[id].label for id in options},
        "way",
        "whitened",
        width=230,
        help="Raw features of different images are alike already; centring and whitening take out what all images "
        "share. Whitening is that of Ericsson et al. (2021), fitted on the training part.",
    )


def pick(info: StudyInfo, found: Sequence[str], together: bool) -> tuple[str, ...]:
    """The data sets to look at: one of those that have what the page shows, or all of them."""
    labels = {id: str(info.datasets[id]["label"]) for id in found}
    if together and len(found) > 1:
        labels = {ALL: "All data sets"} | labels
    first = None if ALL in labels else study_samples.with_images(info, found)
    chosen = pickers.one("Data set", labels, "measured", first, width=260)
    return tuple(found) if chosen == ALL else (chosen,)
