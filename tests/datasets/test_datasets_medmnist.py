"""MedMNIST files in miniature: sizes, checksums, unpacking once, and the package that is optional."""

import hashlib
import sys
from pathlib import Path

import medmnist.info
import numpy as np
import pytest
from dataset_files import md5, pixels

from core.datasets import DATASETS
from core.datasets.address import open_address
from core.datasets.medmnist_sets import MedmnistSet
from core.errors import DataUnavailable, InvalidRequest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(root: Path, id: str, size: int, patch: pytest.MonkeyPatch) -> Path:
    """A file of the set with its published number of images, all of them black but the first."""
    adapter = DATASETS[id]
    assert isinstance(adapter, MedmnistSet)
    facts = medmnist.info.INFO[id]
    arrays = {}
    for part, count in adapter.counts.items():
        images = np.zeros((count, size, size, 3) if facts["n_channels"] == 3 else (count, size, size), np.uint8)
        images[0] = pixels(*images.shape[1:])
        arrays[f"{part}_images"] = images
        arrays[f"{part}_labels"] = (np.arange(count) % len(facts["label"])).reshape(-1, 1).astype(np.uint8)
    suffix = "" if size == 28 else f"_{size}"
    path = root / "medmnist" / f"{id}{suffix}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    patch.setitem(medmnist.info.INFO, id, {**facts, f"MD5{suffix}": md5(path)})
    return path


@pytest.mark.parametrize(("id", "size"), [("breastmnist", 28), ("breastmnist", 64), ("retinamnist", 28)])
def test_opens(id: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, id, size, monkeypatch)
    address = id if size == 28 else f"{id}?size={size}"
    found = open_address(address, tmp_path)
    assert found.address == address
    assert found.spec.id == (id if size == 28 else f"{id}-{size}")
    counts = medmnist.info.INFO[id]["n_samples"]
    assert {name: len(part) for name, part in found.parts.items()} == counts
    assert found.classes == tuple(medmnist.info.INFO[id]["label"].values())
    first = found.parts["val"].read(0)
    assert first.shape == (size, size, 3)
    assert first.max() > 0
    if id == "breastmnist":
        np.testing.assert_array_equal(first[..., 0], first[..., 2])
    assert found.parts["test"].labels[:3].tolist() == [i % len(found.classes) for i in range(3)]
    assert not any(part.read(1).any() for part in found.parts.values())


def test_unpacked_once_and_again_when_somebody_emptied_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "breastmnist", 28, monkeypatch)
    before = open_address("breastmnist", tmp_path)
    (folder,) = [path for path in (cache / "medmnist").iterdir() if path.is_dir()]
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(times) == 6
    assert open_address("breastmnist", tmp_path).fingerprint == before.fingerprint
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    (folder / "test_images.npy").unlink()
    again = open_address("breastmnist", tmp_path)
    np.testing.assert_array_equal(again.parts["test"].read(0), before.parts["test"].read(0))


def test_damaged_files(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "breastmnist", 28, monkeypatch)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(DataUnavailable, match=r"not what was published.*Remove it and fetch it again"):
        open_address("breastmnist", tmp_path)
    # The same under a checksum that agrees: what is inside is looked at too.
    facts = medmnist.info.INFO["breastmnist"]
    monkeypatch.setitem(medmnist.info.INFO, "breastmnist", {**facts, "MD5": hashlib.md5(data[:-100]).hexdigest()})
    with pytest.raises(DataUnavailable, match="is damaged"):
        open_address("breastmnist", tmp_path)
    assert not [folder for folder in (cache / "medmnist").iterdir() if folder.is_dir()]


def test_a_file_of_another_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "breastmnist", 28, monkeypatch)
    np.savez(
        path, **{f"{p}_{k}": np.zeros((2, 28, 28)) for p in ("train", "val", "test") for k in ("images", "labels")}
    )
    facts = medmnist.info.INFO["breastmnist"]
    monkeypatch.setitem(medmnist.info.INFO, "breastmnist", {**facts, "MD5": md5(path)})
    with pytest.raises(DataUnavailable, match="does not hold what was published"):
        open_address("breastmnist", tmp_path)


def test_sizes_that_were_not_published(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="size takes 28, 64, 128, 224, not '32'"):
        open_address("pathmnist?size=32", tmp_path)
    with pytest.raises(DataUnavailable, match=r'--fetch "pathmnist\?size=224"') as caught:
        open_address("pathmnist?size=224", tmp_path)
    assert "pathmnist_224.npz" in str(caught.value)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "breastmnist", 28, monkeypatch)
    monkeypatch.setitem(sys.modules, "medmnist", None)
    monkeypatch.delitem(sys.modules, "medmnist.info")
    for act in (
        lambda: open_address("breastmnist", tmp_path),
        lambda: DATASETS["breastmnist"].fetch(tmp_path, lambda done, total: None),
    ):
        with pytest.raises(DataUnavailable, match=r'pip install "invariscope\[medmnist\]"'):
            act()


def test_fetch_asks_for_the_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("core.datasets.medmnist_sets.download", lambda *given: asked.append(given[:3]))
    DATASETS["pathmnist"].variant({"size": "64"}).fetch(tmp_path, lambda done, total: None)
    facts = medmnist.info.INFO["pathmnist"]
    assert asked == [(facts["url_64"], tmp_path / "medmnist" / "pathmnist_64.npz", facts["MD5_64"])]
