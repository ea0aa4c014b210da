"""Pages run in this process, with what is packaged and nothing that was fetched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from photos import encoded, photo
from streamlit.testing.v1 import AppTest

# Heavy imports before the first page: its time limit is for the page.
import pages.ui.maps  # noqa: F401
from core.heads import store
from core.paths import ROOT
from pages.ui import inputs

Opener = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(folder))


@pytest.fixture
def open_page() -> Opener:
    """`open_page("compare.py", task="…")`: the page as a first visitor of that address gets it."""

    def run(page: str, **query: str | list[str]) -> AppTest:
        at = AppTest.from_file(ROOT / "pages" / "router.py", default_timeout=120)
        for key, value in query.items():
            at.query_params[key] = value
        if "_" in page:  # before a first run a page is found only by an address that is its file's name
            at.run()
        if page != "overview.py":
            at.switch_page(page)
        at.run()
        assert not at.exception, [found.value for found in at.exception]
        return at

    return run


@pytest.fixture
def default_ids() -> Callable[[str], list[str]]:
    """The contenders a first visitor sees for a task."""

    def find(task: str) -> list[str]:
        possible = store.encoders_for(task)
        return [id for id in inputs.DEFAULT_PAIR if id in possible] or possible[:2]

    return find


@pytest.fixture
def use_upload() -> Callable[[AppTest], AppTest]:
    """Turn the sidebar from samples to uploads."""

    def turn(at: AppTest) -> AppTest:
        at.button_group(key="image_source").set_value(inputs.FROM_UPLOAD).run()
        assert not at.exception
        return at

    return turn


@pytest.fixture
def photos() -> list[bytes]:
    """Six different PNG pictures."""
    return [encoded(photo(seed), "PNG") for seed in range(6)]
