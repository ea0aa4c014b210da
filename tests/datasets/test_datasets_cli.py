"""`invariscope datasets`."""

import json
from pathlib import Path

import pytest
from dataset_files import labelled

from core.cli import main
from core.datasets import DATASETS


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_lists_every_set_and_what_is_here(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cifar-100-python").mkdir(parents=True)
    labelled(root / "pets", {"cat": 1})
    assert main(["datasets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(DATASETS)
    assert {row["id"] for row in rows if row["here"]} == {"cifar100", "digits"}
    assert all(row["licence"] and row["split_rule"] and row["metric"] for row in rows)
    assert main(["datasets"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines] == list(DATASETS)
    states = {line.split()[0]: line[16:24].strip() for line in lines}
    assert states["cifar100"] == "here"
    assert states["cifar10"] == "to fetch"
    assert states["stanford-cars"] == "by hand"
    assert "folder:pets" in captured.err
    assert "chestmnist" in captured.err


def test_fetches_what_it_is_told_to(root: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    asked = []

    def download(url, path, md5, progress):
        progress(5_000_000, 10_000_000)
        asked.append(path)
        return path

    monkeypatch.setattr("core.datasets.medmnist_sets.download", download)
    assert main(["datasets", "--fetch", "pathmnist?size=64", "--data", str(root / "mine")]) == 0
    assert asked == [root / "mine" / "medmnist" / "pathmnist_64.npz"]
    assert "fetching pathmnist-64: 5 of 10 MB" in capsys.readouterr().err
    assert main(["datasets", "--fetch", "digits"]) == 0


def test_says_how_a_study_would_read_a_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled(root / "pets", {"cat": 5, "dog": 5, ".thumbnails": 1})
    assert main(["datasets", "folder:pets"]) == 0
    first, parts, note = capsys.readouterr().out.splitlines()
    assert first == "pets: 2 classes, 8 train, 2 test images"
    assert "chosen by a hash" in parts
    assert note == "1 thing of another program was left out (.thumbnails)."
    assert main(["datasets", "folder:pets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checks"]["left_out"] == 1
    assert main(["datasets", "folder:nowhere"]) == 2


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("nothing", "no data set called 'nothing'"),
        ("chestmnist", "left out"),
        ("stanford-cars", "can no longer be downloaded"),
        ("pathmnist?size=1", "size takes"),
        ("folder:x", "is not fetched"),
    ],
)
def test_what_cannot_be_fetched(id: str, words: str, capsys) -> None:
    assert main(["datasets", "--fetch", id]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("invariscope: ")
    assert words in line
