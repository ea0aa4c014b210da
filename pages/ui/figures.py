"""A figure of a study, or of the cards, as talks and reports draw it, with one menu: its numbers, files, and talks."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import streamlit as st

from core.errors import DataUnavailable
from core.talk import report, scenes
from core.talk.parts import Chart, Marked
from core.talk.stories import Scene, Value
from core.text import plain
from pages.ui import blocks, resources, stories, study_inputs


def state(id: str, **instead: Value) -> dict[str, Value]:
    """What a figure of `scenes.FIGURES` depends on, as the inputs of its page hold it under the same names.

    Args:
        id: of the figure.
        instead: what this place says otherwise than the inputs.
    """
    held = {key: value for key, value in st.session_state.items() if scenes.depends_on(scenes.FIGURES[id], str(key))}
    # What is no scalar on a page is a row of ids.
    kept = {str(key): tuple(value) if isinstance(value, list) else value for key, value in held.items()}
    return {key: value for key, value in (kept | instead).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Shown:
    """The charts that were drawn, none where the figure cannot be, and what else must be said to read them."""

    charts: tuple[Chart, ...] = ()
    note: str = ""


def show(id: str, select: Literal["", "point", "area"] = "", **instead: Value) -> Shown:
    """Draw a figure of a study or of the cards, charts side by side; where it cannot be drawn, say why.

    Args:
        id: of the figure.
        select: as of `blocks.figure`.
        instead: as of `state`.
    """
    scene, dark = Scene(id, "", "", state(id, **instead)), st.context.theme.type == "dark"
    shown = _drawn(scene, dark)
    for at, (column, chart) in enumerate(zip(st.columns(len(shown.charts) or 1), shown.charts, strict=False)):
        # On paper all is as on a light page.
        light = (lambda at=at: _drawn(scene, False).charts[at].figure) if dark else None
        more = partial(along, scene, scenes.command(scene)) if at == 0 else None
        with column:
            blocks.figure(chart.figure, chart.table, chart.alt, chart.name, select, light, more)
    return shown


def _drawn(scene: Scene, dark: bool) -> Shown:
    # Whatever of the studies at hand a figure reads: a chart takes longer to put together than its numbers to find.
    of_study = "study" in scenes.FIGURES[scene.figure].keys
    studies = [study.version for study in study_inputs.chosen().studies] if of_study else []
    key = (scene.figure, repr(sorted(scene.view.items())), str(dark), *studies)
    try:
        return resources.held(key, partial(_draw, scene, dark))
    except DataUnavailable as error:
        st.info(plain(error), icon=":material/info:")
        return Shown()


def _draw(scene: Scene, dark: bool) -> Shown:
    found = scenes.show(scene, ask=resources.of_study, dark=dark)
    if isinstance(found, Marked):
        raise DataUnavailable(found.reason)  # which nothing keeps: what is not here today may be tomorrow
    return Shown(tuple(part for part in found.parts if isinstance(part, Chart)), found.note)


def menu(id: str, line: str, linkable: bool, **instead: Value) -> None:
    """The menu of a page whose figure is no single chart.

    Args:
        id: of the figure.
        line: the command that gives its numbers.
        linkable: whether the address holds all that is shown.
        instead: as of `state`.
    """
    with st.popover(blocks.MENU, icon=":material/ios_share:"):
        along(Scene(id, "", "", state(id, **instead)), line, linkable)


def words(*ids: str) -> None:
    """The menu of figures of words, which a page says in its own way: for a talk alone."""
    with st.popover("What is compared, and its limits, for a talk", icon=":material/ios_share:"):
        labels = {id: scenes.FIGURES[id].label for id in ids}
        id = st.selectbox("Figure", list(ids), format_func=lambda id: labels[id], key="words_of") or ids[0]
        stories.offer(id, state(id))


def report_of(chosen: study_inputs.ChosenStudy) -> None:
    """A button that gives every figure of a study with its sources as one file."""
    blocks.download(
        "Report of this study (HTML)",
        partial(report.build, chosen.info, chosen.protocol, chosen.first, chosen.second, ask=resources.of_study),
        "report.html",
        icon=":material/summarize:",
        help="Every figure with its finding, tables, the plan, licences and what to cite. It needs no network, and "
        "prints on A4. Drawing it takes some seconds.",
    )


def along(scene: Scene, line: str, linkable: bool = True) -> None:
    """The part of a menu that says how to make a figure again and what to cite, and takes it into a file or a talk."""
    file = f"{scene.figure.replace('/', '_')}.bib"
    blocks.download("What to cite (BibTeX)", lambda: scenes.bibtex(scene).encode(), file)
    st.caption("The command that gives its numbers again:")
    st.code(line, language="bash", wrap_lines=True)
    if linkable:
        stories.offer(scene.figure, scene.view)
    else:
        st.caption("A story holds addresses, and an upload is in none: choose a sample first.")
