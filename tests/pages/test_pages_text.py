"""Names of people are text on every page, and places of the machine are nobody's business but its owner's."""

import io
import re
import zipfile
from pathlib import Path

import pytest
import study_manifests
from photos import BROKEN, encoded, photo
from study_folders import COLOURS, picture
from study_rows import invent

from core.text import plain
from pages.ui import places

HOSTILE = "![t](http://evil.example/a.png) :red[x] :material/home: $x$ <b> **b** # `c`"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("results", "cache", "data"):
        monkeypatch.setenv(f"INVARISCOPE_{name.upper()}", str(tmp_path / name))
    return tmp_path


def said(at) -> str:
    """All that a page gives to Markdown."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.success, at.title, at.header, at.subheader)
    labels = [part.label for kind in (at.button, at.metric, at.expander, at.selectbox) for part in kind]
    helps = [part.help or "" for kind in (at.button, at.selectbox, at.button_group) for part in kind]
    return "\n".join([*(part.value for kind in kinds for part in kind), *labels, *helps])


def check(at, name: str) -> None:
    """The page names it, and never but as text."""
    assert not at.exception
    assert plain(name) in said(at)
    assert name not in said(at)
    assert "![" not in said(at)


@pytest.mark.parametrize("page", ["overview.py", "compare.py"])
def test_names_of_files(page: str, open_page, use_upload) -> None:
    at = use_upload(open_page(page))
    name = HOSTILE.replace("/", "") + ".png"
    at.file_uploader(key="uploads").upload(name, encoded(photo(), "PNG")).run()
    check(at, name)


def test_names_of_files_that_are_refused(open_page, use_upload) -> None:
    at = use_upload(open_page("compare.py"))
    name = HOSTILE.replace("/", "") + ".png"
    at.file_uploader(key="uploads").upload(name, next(iter(BROKEN.values()))).run()
    assert at.error
    check(at, name)


@pytest.mark.parametrize("page", ["study.py", "confidence.py", "samples.py"])
def test_titles_classes_data_sets_and_contenders(page: str, root: Path, open_page) -> None:
    study = invent(root / "results", samples=60, seeds=1, protocols=("linear",))
    made = study_manifests.read(study)
    made["title"] = f"T {HOSTILE}"
    for id, about in made["datasets"].items():
        about["label"] = f"{id} {HOSTILE}"
        about["classes"] = [f"{name} {HOSTILE}" for name in about["classes"]]
    for id, about in made["encoders"].items():
        about["label"] = f"{id} {HOSTILE}"
    study_manifests.write(study, made)
    at = open_page(page, study="invented")
    check(at, f"supervised {HOSTILE}")
    check(at, f"T {HOSTILE}" if page == "study.py" else f"birds {HOSTILE}")


def test_names_of_archives_and_their_classes(root: Path, open_page) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for word, colour in list(COLOURS.items())[:2]:
            for i in range(10):
                archive.writestr(f"![{word}](x)/{i}.png", picture(colour, i))
    at = open_page("run_study.py")
    name = re.sub(r"[/.]", "", HOSTILE)
    at.file_uploader(key="run_upload").set_value([(f"{name}.zip", out.getvalue(), "application/zip")]).run()
    assert not at.error
    check(at, name)
    assert str(root) not in said(at) + "".join(code.value for code in at.code)
    assert "$INVARISCOPE_DATA/uploads/" in "".join(code.value for code in at.code)


LOCAL = {"server.address": "localhost", "server.allowedHosts": ["localhost", "127.0.0.1", "::1"]}


@pytest.mark.parametrize(
    ("options", "allowed", "shown"),
    [
        (LOCAL, "", True),
        (LOCAL | {"server.allowedHosts": []}, "", True),
        (LOCAL | {"server.allowedHosts": ["localhost", "lab.example.org"]}, "", False),
        ({"server.address": "0.0.0.0", "server.allowedHosts": []}, "", False),
        ({"server.address": None, "server.allowedHosts": []}, "", False),
        ({"server.address": "0.0.0.0", "server.allowedHosts": []}, "1", True),
        (LOCAL | {"public": "1"}, "1", False),
    ],
)
def test_places_are_shown_to_whom_they_belong(
    options, allowed: str, shown: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places.st, "get_option", options.get)
    monkeypatch.setenv("INVARISCOPE_ALLOW_PATHS", allowed)
    monkeypatch.setenv("INVARISCOPE_PUBLIC", options.get("public", ""))
    message = f"{root}/data/birds is no folder; /srv/secret/x.png, folder:/a/b?id=c, C:\\Users\\me\\y.zip, 3/4"
    assert places.shown() is shown
    assert places.worded(message) == (
        message if shown else "$INVARISCOPE_DATA/birds is no folder; …/x.png, folder:…/b?id=c, …/y.zip, 3/4"
    )
    monkeypatch.setenv("INVARISCOPE_CACHE", __file__)
    assert places.worded(f"INVARISCOPE_CACHE is '{__file__}'.").endswith("test_pages_text.py'."), "it words that, too"
    assert places.worded("see https://example.org/a/b.") == "see https://example.org/a/b."
