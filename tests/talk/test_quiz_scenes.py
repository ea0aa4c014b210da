"""A question to the audience as a scene of a story."""

import re

import pytest

from core.talk import deck, on_quiz, quiz, report, scenes
from core.talk.parts import Drawn, Marked
from core.talk.stories import Scene, Story
from core.talk.view import View

VIEW = {"image": "coffee", "task": "tiny-imagenet", "encoders": ("supervised", "simclr"), "asks": "maps"}


def test_a_question_is_a_scene_that_is_told_with_its_answer_where_nobody_counts():
    told = scenes.show(Scene(scenes.ASKS, "", "", VIEW))
    assert isinstance(told, Drawn), told
    found = on_quiz.asked(View(VIEW))
    assert (told.finding, told.answer) == (found.asked, found.told)
    assert [part.heading for part in told.parts] == [found.about, *quiz.NAMES]
    words = " ".join([told.finding, *(line for part in told.parts for line in (part.heading, part.alt, *part.lines))])
    assert "simclr" not in words.lower(), "before the answer nothing says whose is whose"
    assert told.note.startswith("No vote is counted here")
    assert on_quiz.asked(View(VIEW)).right == found.right, "a file is the same each time"
    page, marked = deck.build(Story("Quiz", (Scene(scenes.ASKS, "Which?", "", VIEW),) * 2))
    assert marked == []
    text = page.decode()
    assert re.findall(r'data-question="(\d)"', text) == ["0", "1"]
    assert text.count(f'fragment">{found.told}</p>') == 2
    paper, _ = report.of_story(Story("Quiz", (Scene(scenes.ASKS, "Which?", "", VIEW),)))
    assert f"<p>Answer: {found.told}</p>" in paper.decode()


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (VIEW | {"encoders": ("simclr", "supervised")}, "the second of them self-supervised"),
        (VIEW | {"encoders": ("supervised",)}, "two contenders"),
        (VIEW | {"asks": "answers"}, "Both answer each of these pictures alike"),
        (VIEW | {"asks": "nothing"}, "nothing"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(view, said):
    shown = scenes.show(Scene(scenes.ASKS, "", "", view))
    assert isinstance(shown, Marked)
    assert said in shown.reason
