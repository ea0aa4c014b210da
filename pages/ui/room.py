"""A picture from the room, put through a scene of the story while everybody watches."""

import streamlit as st

from core.errors import InvariscopeError
from core.talk import deck, scenes
from core.talk.stories import Story
from pages.ui import decks, inputs, own_images, routes
from pages.ui.own_images import FROM_CAMERA, FROM_UPLOAD, UPLOAD_MB, UPLOAD_TYPES

SHOWN, HELD = "room_shown", "room_held"
HEIGHT = 640  # px


def offer(story: Story) -> None:
    """The part of the page Talk that takes a picture and shows a scene with it; nothing of it is stored."""
    fit = {i: scene for i, scene in enumerate(story.scenes) if scenes.takes_a_picture(scene)}
    if not fit:
        return
    part = st.expander(
        "A picture from the room, in a scene of this story",
        icon=":material/add_a_photo:",
        on_change="rerun",
        key="room_part",
    )
    with part:
        if not part.open:
            return
        at = st.selectbox("Scene", list(fit), format_func=lambda i: f"{i + 1}. {fit[i].sentence}", key="room_scene")
        way = st.segmented_control(
            "From", [FROM_UPLOAD, FROM_CAMERA], default=FROM_UPLOAD, required=True, key="room_from"
        )
        if way == FROM_CAMERA:
            file = st.camera_input("Take a photo", key="room_camera")
        else:
            file = st.file_uploader("Picture", type=UPLOAD_TYPES, max_upload_size=UPLOAD_MB, key="room_upload")
        if file is None or at is None:
            st.caption("It stays in the memory of this session, and goes with it: it is in no file and in no story.")
            return
        image = own_images.opened(file)
        if image is None:
            return
        asked = (image.digest, repr(fit[at]))
        if st.session_state.get(SHOWN, ("",))[:-1] != asked:
            try:
                with st.spinner("Putting it through the scene"):
                    page, _ = deck.build(Story(story.title, (fit[at],)), show=lambda scene: scenes.show(scene, image))
            except InvariscopeError as error:
                inputs.explain(error)
                return
            st.session_state[SHOWN] = (*asked, decks.hold(page, HELD))
        address = f"{routes.deck(st.session_state[SHOWN][-1])}#/1"
        st.iframe(
            address, height=HEIGHT, tab_index=0, alt=f"The scene with a picture from the room: {fit[at].sentence}"
        )
        st.link_button("In a window of its own", address, icon=":material/open_in_new:", type="primary")
