"""The address: what it names is shown, and what it gets wrong does no harm."""

import pytest

from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.encoders.registry import encoders
from core.heads import store
from core.samples import samples
from core.tasks import tasks
from pages.ui import inputs

COMPARING = ("overview.py", "compare.py", "attribution.py", "invariance.py")
CLASSES = tasks()[inputs.DEFAULT_TASK].classes


@pytest.mark.parametrize("page", COMPARING)
def test_image_task_and_encoders_come_from_the_address(page, open_page):
    at = open_page(page, image="coffee", task="tiny-imagenet", encoders=["random", "supervised"])
    assert at.selectbox(key="image").value == "coffee"
    assert at.selectbox(key="task").value == "tiny-imagenet"
    assert at.multiselect(key="encoders").value == ["random", "supervised"]
    words = " ".join(part.alt for image in at.image for part in image.proto.imgs)
    if page in ("overview.py", "compare.py"):
        assert f"compared: {samples()['coffee'].title}" in words
    if page != "invariance.py":
        labels = [encoders()[id].label for id in ("random", "supervised")]
        shown = words + " ".join(bars.proto.body for bars in at.get("html"))
        assert all(label in shown for label in labels)


def test_class_and_method_come_from_the_address(open_page):
    at = open_page("attribution.py", **{"class": CLASSES[7], "method": "occlusion", "view": "map"})
    assert at.selectbox(key="class").value == CLASSES[7]
    assert at.button_group(key="method").value == "occlusion"
    assert at.button_group(key="view").value == "map"
    assert METHODS["occlusion"].description in [note.value for note in at.caption]
    assert any(text.value.startswith(f"**{CLASSES[7]}**") for text in at.markdown)


def test_the_class_on_compare_comes_from_the_address(open_page):
    at = open_page("compare.py", **{"class": CLASSES[3]})
    assert any(text.value.startswith(f"*{CLASSES[3]}*: ") for text in at.markdown)


def test_the_augmentation_comes_from_the_address(open_page):
    at = open_page("invariance.py", augmentation="blur")
    assert at.selectbox(key="augmentation").value == "blur"
    (chart,) = at.get("plotly_chart")
    assert chart.proto.alt.startswith(AUGMENTATIONS["blur"].label)


@pytest.mark.parametrize("page", COMPARING)
def test_an_address_that_is_wrong_in_every_way_shows_the_defaults(page, open_page, default_ids):
    nonsense = dict.fromkeys(("image", "task", "encoders", "class", "method", "view"), "no-such-thing")
    at = open_page(page, augmentation="no-such-thing", **nonsense)
    assert not at.error
    assert at.selectbox(key="image").value == inputs.DEFAULT_IMAGE
    assert at.selectbox(key="task").value == inputs.DEFAULT_TASK
    assert at.multiselect(key="encoders").value == default_ids(inputs.DEFAULT_TASK)
    at.run()
    assert not at.exception


def test_one_wrong_name_among_encoders_does_no_harm(open_page):
    at = open_page("compare.py", encoders=["random", "no-such-thing"])
    assert set(at.multiselect(key="encoders").value) <= set(store.encoders_for(inputs.DEFAULT_TASK))
    assert len(at.get("html")) == 1 + len(at.multiselect(key="encoders").value), "the style of all pages, and bars"


def test_an_encoder_without_a_head_for_the_task_does_no_harm(open_page, default_ids):
    without = next(id for id in encoders() if id not in store.encoders_for(inputs.DEFAULT_TASK))
    at = open_page("compare.py", encoders=[without])
    assert at.multiselect(key="encoders").value == default_ids(inputs.DEFAULT_TASK)


def test_a_class_of_another_task_is_dropped_when_the_task_changes(open_page):
    at = open_page("attribution.py", **{"class": CLASSES[7]})
    offered = at.selectbox(key="task").options
    names = [id for id, task in tasks().items() if id != inputs.DEFAULT_TASK and task.label in offered]
    assert len(names) > 1
    assert tasks()["imagenet-1k"].label not in offered, "no encoder that can answer it is here"
    for name in names:
        at.selectbox(key="task").set_value(name).run()
        assert not at.exception
    at.selectbox(key="task").set_value(inputs.DEFAULT_TASK).run()
    assert not at.exception
    assert not at.error
    assert at.image
