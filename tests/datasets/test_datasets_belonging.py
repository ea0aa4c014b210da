"""One rule of what belongs to a set of images, for every way in, and a line that says what was left out."""

import json
from pathlib import Path

import pandas as pd
import pytest
import study_folders
from dataset_files import labelled, pack, picture

from core.cli import main
from core.datasets.address import open_address
from core.datasets.clutter import told

CLUTTER = {
    "cat/.ipynb_checkpoints/0-checkpoint.png",
    "cat/@eaDir/0.png/SYNOPHOTO_THUMB_S.png",
    "#recycle/gone.png",
    "__MACOSX/cat/._0.png",
    "$RECYCLE.BIN/x.png",
    ".Trash-1000/files/x.png",
    "dog/._0.png",
}
BYTES = {"cat/Thumbs.db", "dog/desktop.ini", "dog/.DS_Store", "__pycache__/x.pyc"}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "DATA", "RESULTS", "WEIGHTS"):
        monkeypatch.setenv(f"INVARISCOPE_{name}", str(tmp_path / name.lower()))
    return tmp_path / "data"


def clutter(folder: Path) -> Path:
    for path in CLUTTER:
        picture(folder / path)
    for path in BYTES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return folder


@pytest.mark.parametrize("kind", ["", "zip", "tar.gz"])
def test_sidecars_are_no_images_and_no_classes(kind: str, root: Path, tmp_path: Path) -> None:
    pets = clutter(labelled(tmp_path / "pets", {"cat": 6, "dog": 6}))
    root.mkdir()
    path = pack(pets, root / f"pets.{kind}") if kind else pets
    for _ in range(2):  # unpacked, and from the cache
        found = open_address(f"folder:{path}")
        assert found.classes == ("cat", "dog")
        assert sum(map(len, found.parts.values())) == 12
        assert "things of other programs were left out" in found.spec.note
        assert found.checks["left_out"] == 11


def test_a_sentence_of_what_was_left_out() -> None:
    assert told(()) == ""
    assert told(["a/Thumbs.db"]) == "1 thing of another program was left out (Thumbs.db)."
    many = ["x/._a.png", "x/._b.png", "c/@eaDir", ".DS_Store", "Thumbs.db", "Icon\r"]
    assert told(many) == "6 things of other programs were left out (._*, @eaDir, .DS_Store, Thumbs.db, …)."


def test_every_command_reads_the_same_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = study_folders.folder(tmp_path, "ds", train=12, test=6)
    for part in ("train", "test"):
        picture(data / part / ".ipynb_checkpoints" / "000-checkpoint.png")
        picture(data / part / "blue" / "@eaDir" / "x.png")
    using = ["--encoders", "random", "--device", "cpu", "--json"]
    assert main(["predict", str(data), *using]) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 54
    assert "4 things of other programs were left out (.ipynb_checkpoints, @eaDir)" in said.err
    out = tmp_path / "s.parquet"
    assert main(["sweep", str(data / "test"), *using, "--seeds", "1", "--out", str(out)]) == 0
    assert "2 things of other programs" in capsys.readouterr().err
    table = pd.read_parquet(out)
    assert table["image"].nunique() == 18
    assert table["prediction_name"].notna().all()
    assert main(["study", *using, "--datasets", f"folder:{data}", "--protocols", "knn", "--name", "one"]) == 0
    said = capsys.readouterr()
    assert "ds: 36 train, 18 test images. 4 things of other programs" in said.err
    manifest = json.loads((Path(json.loads(said.out)["folder"]) / "manifest.json").read_text())
    assert manifest["datasets"]["ds"]["samples"] == {"train": 36, "test": 18}
    assert manifest["datasets"]["ds"]["checks"]["left_out"] == 4


def test_files_that_are_no_images_are_told(root: Path) -> None:
    labelled(root / "pets", {"cat": 2, "dog": 2})
    (root / "pets" / "cat" / "drawing.svg").write_text("<svg/>")
    (root / "pets" / "raw.CR2").write_bytes(b"x")
    assert "2 files that are no images were left out (.svg, .cr2)." in open_address("folder:pets").spec.note


def test_images_that_an_extra_opens_are_refused_and_never_ignored(root: Path) -> None:
    labelled(root / "pets", {"cat": 2, "dog": 2})
    (root / "pets" / "cat" / "phone.HEIC").write_bytes(b"x")
    found = open_address("folder:pets")
    assert sum("phone.HEIC" in id for part in found.parts.values() for id in part.ids) == 1
