"""The stories of this session, and the button that takes the view of a page along: into one of them, or as a file."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from core.errors import InvalidRequest
from core.talk import kept
from core.talk.scenes import FIGURES, depends_on
from core.talk.stories import LONGEST, MAX_SCENES, Scene, Story, Value, shipped
from core.text import plain
from pages.ui import decks

OWN, NEW = "own_stories", "a new story"


def own() -> dict[str, Story]:
    """Stories of this session by id; they end with it unless they are downloaded."""
    stories: dict[str, Story] = st.session_state.setdefault(OWN, {})
    return stories


def every() -> dict[str, Story]:
    """All stories by id: those that ship first."""
    return shipped() | own()


def keep(story: Story, id: str = "") -> str:
    """Keep a story under its id, or a new one under the next; returns the id."""
    taken = own()
    id = id or next(f"own-{n}" for n in range(1, len(taken) + 2) if f"own-{n}" not in taken)
    taken[id] = story
    return id


def offer(view: Mapping[str, object], *figures: str, linkable: bool = True) -> None:
    """The button that adds what a page shows to a story.

    Args:
        view: the bound state of the page, by parameter of its address; what a figure does not depend on is left out.
        figures: keys of `FIGURES`, those of the page that have something to show.
        linkable: whether the address holds all that is shown.
    """
    with st.popover("Take this view along", icon=":material/co_present:"):
        if not linkable:
            st.caption("A story holds addresses, and an upload is in none: choose a sample first.")
            return
        key = f"story_{figures[0]}"
        figure = figures[0]
        if len(figures) > 1:
            labels = {id: FIGURES[id].label for id in figures}
            figure = st.selectbox("Figure", list(figures), format_func=lambda id: labels[id], key=key) or figure
        sentence = st.text_input("What readers and audience read", max_chars=LONGEST["sentence"], key=f"{key}_sentence")
        scene = Scene(figure, " ".join(sentence.split()), "", bound(view, figure))
        st.download_button(
            "This view as one file (HTML)",
            lambda: kept.build(Story(scene.sentence, (scene,)), show=decks.scene).path.read_bytes(),
            "view.html",
            "text/html",
            on_click="ignore",
            icon=":material/download:",
            key=f"{key}_file",
            disabled=not scene.sentence,
            help="It needs no server and no network, holds the figure and where its numbers come from, and prints.",
        )
        titles = {id: story.title for id, story in own().items()} | {NEW: "A new story"}
        to = st.selectbox("Story", list(titles), format_func=lambda id: plain(titles[id]), key=f"{key}_to") or NEW
        if st.button("Add", key=f"{key}_add", type="primary", disabled=not scene.sentence):
            try:
                add(to, scene)
                st.success("Added. The page Talk shows, orders and gives it.", icon=":material/check:")
            except InvalidRequest as error:
                st.error(plain(error), icon=":material/error:")


def bound(view: Mapping[str, object], figure: str) -> dict[str, Value]:
    """What of a page's state a figure depends on, as a story writes it."""
    # What is no scalar on a page is a row of ids or numbers.
    return {
        key: value if isinstance(value, str | bool | int | float) else tuple(map(str, value))  # type: ignore[call-overload]
        for key, value in view.items()
        if value is not None and depends_on(FIGURES[figure], key)
    }


def add(id: str, scene: Scene) -> None:
    """Add a scene to the end of a story of this session, or to a new one.

    Raises:
        InvalidRequest: the story is full.
    """
    story = own().get(id, Story("My story"))
    if len(story.scenes) >= MAX_SCENES:
        raise InvalidRequest(f"A story has at most {MAX_SCENES} scenes: begin another one.")
    keep(replace(story, scenes=(*story.scenes, scene)), id if id in own() else "")
