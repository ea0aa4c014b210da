"""Images that belong together stay in one part of a split; where they do not, that is told."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_files import labelled, picture

from core.datasets import splits
from core.datasets.address import open_address
from core.errors import InvalidRequest


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def scans(root: Path) -> Path:
    """Two classes of eight patients with six slices each."""
    for label, name in enumerate(("benign", "malignant")):
        for patient in range(8):
            labelled(root / "scans" / name, {f"patient_{label}{patient:02d}": 6})
    return root / "scans"


def groups(address: str, piece: int = 2) -> dict[str, set[str]]:
    parts = open_address(address).parts
    return {name: {id.split("/")[piece] for id in part.ids} for name, part in parts.items()}


def test_folders_below_classes_are_kept_in_one_part(scans: Path) -> None:
    found = groups("folder:scans")
    assert set(found) == {"train", "val", "test"}
    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 16
    spec = open_address("folder:scans").spec
    assert "groups by the folders below the classes kept in one part" in spec.split_rule
    assert "16 groups" in spec.note
    shares = [np.bincount(open_address("folder:scans").parts["test"].labels).tolist()]
    assert shares == [[12, 12]]


def test_without_groups_a_patient_on_both_sides_is_told(scans: Path, root: Path) -> None:
    assert "15 of 16" not in open_address("folder:scans?group=none").spec.note, "asked for, and known"
    for patient in range(4, 8):  # too few groups to split by unasked
        shutil.rmtree(scans / "benign" / f"patient_0{patient:02d}")
    note = open_address("folder:scans").spec.note
    assert "of 12 folders below the classes have images in the test part and in another" in note
    assert "'group=folder' keeps each in one part" in note
    found = groups("folder:scans?group=folder")
    assert sum(map(len, found.values())) == 12


def test_groups_across_parts_that_the_data_has_are_told(root: Path) -> None:
    for part, patients in (("train", ("a", "b")), ("test", ("b", "c"))):
        for name in ("benign", "malignant"):
            labelled(root / "scans" / part / name, dict.fromkeys(patients, 2))
    assert "1 of 3 folders below the classes" in open_address("folder:scans").spec.note
    assert "1 groups, by the folders" in open_address("folder:scans?group=folder").spec.note


def test_a_patient_in_two_classes_is_one_patient(root: Path) -> None:
    for name in ("left", "right"):
        labelled(root / "eyes" / name, dict.fromkeys(map(str, range(10)), 2))
    found = groups("folder:eyes")
    assert sum(map(len, found.values())) == 10


def test_groups_by_a_pattern(root: Path) -> None:
    for name in ("cat", "dog"):
        for animal in range(6):
            for shot in range(3):
                picture(root / "pets" / name / f"id{animal}-{shot}.png")
    found = open_address("folder:pets?group=(id%5Cd)-")
    where = {id.rpartition("/")[2][:3]: set() for part in found.parts.values() for id in part.ids}
    for name, part in found.parts.items():
        for id in part.ids:
            where[id.rpartition("/")[2][:3]].add(name)
    assert all(len(parts) == 1 for parts in where.values())
    with pytest.raises(InvalidRequest, match="is found in no name"):
        open_address("folder:pets?group=patient")
    with pytest.raises(InvalidRequest, match="regular expression"):
        open_address("folder:pets?group=(")
    with pytest.raises(InvalidRequest, match="no folders below the classes"):
        open_address("folder:pets?group=folder")
    with pytest.raises(InvalidRequest, match="one group alone"):
        open_address("folder:pets?group=cat")


def test_whole_groups_are_held_out_near_the_share() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 200)
    names = [f"{label}-{group}" for label, group in zip(labels, rng.integers(0, 40, 1000), strict=True)]
    mask = splits.groups_held_out(names, labels, 0.2, "test")
    assert not {n for n, m in zip(names, mask, strict=True) if m} & {
        n for n, m in zip(names, mask, strict=True) if not m
    }
    shares = [mask[labels == label].mean() for label in range(5)]
    assert all(0.15 < share < 0.25 for share in shares)
    np.testing.assert_array_equal(mask, splits.groups_held_out(names, labels, 0.2, "test"))
    assert (mask != splits.groups_held_out(names, labels, 0.2, "other")).any()
