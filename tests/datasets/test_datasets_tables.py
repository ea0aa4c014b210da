"""Labels in a table beside the images: columns guessed and said, or given; groups and parts from it too."""

from pathlib import Path

import numpy as np
import pytest
from dataset_files import labelled, lines, pack, picture

from core.datasets.address import open_address
from core.errors import DataUnavailable

CLASSES = ("healthy", "rust", "scab")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def images(folder: Path, each: int = 12, suffix: str = ".png") -> list[tuple[str, str]]:
    """(file name, label) of images in one folder."""
    made = [(f"{name[0]}{i}{suffix}", name) for name in CLASSES for i in range(each)]
    for file, _ in made:
        picture(folder / file)
    return made


def refused(address: str) -> str:
    with pytest.raises(DataUnavailable) as caught:
        open_address(address)
    return str(caught.value)


def test_one_folder_of_images_and_a_table(root: Path) -> None:
    rows = images(root / "kaggle" / "images")
    lines(root / "kaggle" / "labels.csv", ["image_id,label", *(f"{file},{label}" for file, label in rows)])
    found = open_address("folder:kaggle")
    assert found.classes == CLASSES
    assert sum(np.bincount(part.labels) for part in found.parts.values()).tolist() == [12, 12, 12]
    assert "Labels from labels.csv: file from 'image_id', label from 'label'." in found.spec.note
    assert found.parts["train"].read(0).shape == (8, 10, 3)
    assert all(id.split("/")[1] == "images" for id in found.parts["test"].ids)
    for part in found.parts.values():
        for id, label in zip(part.ids, part.labels, strict=True):
            assert id.rpartition("/")[2][0] == CLASSES[label][0]
    pack(root / "kaggle", root / "packed.zip")
    assert open_address("folder:packed.zip").parts["test"].ids == found.parts["test"].ids


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,breed", "{stem},{label}"),  # names without their ending
        ("filename;class", "images/{file};{label}"),
        ("\ufeffpath\ttarget", "C:\\data\\images\\{file}\t{label}"),
        ("file,width,height,label_name,label", "{file},10,8,{label},{index}"),
        ("image,healthy,rust,scab", "{stem},{one}"),
        ("image_path,what_it_is,width", "{file},{label},10"),
        ("", "{file},{label}"),  # no header at all
    ],
)
def test_tables_of_many_forms(header: str, row: str, root: Path) -> None:
    made = images(root / "plants" / "images", each=4)
    text = [header] if header else []
    for file, label in made:
        index = CLASSES.index(label)
        one = ",".join(str(int(i == index)) for i in range(3))
        text.append(row.format(file=file, stem=file[:-4], label=label, index=index, one=one))
    lines(root / "plants" / "table.csv", text)
    found = open_address("folder:plants")
    assert found.classes == CLASSES
    assert sum(map(len, found.parts.values())) == 12


def test_a_table_beside_the_training_images(root: Path) -> None:
    made = images(root / "comp" / "train")
    picture(root / "comp" / "test" / "h0.png")  # the same name as a training image, and no label
    lines(root / "comp" / "train.csv", ["image,label", *(f"{file},{label}" for file, label in made)])
    lines(root / "comp" / "test.csv", ["image", "h0.png"])
    found = open_address("folder:comp")
    assert sum(map(len, found.parts.values())) == 36
    assert "1 images that no table names were left out." in found.spec.note


def test_parts_from_a_column_and_from_tables(root: Path) -> None:
    made = images(root / "one" / "images", each=6)
    parts = ["train", "train", "train", "val", "test", "test"]
    lines(
        root / "one" / "meta.csv",
        ["file,split,label", *(f"{f},{parts[i % 6]},{label}" for i, (f, label) in enumerate(made))],
    )
    found = open_address("folder:one")
    assert {name: len(part) for name, part in found.parts.items()} == {"train": 9, "val": 3, "test": 6}
    assert "split from 'split'" in found.spec.note
    for name, each in (("train", 4), ("test", 2)):
        rows = images(root / "two" / name, each)
        lines(root / "two" / f"{name}.csv", ["image,label", *(f"{file},{label}" for file, label in rows)])
    assert {name: len(part) for name, part in open_address("folder:two").parts.items()} == {"train": 12, "test": 6}


