"""The Samples page's choice of images by what was measured of them, on the shipped study."""

import pytest
from test_pages_samples import PAGE, rows_of, words

from core.paths import ASSETS
from core.results import image_figures, pairs
from core.results.info import StudyInfo
from core.results.store import study


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> StudyInfo:
    """The shipped study, which was measured."""
    roots = [str(ASSETS / "results")]
    monkeypatch.setattr("core.results.store.result_roots", lambda: roots)
    return study("family", roots)


def test_images_by_what_was_measured_of_them(family, open_page) -> None:
    pair = ("supervised", "simclr")
    at = open_page(PAGE, dataset="cifar10", by="kept", under="blur", order="sample")
    assert not at.error
    figures = image_figures.of_pair(family, "kept", "blur", *pair, "cifar10")
    assert f"**{len(figures)} images**" in words(at)
    assert f"images the study measured {len(figures)}: {image_figures.name_of('kept', 'blur')}" in words(at)
    at.slider(key="within_kept").set_value((0.2, 0.4)).run()
    wanted = figures[figures.iloc[:, 1:].apply(lambda column: column.between(0.2, 0.4)).any(axis=1)]
    shown = rows_of(at).filter(like="probability kept")
    assert f"**{len(wanted)} image" in words(at)
    assert shown.apply(lambda column: column.between(0.2, 0.4)).any(axis=1).all()
    at.selectbox(key="by").set_value("withstood").run()
    assert image_figures.name_of("withstood", "blur") in words(at)
    at.selectbox(key="by").set_value("gini").run()
    assert not at.exception
    assert f"**{len(figures)} images**" in words(at)
    assert not [box for box in at.selectbox if box.key == "under"], "the map moves under no augmentation"


def test_filters_that_nothing_fits_say_which_of_them_is_in_the_way(family, open_page) -> None:
    at = open_page(PAGE, dataset="digits", by="gini", label="3")
    at.slider(key="within_gini").set_value((0.99, 1.0)).run()
    every = pairs.samples(family, "linear", "supervised", "simclr", "digits", label=3)["total"].iloc[0]
    assert f"No image fits all of these filters. It would be {every} without 'Measured'." in words(at)
    at.slider(key="sure").set_value((0.0, 0.01)).run()
    assert "No single one is to blame: widen two or more." in words(at)
