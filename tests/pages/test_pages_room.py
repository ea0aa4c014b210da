"""What the page Talk offers an audience: a quiz of pictures at hand, and a scene with a picture from the room."""

import asyncio
import gc
import re

import pytest
from photos import encoded, photo
from starlette.requests import Request
from starlette.responses import Response
from streamlit.testing.v1 import AppTest

from core.public import TOKEN, VARIABLE
from core.talk.ballot import quizzes
from pages.ui import decks, quiz, room, stories


def answered(name: str) -> Response:
    """What this server says to a deck's name."""
    return asyncio.run(decks.answer(Request({"type": "http", "headers": [], "path_params": {"name": name}})))


@pytest.fixture
def talk(open_page) -> AppTest:
    at = open_page("talk.py")
    at.session_state["quiz_part"] = at.session_state["room_part"] = True
    return at.run()


def make(at: AppTest, address: str = "http://192.0.2.7:8501") -> AppTest:
    at.text_input(key="quiz_address").set_value(address)
    at.button(key="quiz_make").click().run()
    assert not at.exception
    return at


def test_pictures_of_the_study_make_a_quiz_that_phones_find(talk):
    talk.selectbox(key="quiz_source").select("family/digits").run()
    talk.number_input(key="quiz_count").set_value(3).run()
    make(talk)
    id, host = talk.session_state[quiz.RUNNING]
    now = quizzes().now(id)
    assert len(now.questions) == 3
    (said,) = [each.value for each in talk.markdown if "Phones join" in each.value]
    assert re.search(rf"\*\*.*192\.0\.2\.7.*quiz/{id}.*\*\*", said)
    quizzes().go_on(id, 0)
    assert quizzes().now(id).question.about == "Handwritten digits"
    talk.button(key="quiz_end").click().run()
    assert quizzes().now(id) is None
    assert "quiz_make" in [button.key for button in talk.button]
    assert not quizzes().leads(id, host)


def test_a_question_of_a_story_is_about_the_pair_that_was_chosen(talk):
    talk.selectbox(key="quiz_scene_first").select("supervised-1")
    talk.selectbox(key="quiz_scene_second").select("simclr-1")
    talk.text_input(key="story_quiz/question_sentence").set_value("Which is it?").run()
    talk.button(key="story_quiz/question_add").click().run()
    assert not talk.exception
    (story,) = talk.session_state[stories.OWN].values()
    assert story.scenes[0].view["encoders"] == ("supervised-1", "simclr-1")


def test_an_address_that_no_phone_opens_is_said_in_its_place(talk):
    make(talk, "localhost")
    assert "Phones need an address" in talk.error[0].value
    assert quiz.RUNNING not in talk.session_state


def test_on_a_public_server_a_quiz_waits_for_the_token(open_page, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setenv(TOKEN, "sesame")
    at = open_page("talk.py")
    at.session_state["quiz_part"] = True
    at.run()
    assert "Starting a quiz is closed" in at.info[0].value
    assert "quiz_make" not in [button.key for button in at.button]
    at.text_input(key="access_token").set_value("sesame")
    next(button for button in at.button if button.label == "Open").click().run()
    assert "quiz_make" in [button.key for button in at.button]


def test_a_picture_from_the_room_is_served_as_long_as_its_session_lives(talk):
    data = encoded(photo(5), "PNG")
    talk.file_uploader(key="room_upload").upload("me.png", data).run()
    assert not talk.exception
    name = talk.session_state[room.SHOWN][-1]
    page = answered(name)
    assert page.status_code == 200
    assert b"A picture from the room, not kept" in page.body
    assert name not in [path.name for path in decks.folder().glob("*")]
    del page, talk.session_state[room.HELD]
    gc.collect()
    assert answered(name).status_code == 404


def test_a_file_that_is_no_picture_is_said_in_its_place(talk):
    talk.file_uploader(key="room_upload").upload("me.png", b"no picture").run()
    assert not talk.exception
    assert "me.png" in talk.error[0].value
