"""A figure of a study on its page, as talks and reports draw it, with one menu: its numbers, files, and talks."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import streamlit as st

from core.talk import scenes
from core.talk.parts import Chart, Marked
from core.talk.stories import Scene, Value
from core.text import plain
from pages.ui import blocks, resources, stories


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
    """Draw a figure of a study, charts side by side; where it cannot be drawn, say why.

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
        more = partial(stories.offer, id, scene.view) if at == 0 else None
        with column:
            blocks.figure(chart.figure, chart.table, chart.alt, chart.name, select, light, more)
    return shown


def _drawn(scene: Scene, dark: bool) -> Shown:
    found = scenes.show(scene, ask=resources.of_study, dark=dark)
    if isinstance(found, Marked):
        st.info(plain(found.reason), icon=":material/info:")
        return Shown()
    return Shown(tuple(part for part in found.parts if isinstance(part, Chart)), found.note)


def menu(id: str, linkable: bool, **instead: Value) -> None:
    """The menu of a page whose figure is no single chart.

    Args:
        id: of the figure.
        linkable: whether the address holds all that is shown.
        instead: as of `state`.
    """
    with st.popover(blocks.MENU, icon=":material/ios_share:"):
        if linkable:
            stories.offer(id, state(id, **instead))
        else:
            st.caption("A story holds addresses, and an upload is in none: choose a sample first.")
