"""Story files: what is one, what is refused, and that nothing in one is more than text."""

import pytest

from core.errors import InvalidRequest, UnknownName
from core.talk import stories
from core.talk.parts import Drawn, Marked
from core.talk.scenes import FIGURES, show
from core.talk.stories import Scene, Story

SCENE = '[[scenes]]\nfigure = "study/gap"\nsentence = "Which?"\n'


def test_what_is_written_is_read_back():
    view = {"image": "cat", "encoders": ("a", "b"), "seeds": 3, "opacity": 0.5, "signed": True}
    story = Story('A "title" = #1', (Scene("attribution/maps", "Where?", "one\n\ttwo '''\"\"\" \\ three", view),))
    assert stories.read(stories.written(story).encode()) == story


def test_the_shipped_story_names_figures_that_there_are():
    for story in stories.shipped().values():
        assert 10 <= len(story.scenes) <= 16
        assert {scene.figure for scene in story.scenes} <= set(FIGURES)
        assert all(scene.notes for scene in story.scenes)
        # Encoders and studies are retrained under these names: a sentence with today's number would lie.
        assert not [s.sentence for s in story.scenes if any(letter.isdigit() for letter in s.sentence)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "no TOML"),
        (b"title = '\xff'", "no TOML"),
        ("scenes = []", "needs 'title'"),
        ("title = 3", "needs 'title'"),
        ("title = 'a'\nscenes = 'b'", "scenes are at most"),
        ("title = 'a'\nscenes = [3]", "scene 1 is no table"),
        ("title = 'a'\nrun = 'rm'", "has 'run'"),
        ("title = 'a'\n" + SCENE + "code = 'x'", "scene 1 has 'code'"),
        ("title = 'a'\n[[scenes]]\nfigure = 'study/gap'", "needs 'sentence'"),
        ("title = 'a'\n" + SCENE * 61, "at most 60"),
        ("title = 'a'\n" + SCENE + "view = 'x'", "'view' is a table"),
        ("title = 'a'\n" + SCENE + "view = { study = { a = 1 } }", "scene 1, study is a text"),
        ("title = 'a'\n" + SCENE + "view = { encoders = [1] }", "scene 1, encoders is a text"),
        ("title = 'a'\n" + SCENE + "view = { study = 2026-01-01 }", "scene 1, study is a text"),
        ("title = '" + "a" * 121 + "'", "121 characters"),
        ("title = 'a'\n" + SCENE + f"view = {{ study = '{'a' * 121}' }}", "a short text"),
        ("title = 'a'\n#" + "a" * (256 << 10), "more than 256 KB"),
    ],
)
def test_what_is_no_story_is_told_in_a_sentence(text, said):
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidRequest, match=said):
        stories.read(data, "mine.toml")


def test_deep_nesting_is_refused_and_does_no_harm():
    with pytest.raises(InvalidRequest):
        stories.read(b"title = 'a'\nview = " + b"[" * 100_000)


def test_unseen_characters_leave_a_text():
    text = 'title = "a\\u202eb\\u0007c"\n' + SCENE
    assert stories.read(text.encode()).title == "abc"


def test_a_story_is_found_by_id_and_by_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("title = 'Mine'\n" + SCENE)
    assert stories.find(str(path)).title == "Mine"
    assert stories.find("generalize") == stories.shipped()["generalize"]
    with pytest.raises(UnknownName, match="generalize"):
        stories.find("nothing")


@pytest.mark.parametrize(
    ("figure", "view", "said"),
    [
        ("study/nothing", {}, "no figure called 'study/nothing'"),
        ("study/gap", {"study": "nowhere"}, "no study called 'nowhere'"),
        ("study/gap", {"study": "family", "version": "2020-01-01"}, "not as of 2020-01-01"),
        ("study/gap", {"study": "family", "protocol": "fine-tune"}, "no protocol in this study called 'fine-tune'"),
        ("study/gap", {"study": "family", "second": "byol"}, "no contender in this study called 'byol'"),
        ("study/gap", {"study": "family", "first": "simclr", "second": "simclr"}, "beside itself"),
        ("study/gap", {"study": ("family",)}, "'study' is a text here"),
        ("study/gap", {"colour": "red"}, "'colour' changes nothing"),
        ("study/advantage", {"measure": "miles"}, "no measure called 'miles'"),
        ("study/advantage", {"features": "byol"}, "no encoder with distances"),
        ("confidence/reliability", {"dataset": "imagenet"}, "no data set in this study called 'imagenet'"),
        ("confidence/domains", {"figure": "x"}, "no figure of confidence called 'x'"),
        ("maps/agreement", {"study": "family", "second": "random", "measured": "x"}, "called 'x'"),
        ("fingerprint/augmentations", {"study": "family", "measured": "x"}, "called 'x'"),
        ("fingerprint/curve", {"study": "family", "curve_of": "x"}, "no augmentation called 'x'"),
        ("compare/answers", {"image": "../../etc/passwd"}, "no sample called"),
        ("compare/answers", {"task": "nothing"}, "no task called 'nothing'"),
        ("compare/answers", {"encoders": ("nobody",)}, "no encoder called 'nobody'"),
        ("compare/answers", {"encoders": ()}, "one to four ids"),
        ("compare/answers", {"class": "no such class"}, "no class in this task called"),
        ("compare/answers", {"compare_top": 99}, "a number from 3 to 10"),
        ("attribution/maps", {"signed": "yes"}, "true or false"),
        ("attribution/maps", {"method": "magic"}, "no attribution method called 'magic'"),
        ("invariance/curves", {"augmentation": "x"}, "no augmentation called 'x'"),
        ("invariance/curves", {"reach_rotation": "7"}, "no strength called '7'"),
        ("invariance/curves", {"seeds": True}, "a number from 1 to 10"),
    ],
)
def test_a_scene_that_names_what_is_not_here_is_marked(figure, view, said):
    shown = show(Scene(figure, "Which?", "", view))
    assert isinstance(shown, Marked)
    assert said in shown.reason


def test_an_encoder_that_would_have_to_be_fetched_is_not(monkeypatch, tmp_path):
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    view = {"task": "imagenet-1k", "encoders": ("resnet50-dino",)}
    shown = show(Scene("compare/answers", "Which?", "", view))
    assert isinstance(shown, Marked)


def test_a_scene_shows_what_its_view_names():
    by_default = show(Scene("study/gap", "Which?", "", {"study": "family"}))
    turned = show(Scene("study/gap", "Which?", "", {"study": "family", "first": "simclr", "second": "supervised"}))
    assert isinstance(by_default, Drawn)
    assert isinstance(turned, Drawn)
    assert by_default.finding != turned.finding
