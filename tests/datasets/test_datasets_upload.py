"""Uploaded archives: taken in whole and checked, or not at all."""

import io
import zipfile
from pathlib import Path

import pytest
from dataset_files import labelled

from core.datasets import upload
from core.datasets.address import open_address
from core.datasets.upload import store_upload
from core.errors import DataUnavailable


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    folder = labelled(tmp_path / "pets", {"cat": 3, "dog": 3})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder.parent))
    return out.getvalue()


def test_stored_once_under_its_digest(good: bytes, root: Path, tmp_path: Path) -> None:
    first = store_upload(io.BytesIO(good), "My pets.zip")
    assert first.parent == root / "uploads"
    assert first.suffix == ".zip"
    assert len(first.stem) == 64
    (tmp_path / "copy.bin").write_bytes(good)
    assert store_upload(tmp_path / "copy.bin", "other.zip") == first
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    found = open_address(f"folder:uploads/{first.name}?id=pets")
    assert found.classes == ("cat", "dog")
    assert (tmp_path / "copy.bin").exists(), "what was given stays where it is"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"", "pets.zip is no zip or tar archive"),
        (lambda data: b"some text", "pets.zip is no zip or tar archive"),
        (lambda data: data[:-30], "pets.zip is refused: it is damaged or incomplete"),
        (lambda data: data.replace(b"IDAT", b"IDAX", 1), "'pets/cat/0.png' is damaged"),
    ],
)
def test_nothing_stays_of_what_is_refused(change, words: str, good: bytes, root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=words):
        store_upload(io.BytesIO(change(good)), "C:\\fake\\pets.zip")
    assert list((root / "uploads").iterdir()) == []


def test_what_is_no_set_of_labelled_images(root: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cat/0.png", b"x")
    out.seek(0)
    with pytest.raises(DataUnavailable, match=r"one\.zip has only one class"):
        store_upload(out, "one.zip")
    assert list((root / "uploads").iterdir()) == []


def test_limits(good: bytes, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_MEGABYTES", 0)
    with pytest.raises(DataUnavailable, match="has more than 0 MB"):
        store_upload(io.BytesIO(good), "pets.zip")
    assert list((root / "uploads").iterdir()) == []


@pytest.mark.parametrize("name", ["", "/", "..", "../../evil", "a\x00b\n.zip", "x" * 5000, "\udcff"])
def test_names_do_no_harm(name: str, good: bytes, root: Path, tmp_path: Path) -> None:
    assert store_upload(io.BytesIO(good), name).parent == root / "uploads"
    assert {path.name for path in tmp_path.iterdir()} <= {"pets", "data", "cache"}
    assert {path.name for path in root.iterdir()} == {"uploads"}


def test_a_folder_that_cannot_be_written(good: bytes, root: Path) -> None:
    root.mkdir(exist_ok=True)
    (root / "uploads").write_text("a file where the folder of uploads should be")
    with pytest.raises(DataUnavailable, match="cannot be written"):
        store_upload(io.BytesIO(good), "pets.zip")
