"""Every choice that a registry offers, made once."""

import pytest

from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.encoders.registry import encoders
from core.heads import store
from core.plots import strip
from core.plots.curves import PANELS
from core.samples import samples
from core.tasks import tasks
from core.text import plain
from pages.ui import inputs


def test_every_sample(open_page):
    at = open_page("compare.py")
    for id, sample in samples().items():
        at.selectbox(key="image").set_value(id).run()
        assert not at.exception
        assert not at.error
        assert any(f"compared: {sample.title}" in part.alt for image in at.image for part in image.proto.imgs)


def test_a_sample_of_the_gallery_is_taken_at_once(open_page):
    at = open_page("compare.py")
    at.button(key="pick_moon").click().run()
    assert not at.exception
    assert at.selectbox(key="image").value == "moon"


@pytest.mark.parametrize("page", ["overview.py", "compare.py"])
def test_every_task_with_its_default_contenders(page, open_page, default_ids):
    for task in tasks():
        at = open_page(page, task=task)
        assert at.selectbox(key="task").value == task
        assert not at.error
        here = [id for id in default_ids(task) if store.is_here(encoders()[id], task)]
        warned = " ".join(note.value for note in at.warning)
        for id in default_ids(task):
            told = f"{encoders()[id].label} is not on this machine yet. Fetch it on the Models page." in warned
            assert told == (id not in here)
        assert bool(at.image) == bool(here)
        assert ("None of the chosen contenders can run here" in warned) == (not here)


def test_a_contender_that_is_not_here_leaves_the_others(open_page):
    at = open_page("compare.py", task="imagenet-1k", encoders=["resnet50-supervised", "deit-s"])
    assert "fetch one on the Models page" in " ".join(note.value for note in at.warning)
    at.selectbox(key="task").set_value(inputs.DEFAULT_TASK).run()
    assert not at.exception
    assert not at.warning
    assert len(at.get("html")) == 1 + len(at.multiselect(key="encoders").value), "the style of all pages, and bars"


def test_without_any_contender_the_default_ones_stay_and_a_caption_says_so(open_page):
    at = open_page("compare.py")
    shown = len(at.get("html")), len(at.image)
    at.multiselect(key="encoders").set_value([]).run()
    assert not at.exception
    assert any("Choose at least one" in note.value for note in at.caption)
    assert (len(at.get("html")), len(at.image)) == shown
    at.multiselect(key="encoders").set_value(["random"]).run()
    assert not at.exception
    assert not any("Choose at least one" in note.value for note in at.caption)


@pytest.mark.parametrize("page", ["overview.py", "attribution.py"])
def test_as_many_contenders_as_are_allowed(page, open_page):
    here = [id for id, spec in encoders().items() if spec.weights.packaged and store.is_here(spec, inputs.DEFAULT_TASK)]
    ids = [id for id in here if id in store.encoders_for(inputs.DEFAULT_TASK)][: inputs.MAX_CONTENDERS]
    at = open_page(page, encoders=ids)
    assert at.multiselect(key="encoders").value == ids
    assert not at.error


def test_every_augmentation(open_page):
    """With one contender, whose sweep is what takes time; two of them are every other test's."""
    at = open_page("invariance.py", encoders="supervised", with_random="false")
    for id, augmentation in AUGMENTATIONS.items():
        at.selectbox(key="augmentation").set_value(id).run()
        assert not at.exception
        (chart,) = at.get("plotly_chart")
        assert chart.proto.alt.startswith(augmentation.label)
        assert len(at.image) == len(augmentation.strengths) + 1, "the strip, and the contender under the cursor"
        (table,) = [found.value for found in at.dataframe if "measure" in found.value]
        assert set(table["measure"]) == set(PANELS)
        assert set(table["strength"]) == set(augmentation.strengths)


def test_the_settings_of_a_sweep(open_page):
    at = open_page("invariance.py", augmentation="blur")
    grid = AUGMENTATIONS["blur"].strengths
    at.select_slider(key="reach_blur").set_value(f"{grid[2]:g}").run()
    at.toggle(key="with_random").set_value(False).run()
    at.toggle(key="corrected").set_value(False).run()
    assert not at.exception
    (table,) = [found.value for found in at.dataframe if "measure" in found.value]
    assert set(table["strength"]) == set(grid[:3])
    assert set(table["encoder"]) == set(at.multiselect(key="encoders").value)


@pytest.mark.parametrize("method", METHODS)
def test_every_attribution_method_and_view(method, open_page):
    at = open_page("attribution.py", method=method)
    shown = len(at.image)
    assert any(METHODS[method].unit in note.value for note in at.caption)
    for view in ("map", "input", "overlay"):
        at.button_group(key="view").set_value(view).run()
        assert not at.exception
        assert len(at.image) == shown
    at.toggle(key="signed").set_value(True)
    at.toggle(key="shared_scale").set_value(False).run()
    assert not at.exception
    assert len(at.image) == shown


def test_another_image_for_likeness(open_page):
    at = open_page("attribution.py")
    at.selectbox(key="pair_image").set_value("page").run()
    assert not at.exception
    assert any(f"other image: {samples()['page'].title}" in part.alt for i in at.image for part in i.proto.imgs)


def test_one_strength_looked_at_closely(open_page):
    """The cursor opens where the first answer turns, and says what the strip says of each strength."""
    at = open_page("invariance.py", encoders=["supervised", "random"])
    table = at.session_state["sweep"]["table"]
    digest = table["image"].iloc[0]
    answers, turned = strip.answers(table, digest), strip.turning(table, digest)
    cursor = at.select_slider(key="cursor_rotation")
    assert cursor.value == next(iter(turned.values()))
    for strength in (cursor.value, 0.0):
        at.select_slider(key="cursor_rotation").set_value(strength).run()
        said = [text.value for text in at.markdown]
        for id in ("supervised", "random"):
            answer = answers[id, strength]
            name = plain(tasks()[inputs.DEFAULT_TASK].classes[answer.prediction])
            mark = ":material/change_circle: turned to" if answer.flipped else ":material/check:"
            assert f"{mark} **{name}**, {answer.confidence:.0%} sure" in said
    assert not at.exception


def test_all_changes_at_once(open_page):
    at = open_page("invariance.py", encoders=["simclr"], with_random="false", all_changes="true")
    assert not at.exception
    shown = next(table.value for table in at.dataframe if "simclr" in table.value and len(table.value) > 9)
    assert shown["augmentation"].tolist() == [each.label for each in AUGMENTATIONS.values()]
    assert all(kept[0] == pytest.approx(1, abs=1e-4) for kept in shown["simclr"]), "the first strength changes nothing"


def test_what_nobody_chose_stays_on_its_page_and_what_was_chosen_goes_along(open_page):
    at = open_page("study_invariance.py")
    at.switch_page("explanation.py").run()
    # This page offers fewer ways: the first of them stood here instead of the usual one.
    assert at.selectbox(key="way").value == "whitened"
    at.switch_page("representation.py").run()
    one_set = at.selectbox(key="measured").value
    at.switch_page("study_invariance.py").run()
    assert at.selectbox(key="measured").value != one_set
    at.selectbox(key="way").set_value("cosine").run()
    at.selectbox(key="measured").set_value("aid").run()
    at.switch_page("explanation.py").run()
    assert at.selectbox(key="way").value == "cosine"
    at.switch_page("representation.py").run()
    assert at.selectbox(key="measured").value == "aid"
