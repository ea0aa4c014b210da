"""What the study pages share about single data sets and samples: the choice of a set, and pictures of its samples."""

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.augmentations import AUGMENTATIONS
from core.errors import InvariscopeError
from core.plots.shipped import FAR
from core.results import image_figures
from core.results.image_figures import FIGURES
from core.results.info import StudyInfo
from core.study.gallery import Gallery, absent
from core.study.protocols import PROTOCOLS
from core.text import plain
from pages.ui import inputs, pickers, resources
from pages.ui.places import said

SIDE = 168
ANY = "any"
RIGHT, WRONG = ":material/check_circle:", ":material/cancel:"


def pick_dataset(info: StudyInfo, protocol: str, encoders: Sequence[str]) -> str:
    """The data set to look at, among those that a contender has answers on; in the address as `dataset`."""
    options = [id for id in info.by_domain() if info.done(protocol, encoders, (id,))]
    labels = {id: str(info.datasets[id]["label"]) for id in options}
    return pickers.one("Data set", labels, "dataset", with_images(info, options), width=240, help="By domain.")


def with_images(info: StudyInfo, options: Sequence[str]) -> str | None:
    """The data set whose images are on every machine, so that pages which show images open on some; None without it."""
    return FAR if FAR in options and info.datasets[FAR]["address"] == FAR else None


def pick_measured(info: StudyInfo, dataset: str, first: str, second: str) -> tuple[str, str, float, float] | None:
    """What was measured of the images that are to be shown, as `pairs.samples` takes it; None for no such choice."""
    under = {id: AUGMENTATIONS[id].label for id in image_figures.augmentations(info, (first, second), dataset)}
    known = {id for id in FIGURES if dataset in info.measured(FIGURES[id].measure, (first, second))}
    if not known:
        return None
    labels = {ANY: "Any"} | {id: FIGURES[id].label.capitalize() for id in FIGURES if id in known}
    about = " ".join(f"{labels[id]}: {FIGURES[id].about}" for id in FIGURES if id in known)
    figure = pickers.one("Measured", labels, "by", ANY, width=210, help=f"Of the images that were measured. {about}")
    if figure == ANY:
        return None
    kind, low, high, augmentation = FIGURES[figure], FIGURES[figure].low, 1.0, ""
    if kind.measure == image_figures.MOVED:
        augmentation = pickers.one("Under", under, "under", width=190)
    if low is None:
        grid = AUGMENTATIONS[augmentation].strengths
        low, high = float(min(grid)), float(max(grid))
    least, most = st.slider(
        "Figure of either",
        low,
        high,
        (low, high),
        (high - low) / 100,
        format="%.3g",
        key=f"within_{figure}" if kind.low is not None else f"within_{augmentation}",
        bind="query-params",
        width=240,
        help="Images where at least one contender's figure lies in this range.",
    )
    # A cosine below its floor may fall under the end of the slider, where it belongs to all.
    return figure, augmentation, least if least > low else -math.inf, most if most < high else math.inf


def class_name(info: StudyInfo, dataset: str, label: int) -> str:
    """A class as people read it."""
    return str(info.datasets[dataset]["classes"][int(label)])


def opened(info: StudyInfo, dataset: str) -> Gallery | None:
    """The images of a set when they are at hand; else None, after saying where they are looked for."""
    try:
        found = resources.gallery(info, dataset)
    except InvariscopeError as error:
        line, more = absent(info, dataset, str(error))
        st.caption(f":material/hide_image: {said(line)}", help=said(more))
        return None
    if found.changed:
        st.warning(
            "The data set is no longer what the study read: a file, a label or the order differs. Images are shown by "
            "the id of the sample and may not be the ones that were answered.",
            icon=":material/sync_problem:",
        )
    return found


def verdict(name: str, predicted: str, right: bool, confidence: float, share: float = 1.0, seeds: int = 1) -> str:
    """One contender's answer as a line of a card: a sign, a word, the answer, how sure.

    Where seeds disagree about a sample, the word is what most of them say, and the answer is the first seed's.
    """
    sign = RIGHT if right else WRONG
    word = "right" if right else "wrong"
    if seeds > 1 and 0 < share < 1:
        return (
            f"{sign} **{plain(name)}** {word}, {round(share * seeds)} of {seeds:d} right; "
            f"first: {plain(predicted)}, {confidence:.0%}"
        )
    return f"{sign} **{plain(name)}** {word}: {plain(predicted)}, {confidence:.0%}"


def picture(found: Gallery, sample_id: str, words: str) -> None:
    """The image of a sample, or a line that it has none."""
    data = resources.study_thumbnail(found, sample_id, SIDE)
    if data is None:
        st.caption(":material/broken_image: no readable image")
    else:
        st.image(data, width="stretch", output_format="PNG", alt=words)


def compare(sample: inputs.StudySample, contenders: Sequence[str], key: str) -> None:
    """A button that takes a sample to the page Compare, with the answers that the study recorded."""
    # The callback runs before any widget of the next run, which is when what widgets hold may still be set.
    if st.button(
        "Open in Compare",
        icon=":material/compare:",
        key=key,
        type="tertiary",
        on_click=inputs.take_study_sample,
        args=(sample, list(contenders)),
    ):
        # Without parameters of its own Streamlit would refuse to leave those that are bound to widgets of this page.
        st.switch_page("compare.py", query_params={})


def answers(sample: inputs.StudySample) -> None:
    """What a study recorded of a sample: the question, the truth, and each contender's answer."""
    by = PROTOCOLS[sample.protocol].label if sample.protocol in PROTOCOLS else sample.protocol
    with st.container(border=True, gap="small", key="recorded_answers"):
        st.markdown(f"**{plain(sample.sample_id)}** is *{plain(sample.label)}*")
        for name, answer, confidence, right in sample.recorded:
            st.markdown(verdict(name, answer, right, confidence))
        st.caption(f"Recorded by study {plain(sample.study)}: {plain(by)}, first seed, before temperature.")


def rows(table: pd.DataFrame, alt: str, key: str, select: bool = False) -> int | None:
    """Samples as a table, where there is no image to show; with `select`, the position of the row that is chosen."""
    bar = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
    config = {str(name): bar for name in table if "confidence" in str(name)}
    if not select:
        st.dataframe(table, hide_index=True, column_config=config, alt=alt, key=key)
        return None
    chosen = st.dataframe(
        table,
        hide_index=True,
        column_config=config,
        alt=alt,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
    )
    return next(iter(chosen["selection"]["rows"]), None)
