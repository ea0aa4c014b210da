"""torchvision's sets, from miniatures in the published layouts; one of each way of storing pixels, and more."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_files import BUILDERS, miniature

from core.datasets import DATASETS, splits
from core.datasets.address import open_address
from core.errors import DataUnavailable, UnreadableImage

each = pytest.mark.parametrize("id", BUILDERS)


def test_there_is_a_miniature_of_every_set() -> None:
    assert set(BUILDERS) == {id for id, adapter in DATASETS.items() if hasattr(adapter, "layout")}


@each
def test_opens(id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = miniature(id, tmp_path, monkeypatch)
    assert adapter.is_here(tmp_path)
    found = adapter.open(tmp_path)
    counts = adapter.layout.counts
    assert {"train", "test"} <= set(found.parts)
    if "all" not in counts:
        assert {name: len(part) for name, part in found.parts.items()} == counts
    assert len(found.classes) == len(set(found.classes)) == adapter.spec.classes
    assert all(isinstance(name, str) and name and "_" not in name for name in found.classes)
    ids = [id for part in found.parts.values() for id in part.ids]
    assert len(ids) == len(set(ids))
    for name, part in found.parts.items():
        assert all(id.startswith(f"{name}/") and ".." not in id and "\\" not in id for id in part.ids)
        assert part.labels.dtype == np.int64
        assert part.labels.shape == (len(part),)
        assert set(part.labels) <= set(range(len(found.classes)))
        pixels = part.read(len(part) - 1)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
    again = adapter.open(tmp_path)
    assert again.fingerprint == found.fingerprint
    assert [part.ids for part in again.parts.values()] == [part.ids for part in found.parts.values()]


@each
def test_threads_read_the_same(id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = miniature(id, tmp_path, monkeypatch).open(tmp_path).parts["train"]
    some = list(range(min(8, len(part)))) * 4
    with ThreadPoolExecutor(8) as pool:
        for i, found in zip(some, pool.map(part.read, some), strict=True):
            np.testing.assert_array_equal(found, part.read(i))


@each
def test_half_a_set_is_not_taken_for_whole(id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = miniature(id, tmp_path, monkeypatch)
    more = {name: count + 1 for name, count in adapter.layout.counts.items()}
    with pytest.raises(DataUnavailable, match=r"not whole.*fetch it again"):
        replace(adapter, layout=replace(adapter.layout, counts=more)).open(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".txt",)]
    victim = max(files, key=lambda path: (path.stat().st_size, path.name))
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    if victim.suffix.lower() in (".jpg", ".jpeg"):
        found = adapter.open(tmp_path)
        broken = 0
        for part in found.parts.values():
            for i in range(len(part)):
                try:
                    part.read(i)
                except UnreadableImage:
                    broken += 1
        assert broken <= 1
        victim.unlink()
    with pytest.raises(DataUnavailable, match="cannot be opened"):
        adapter.open(tmp_path)


@pytest.mark.parametrize("id", ["dtd", "eurosat", "stl10", "fashion-mnist"])
def test_the_fingerprint_follows_the_files(id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = miniature(id, tmp_path, monkeypatch)
    before = adapter.open(tmp_path).fingerprint
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".txt"]
    victim = max(files, key=lambda path: (path.stat().st_size, path.name))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    # Clocks of file systems tick slowly.
    os.utime(victim, (victim.stat().st_atime, victim.stat().st_mtime + 1))
    assert adapter.open(tmp_path).fingerprint != before


def test_pixels_are_those_that_were_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STL-10 is read without torchvision; its class says how the planes lie."""
    import torchvision.datasets as published

    part = miniature("stl10", tmp_path, monkeypatch).open(tmp_path).parts["test"]
    monkeypatch.setattr(published.STL10, "_check_integrity", lambda self: True)
    theirs = published.STL10(str(tmp_path), split="test")
    for i in range(2):
        image, label = theirs[i]
        np.testing.assert_array_equal(part.read(i), np.asarray(image))
        assert part.labels[i] == label


def test_colours_are_not_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets as published

    for id, name, given in (("svhn", "SVHN", {"split": "test"}), ("cifar10", "CIFAR10", {"train": False})):
        root = tmp_path / id
        part = miniature(id, root, monkeypatch).open(root).parts["test"]
        theirs = getattr(published, name)(str(root / DATASETS[id].layout.below), **given)
        for i in range(len(part)):
            image, label = theirs[i]
            np.testing.assert_array_equal(part.read(i), np.asarray(image))
            assert part.labels[i] == label


def test_sets_without_a_split_are_split_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caltech = miniature("caltech101", tmp_path / "c", monkeypatch).open(tmp_path / "c")
    assert np.bincount(caltech.parts["train"].labels).tolist() == [30] + [1] * 100
    assert np.bincount(caltech.parts["test"].labels).tolist() == [2] + [1] * 100
    eurosat = miniature("eurosat", tmp_path / "e", monkeypatch).open(tmp_path / "e")
    assert set(np.bincount(eurosat.parts["test"].labels)) == {round(5 * splits.TEST_SHARE)}
    sun = miniature("sun397", tmp_path / "s", monkeypatch).open(tmp_path / "s")
    assert "house/outdoor" in sun.classes
    assert len(sun.parts["train"]) + len(sun.parts["test"]) == 396 * 2 + 3


def test_first_of_each_leaves_something_to_test() -> None:
    labels = np.array([0] * 5 + [1] * 2 + [2] * 9)
    ids = [f"s{i}" for i in range(len(labels))]
    train, test = splits.first_of_each(ids, labels, 3, 4)
    assert np.bincount(labels[train]).tolist() == [3, 1, 3]
    assert np.bincount(labels[test]).tolist() == [2, 1, 4]
    assert not set(train) & set(test)
    train, test = splits.first_of_each(ids, labels, 3, 0)
    assert len(train) + len(test) == len(labels)


def test_a_registry_address_keeps_its_options(tmp_path: Path) -> None:
    found = open_address("digits?unreadable=skip", tmp_path)
    assert found.skip_unreadable
    assert found.address == "digits?unreadable=skip"
    assert not open_address("digits", tmp_path).skip_unreadable


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = miniature("pcam", tmp_path, monkeypatch)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataUnavailable, match=r'pip install "invariscope\[pcam\]"'):
        adapter.open(tmp_path)
