"""Each page, opened by its address: what it shows, and that whoever cannot see it is told."""

import json
import re

import pytest
from navigation import page_headings
from streamlit.testing.v1 import AppTest

from core import pipeline, samples
from core.paths import ASSETS
from core.plots import answers
from core.results import store, summary
from core.tasks import tasks
from core.text import plain
from pages.ui import inputs, resources

PAGES = page_headings()


def titles(at: AppTest) -> list[str]:
    return [title.value for title in at.title]


def assert_described(at: AppTest) -> None:
    """Every picture, chart and table has words of its own."""
    for image in at.image:
        for part in image.proto.imgs:
            assert len(part.alt) > 8
    for chart in at.get("plotly_chart"):
        assert len(chart.proto.alt) > 20
        assert json.loads(chart.proto.spec)["layout"]["meta"]["finding"].strip()
    for bars in (html for html in at.get("html") if not html.proto.body.startswith("<style>")):
        (label,) = re.findall(r'^<div role="img" aria-label="([^"]*)"', bars.proto.body)
        assert len(label) > 20
    for table in (*at.dataframe, *at.table):
        assert len(table.proto.alt) > 20


@pytest.mark.parametrize("page", PAGES)
def test_shows_its_title_and_describes_its_pictures_twice_in_a_row(page, open_page):
    at = open_page(page)
    for _ in range(2):  # a `pages` folder beside the script makes the second run show another one
        assert titles(at) == [PAGES[page]]
        assert not at.error
        assert_described(at)
        at.run()
        assert not at.exception


def test_overview_states_what_the_contenders_answer(open_page, default_ids):
    at = open_page("overview.py")
    contenders = [resources.contender(id, inputs.DEFAULT_TASK) for id in default_ids(inputs.DEFAULT_TASK)]
    image = resources.sample_image(inputs.DEFAULT_IMAGE)
    predictions = [pipeline.predict(r, pipeline.read_images(r, [image])[0]) for r in contenders]
    sentence = answers.finding([r.encoder.spec for r in contenders], predictions, tasks()[inputs.DEFAULT_TASK].classes)
    assert f"## {plain(sentence)}" in [text.value for text in at.markdown]
    assert len(at.image) == 2 * (1 + len(contenders)), "a row for the sample, a row for an image far from the source"


def test_overview_draws_the_shipped_study(open_page):
    (shown,) = [table.value for table in open_page("overview.py").dataframe if "majority" in table.value]
    expected = summary.accuracy(store.study("family", [str(ASSETS / "results")]), "linear")
    assert list(shown["accuracy"]) == list((100 * expected["accuracy"]).round(2))
    assert list(shown["encoder"]) == list(expected["encoder"])


def test_walking_through_all_pages_in_one_session_keeps_the_choices(open_page):
    at = open_page("compare.py")
    at.selectbox(key="image").set_value("coffee").run()
    at.multiselect(key="encoders").set_value(["random"]).run()
    about_one_image = 0
    for page, title in PAGES.items():
        at.switch_page(page).run()
        assert not at.exception
        assert titles(at) == [title]
        if any(box.key == "image" for box in at.selectbox):
            assert at.selectbox(key="image").value == "coffee"
        if any(box.key == "encoders" for box in at.multiselect):
            assert at.multiselect(key="encoders").value == ["random"]
            about_one_image += 1
    assert about_one_image == 4


def test_how_it_works_names_every_task_augmentation_and_credit(open_page):
    shown = [table.value for table in open_page("how_it_works.py").table]
    ids = [set(table.get("id", [])) for table in shown]
    assert set(tasks()) in ids
    assert set(pipeline.AUGMENTATIONS) in ids
    authors = {sample.author for sample in samples.samples().values()}
    assert any(authors == set(table.get("author", [])) for table in shown)
