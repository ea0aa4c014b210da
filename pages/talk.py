"""A story before an audience: prepared, played, presented, edited, taken away."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from core.errors import InvariscopeError
from core.talk import kept, report
from core.talk.scenes import FIGURES
from core.talk.stories import LONGEST, MAX_BYTES, Story, read, written
from core.text import plain
from pages.ui import blocks, decks, inputs, own_images, quiz, room, routes, stories

FRAME = 640  # px

st.title("Tell it to an audience")
known = stories.every()
if "story_next" in st.session_state:  # set by a button below, before the widget of its name is drawn
    st.session_state["story"] = st.session_state.pop("story_next")
if st.session_state.get("story") not in known:
    st.session_state.pop("story", None)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    id = st.selectbox("Story", list(known), key="story", bind="query-params", width=260) or next(iter(known))
    story = known[id]
    deck = kept.found(story)
    asked = deck is None and st.button("Prepare the talk", type="primary", icon=":material/play_arrow:", key="prepare")
st.markdown(f"## {plain(story.title)}")
if asked:
    bar = st.progress(0.0, text="The first scene")

    def seen(done: int, total: int) -> None:
        bar.progress(done / total, text=f"{done:d} of {total:d} scenes")

    try:
        kept.build(story, seen, decks.scene)
        st.rerun()
    except InvariscopeError as error:
        inputs.explain(error)
    bar.empty()

if deck is None:
    st.caption(
        f"{len(story.scenes)} scenes. All of them are computed before the talk begins, which takes some seconds each; "
        "after that nothing has to be waited for."
    )
else:
    for number, reason in deck.marked:
        st.warning(f"Scene {number:d} says that it cannot be shown: {plain(reason)}", icon=":material/block:")
    address = routes.deck(deck.path.name)
    st.iframe(address, height=FRAME, tab_index=0, alt=f"The talk: {story.title}.")
    st.caption(
        "Click it, then: arrows or space to go on, up and down where a strength is dragged, b for black, s for the "
        "speaker's window, t for light or dark, f for the whole screen, full stop or Esc to end."
    )
    with st.container(horizontal=True, gap="small"):
        st.link_button(
            "In a window of its own", address + quiz.live(story), icon=":material/open_in_new:", type="primary"
        )
        path = deck.path
        told = "Runs from a disk, without a network. The browser's print makes a PDF of it."
        blocks.download(
            "One HTML file", path.read_bytes, f"{id}.html", icon=":material/download:", key="talk_html", help=told
        )


room.offer(story)
quiz.offer(story)


def change(table: pd.DataFrame, title: str) -> Story:
    """The story after what was edited: rows in their order, without those to be removed."""
    rows = table[~table["remove"]].sort_values("order", kind="stable")
    scenes = [
        replace(story.scenes[int(str(at))], sentence=str(row["sentence"] or "…"), notes=str(row["notes"] or ""))
        for at, row in rows.iterrows()
    ]
    return read(written(Story(title or story.title, tuple(scenes))).encode(), "The story")


st.header("Scenes")
labels = [FIGURES[scene.figure].label if scene.figure in FIGURES else scene.figure for scene in story.scenes]
table = pd.DataFrame(
    {
        "order": range(1, len(labels) + 1),
        "figure": labels,
        "sentence": [scene.sentence for scene in story.scenes],
        "notes": [scene.notes for scene in story.scenes],
    }
)
with st.container(horizontal=True, gap="small"):
    blocks.download("Story (TOML)", written(story), f"{id}.toml", key="talk_toml")
    if story.scenes:
        blocks.download(
            "Report of these views (HTML)",
            lambda: report.of_story(story, show=decks.scene)[0],
            f"{id}-report.html",
            icon=":material/summarize:",
            key="talk_report",
            help="To read and to print: each view with its finding, settings, tables, licences and what to cite. "
            "Drawing it takes some seconds, unless the talk is prepared.",
        )
    if id not in stories.own() and st.button("Copy and edit", icon=":material/edit:", key="talk_copy"):
        st.session_state["story_next"] = stories.keep(story)
        st.rerun()
if id in stories.own():
    with st.form(f"edit_{id}", border=False):
        title = st.text_input("Title", story.title, max_chars=LONGEST["title"], key=f"title_{id}")
        edited = st.data_editor(
            table.assign(remove=False),
            hide_index=True,
            disabled=["figure"],
            key=f"scenes_{id}_{hash(written(story))}",
            column_config={
                "order": st.column_config.NumberColumn(width="small", help="Scenes are told by rising number."),
                "sentence": st.column_config.TextColumn(max_chars=LONGEST["sentence"], width="large"),
                "notes": st.column_config.TextColumn(max_chars=LONGEST["notes"], width="large"),
            },
            alt=f"Scenes of {story.title}, to be edited.",
        )
        if st.form_submit_button("Apply", icon=":material/check:"):
            try:
                stories.keep(change(edited, title), id)
                st.rerun()
            except InvariscopeError as error:
                inputs.explain(error)
    st.caption("This story lives in this session: download it to keep it.")
else:
    st.dataframe(table, hide_index=True, alt=f"Scenes of {story.title}.", key="talk_scenes")

given = st.file_uploader("Bring a story", type=["toml"], max_upload_size=1, key="talk_import")
if given is not None and given.file_id != st.session_state.get("talk_imported"):
    st.session_state["talk_imported"] = given.file_id
    try:
        data = given.getvalue()
        st.session_state["story_next"] = stories.keep(read(data[: MAX_BYTES + 1], given.name))
        st.rerun()
    except InvariscopeError as error:
        inputs.explain(error)
own_images.keep()
