"""The stories of this session, and the part of a figure's menu that takes it into one of them, or as a file."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from core.errors import InvalidRequest
from core.talk import kept
from core.talk.stories import LONGEST, MAX_SCENES, Scene, Story, Value, shipped
from core.text import plain
from pages.ui import blocks, decks

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


def offer(figure: str, view: Mapping[str, Value]) -> None:
    """The part of a figure's menu that gives it as one file, or adds it to a story.

    Args:
        figure: key of `core.talk.scenes.FIGURES`.
        view: the state of its page that it depends on, by parameter of the address.
    """
    key = f"story_{figure}"
    sentence = st.text_input("What readers and audience read", max_chars=LONGEST["sentence"], key=f"{key}_sentence")
    scene = Scene(figure, " ".join(sentence.split()), "", view)
    blocks.download(
        "This view as one file (HTML)",
        lambda: kept.build(Story(scene.sentence, (scene,)), show=decks.scene).path.read_bytes(),
        "view.html",
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


def add(id: str, scene: Scene) -> None:
    """Add a scene to the end of a story of this session, or to a new one.

    Raises:
        InvalidRequest: the story is full.
    """
    story = own().get(id, Story("My story"))
    if len(story.scenes) >= MAX_SCENES:
        raise InvalidRequest(f"A story has at most {MAX_SCENES} scenes: begin another one.")
    keep(replace(story, scenes=(*story.scenes, scene)), id if id in own() else "")