def test_groups_from_a_column(root: Path) -> None:
    made = images(root / "scans" / "images")
    lines(
        root / "scans" / "labels.csv",
        ["image,patient_id,dx", *(f"{f},{label}{i % 6},{label}" for i, (f, label) in enumerate(made))],
    )
    found = open_address("folder:scans")
    assert "group from 'patient_id'" in found.spec.note
    assert "18 groups" in found.spec.note
    patient = {f: f"{label}{i % 6}" for i, (f, label) in enumerate(made)}
    patients = [{patient[id.rpartition("/")[2]] for id in part.ids} for part in found.parts.values()]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 18


def test_columns_that_are_given(root: Path) -> None:
    made = images(root / "odd" / "images")
    lines(root / "odd" / "x.csv", ["a,b,c", *(f"{f},{label},{label[0]}{i % 2}" for i, (f, label) in enumerate(made))])
    assert "Which column of x.csv in odd is the label cannot be told: it has 'a', 'b', 'c'" in refused("folder:odd")
    assert open_address("folder:odd?label_column=b").classes == CLASSES
    assert len(open_address("folder:odd?labels=x.csv&label_column=c&file_column=a").classes) == 6
    assert "no column 'd'" in refused("folder:odd?labels=x.csv&label_column=d")
    assert "no table 'y.csv': it has 'x.csv'" in refused("folder:odd?labels=y.csv")


def test_folders_that_say_the_same_stay_the_classes(root: Path) -> None:
    labelled(root / "pets", {"cat": 3, "dog": 3})
    names = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(3)]
    lines(root / "pets" / "index.csv", ["file,label", *(f"{path},{path[:3]}" for path in names)])
    lines(root / "pets" / "prices.csv", ["food,price", "bone,3", "fish,4"])
    found = open_address("folder:pets")
    assert "folder" not in found.spec.note.lower()
    assert set(found.parts["train"].ids) | set(found.parts["test"].ids) == {
        f"{part}/{path}" for part in found.parts for path in names if f"{part}/{path}" in found.parts[part].ids
    }
    labelled(root / "batches", {"batch1": 4, "batch2": 4})
    rows = [f"batch{b}/{i}.png,{'ab'[i % 2]}" for b in (1, 2) for i in range(4)]
    lines(root / "batches" / "labels.csv", ["file,label", *rows])
    assert open_address("folder:batches").classes == ("a", "b"), "folders of mixed labels are no classes"


def test_what_a_table_cannot_mean(root: Path) -> None:
    made = images(root / "twice" / "images", each=3)
    rows = [f"{file},{label}" for file, label in made]
    lines(root / "twice" / "labels.csv", ["file,label", *rows, "h0.png,rust", "gone.png,rust", "h1.png,"])
    assert "two labels, 'healthy' and 'rust'" in refused("folder:twice")
    lines(root / "twice" / "labels.csv", ["file,label", *rows, "gone.png,rust", "gone2.png,"])
    assert "2 rows without a label, or about images that are not there" in open_address("folder:twice").spec.note
    lines(root / "twice" / "labels.csv", ["file,label", *(f"{file},same" for file, _ in made)])
    assert "no column" in refused("folder:twice?labels=labels.csv&label_column=x")
    assert "only one class" in refused("folder:twice?labels=labels.csv&label_column=label")


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16", "gbk"])
def test_tables_in_other_encodings(encoding: str, root: Path) -> None:
    made = images(root / "old" / "images", each=3)
    words = {"gbk": ("健康", "铁锈病", "疮痂病")}.get(encoding, ("здоровый", "ржавчина", "парша"))
    text = "\n".join(["file,label", *(f"{file},{words[CLASSES.index(label)]}" for file, label in made)])
    (root / "old" / "labels.csv").write_bytes(text.encode(encoding))
    assert set(open_address("folder:old").classes) == set(words)
