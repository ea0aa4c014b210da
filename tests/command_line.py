"""What tests of the console command share: images to give it, and what it says read strictly."""

import json
from pathlib import Path

import pytest
from photos import BROKEN, encoded, photo

from core.cli import main

TASK = "tiny-imagenet"
PAIR = ["supervised", "random"]
USING = ["--encoders", ",".join(PAIR), "--task", TASK, "--device", "cpu"]


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(), "PNG"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, one of them in a folder of its own, and a file that is none."""
    found = tmp_path / "folder"
    (found / "more").mkdir(parents=True)
    (found / "a.png").write_bytes(encoded(photo(1), "PNG"))
    (found / "more" / "b.jpg").write_bytes(encoded(photo(2), "JPEG"))
    (found / "c.png").write_bytes(BROKEN["notes.png"])
    (found / "read.me").write_text("no image")
    return found


def strict(text: str):
    """JSON without NaN or infinity."""

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def refused(capsys, *arguments: object) -> str:
    """The one line that a command says when it does nothing."""
    assert main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("invariscope: ")
    return line
