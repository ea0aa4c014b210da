"""Image folders of any user: both layouts, names, splits, and one sentence about each thing that can be wrong."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_files import labelled, picture, split
from PIL import Image

from core.datasets import splits
from core.datasets.address import open_address
from core.datasets.folder import here, safe_id
from core.errors import DataUnavailable, ImageTooLarge, InvalidRequest, UnreadableImage
from core.images.limits import MAX_BYTES


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def refused(address: str) -> str:
    with pytest.raises(DataUnavailable) as caught:
        open_address(address)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", ")."))
    return text


TWO = {"cat": 3, "dog": 2}


def test_parts_as_folders(root: Path) -> None:
    split(root / "pets", TWO, {"cat": 1, "dog": 2}, val={"cat": 1, "dog": 1})
    found = open_address("folder:pets")
    assert found.classes == ("cat", "dog")
    assert found.parts["train"].ids == (
        *("train/cat/0.png", "train/cat/1.png", "train/cat/2.png"),
        *("train/dog/0.png", "train/dog/1.png"),
    )
    assert found.parts["test"].labels.tolist() == [0, 1, 1]
    assert len(found.parts["val"]) == 2
    expected = np.asarray(Image.open(root / "pets" / "train" / "dog" / "1.png"))
    np.testing.assert_array_equal(found.parts["train"].read(4), expected)
    spec = found.spec
    assert (spec.id, spec.label, spec.domain, spec.metric, spec.licence) == (
        *("pets", "pets", "unknown", "top-1", "unknown"),
    )
    assert spec.classes == 2
    assert spec.images == "5 train, 2 val, 3 test"
    assert found.parts["test"].ids.index("test/dog/1.png") == 2


@pytest.mark.parametrize("names", [("Training", "Testing"), ("train", "val"), ("TRAIN", "valid")])
def test_other_names_of_parts(names: tuple[str, str], root: Path) -> None:
    for name in names:
        labelled(root / "mri" / name, TWO)
    found = open_address("folder:mri")
    assert set(found.parts) == {"train", "test"}
    assert all(name in found.spec.split_rule for name in names)
    assert found.parts["test"].ids[0] == "test/cat/0.png"


def test_classes_alone_are_split_by_hash(root: Path) -> None:
    labelled(root / "pets", {"cat": 10, "dog": 20})
    found = open_address("folder:pets")
    assert np.bincount(found.parts["test"].labels).tolist() == [2, 4]
    assert np.bincount(found.parts["train"].labels).tolist() == [8, 16]
    assert f"{splits.TEST_SHARE:.0%}" in found.spec.split_rule
    test = set(found.parts["test"].ids)
    shutil.copytree(root / "pets", root / "elsewhere" / "renamed")
    assert set(open_address("folder:elsewhere/renamed").parts["test"].ids) == test
    picture(root / "pets" / "cat" / "new.png")
    again = set(open_address("folder:pets").parts["test"].ids)
    assert len(test - again) <= 1, "one more image moves as few as the counts demand"


def test_a_wrapping_folder_is_looked_through(root: Path) -> None:
    split(root / "download" / "flowers" / "v2", TWO, TWO)
    (root / "download" / "__MACOSX").mkdir()
    (root / "download" / ".DS_Store").write_bytes(b"x")
    assert open_address("folder:download").parts["train"].ids[0] == "train/cat/0.png"


def test_images_below_folders_of_a_class_are_its_own(root: Path) -> None:
    labelled(root / "pets", {"cat/young": 2, "cat/old": 2, "dog": 3})
    found = open_address("folder:pets")
    ids = {id for part in found.parts.values() for id in part.ids}
    assert {id.partition("/")[2] for id in ids} >= {"cat/old/0.png", "cat/young/1.png", "dog/2.png"}


def test_words_name_the_classes(root: Path) -> None:
    labelled(root / "birds", {"n1": 2, "n2": 2, "n3": 2})
    (root / "birds" / "words.txt").write_text("n1\tcrane, bird\nn2\tcrane, machine\nn9\tother\n")
    assert open_address("folder:birds").classes == ("crane, bird", "crane, machine", "n3")
    (root / "birds" / "words.txt").write_bytes(b"n1\t\xff\n")
    assert "save it as UTF-8" in refused("folder:birds")


def test_every_second_class(root: Path) -> None:
    split(root / "many", {f"c{i}": 2 for i in range(5)}, {f"c{i}": 1 for i in range(5)})
    found = open_address("folder:many?every=2")
    assert found.classes == ("c0", "c2", "c4")
    assert found.parts["train"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.fingerprint != open_address("folder:many").fingerprint
    assert "only one class, 'c0', when one in 9 is taken" in refused("folder:many?every=9")


def test_a_task_lends_its_description(root: Path) -> None:
    split(root / "brain_mri", *[dict.fromkeys(("glioma", "meningioma", "notumor", "pituitary"), 2)] * 2)
    spec = open_address("folder:brain_mri").spec
    assert (spec.id, spec.label, spec.domain, spec.licence) == ("brain_mri", "Brain MRI", "different", "CC0")
    assert "no diagnostic device" in spec.note
    given = open_address("folder:brain_mri?domain=similar&label=Mine&licence=secret").spec
    assert (given.domain, given.label, given.licence) == ("similar", "Mine", "secret")
    (root / "brain_mri").rename(root / "brain-mri")
    assert open_address("folder:brain-mri").spec.id == "brain_mri"
    assert open_address("folder:brain-mri?id=mine").spec.domain == "unknown"
    shutil.rmtree(root / "brain-mri" / "train" / "glioma")
    shutil.rmtree(root / "brain-mri" / "test" / "glioma")
    assert open_address("folder:brain-mri").spec.domain == "unknown", "other classes are another task"


def test_the_fingerprint_follows_the_files(root: Path) -> None:
    labelled(root / "pets", {"cat": 4, "dog": 4})
    seen = {open_address("folder:pets").fingerprint}
    image = root / "pets" / "cat" / "0.png"
    os.utime(image, (1, 1))
    seen.add(open_address("folder:pets").fingerprint)
    image.rename(image.with_name("renamed.png"))
    seen.add(open_address("folder:pets").fingerprint)
    image.with_name("renamed.png").unlink()
    seen.add(open_address("folder:pets").fingerprint)
    (root / "pets" / "words.txt").write_text("cat\tfeline\n")
    seen.add(open_address("folder:pets").fingerprint)
    assert len(seen) == 5


def test_the_same_bytes_in_training_and_test_are_counted(root: Path) -> None:
    split(root / "pets", TWO, TWO)
    assert open_address("folder:pets").spec.note == ""
    for i in range(2):
        shutil.copy(root / "pets" / "train" / "cat" / f"{i}.png", root / "pets" / "test" / "dog" / f"copy{i}.png")
    note = open_address("folder:pets").spec.note
    assert note.startswith("2 of 7 test images are byte for byte among the training images too")
    assert open_address("folder:pets").spec.note == note, "the remembered answer is the same"


def test_unreadable_images_are_named_one_by_one(root: Path) -> None:
    split(root / "pets", TWO, TWO)
    (root / "pets" / "train" / "cat" / "1.png").write_bytes(b"no image")
    (root / "pets" / "train" / "cat" / "2.png").write_bytes(b"")
    with (root / "pets" / "train" / "dog" / "0.png").open("wb") as file:
        file.truncate(MAX_BYTES + 10)
    found = open_address("folder:pets?unreadable=skip")
    assert found.skip_unreadable
    assert not open_address("folder:pets").skip_unreadable
    train = found.parts["train"]
    assert train.read(0).ndim == 3
    for i, error in ((1, UnreadableImage), (2, UnreadableImage), (3, ImageTooLarge)):
        with pytest.raises(error):
            train.read(i)
    (root / "pets" / "train" / "dog" / "1.png").unlink()
    with pytest.raises(UnreadableImage, match="cannot be read"):
        train.read(4)


def test_what_was_left_out_is_said(root: Path) -> None:
    split(root / "pets", TWO, TWO, unlabelled={"x": 1})
    picture(root / "pets" / "train" / "loose.png")
    picture(root / "pets" / "cover.png")
    note = open_address("folder:pets").spec.note
    assert "2 images outside of class folders were left out" in note
    assert "'unlabelled'" in note
    labelled(root / "plain", TWO)
    picture(root / "plain" / "cover.png")
    assert open_address("folder:plain").spec.note == "1 image outside of class folders was left out."


def test_clutter_is_no_class(root: Path) -> None:
    labelled(root / "pets", {**TWO, ".thumbnails": 1, "__MACOSX": 1})
    (root / "pets" / "cat" / "Thumbs.db").write_bytes(b"x")
    (root / "pets" / "cat" / "._0.png").write_bytes(b"x")
    found = open_address("folder:pets")
    assert found.classes == ("cat", "dog")
    assert sum(map(len, found.parts.values())) == 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda r: labelled(r, {"cat": 0, "dog": 0}), "holds no images"),
        (lambda r: [picture(r / f"{i}.png") for i in range(3)], "no class folders"),
        (lambda r: labelled(r, {"cat": 3}), "only one class, 'cat'"),
        (lambda r: labelled(r, {"cat": 3, "dog": 3, "emu": 0}), "'emu' has no images"),
        (lambda r: labelled(r, {"cat": 3, "dog": 1}), "'dog' has a single image"),
        (lambda r: labelled(r, {"Cat": 3, "cat": 3, "dog": 3}), "'Cat' and 'cat' in pets differ by capital letters"),
        (lambda r: labelled(r, {"red_cat": 3, "red cat": 3}), "would both be shown as 'red cat'"),
        (lambda r: split(r, TWO, {"cat": 1}), "lacks 'dog', which the training part has"),
        (lambda r: split(r, TWO, {**TWO, "emu": 1}), "has 'emu', which the training part lacks"),
        (lambda r: split(r, TWO, TWO, val={"emu": 1}), "The val part of pets has 'emu'"),
        (lambda r: split(r, {**TWO, "emu": 0}, {**TWO, "emu": 1}), "In the train part of pets, 'emu' has no images"),
        (lambda r: split(r, TWO, {"cat": 1, "dog": 0}), "In the test part of pets, 'dog' has no images"),
        (lambda r: [labelled(r / n, TWO) for n in ("test", "val")], "no folder 'train'"),
        (lambda r: [labelled(r / n, TWO) for n in ("train", "val", "valid", "test")], "two folders for the part 'val'"),
        (lambda r: split(r, {"cat": 1}, {"cat": 1}), "only one class, 'cat'"),
    ],
)
def test_one_sentence_about_what_is_wrong(make, words: str, root: Path) -> None:
    root.mkdir()
    make(root / "pets")
    assert words in refused("folder:pets")


def test_no_folder_at_all(root: Path) -> None:
    assert str(root / "pets") in refused("folder:pets")
    root.mkdir()
    (root / "notes.txt").write_text("x")
    assert "neither a folder nor a zip or tar archive" in refused("folder:notes.txt")


def test_links_of_the_user_are_followed_but_not_in_circles(root: Path) -> None:
    labelled(root / "store", TWO)
    (root / "pets").mkdir()
    for name in TWO:
        (root / "pets" / name).symlink_to(root / "store" / name)
    assert open_address("folder:pets").classes == ("cat", "dog")
    (root / "store" / "cat" / "loop").symlink_to(root / "pets")
    assert "a link to a folder that holds it" in refused("folder:pets")
    (root / "store" / "cat" / "loop").unlink()
    (root / "store" / "cat" / "gone.png").symlink_to(root / "nothing")
    assert "a link to nothing" in refused("folder:pets")


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be made there")
def test_names_that_are_no_text(root: Path) -> None:
    labelled(root / "pets", TWO)
    os.rename(root / "pets" / "cat" / "0.png", os.fsencode(root / "pets" / "cat") + b"/\xff.png")
    assert "no readable text" in refused("folder:pets")


def test_ids_made_of_names() -> None:
    assert safe_id("My Birds (2)") == "my-birds-2"
    assert safe_id("Vögel.final") == "vogel-final"
    assert safe_id("鳥") == "folder"
    assert safe_id("tiny_imagenet") == "tiny_imagenet"
    assert len(safe_id("x" * 200)) == 64


def test_what_is_the_users_own(root: Path) -> None:
    assert here(root) == []
    for name in ("birds", "cifar-10-batches-py", "uploads", ".fetching", "medmnist", "SUN397"):
        (root / name).mkdir(parents=True)
    for name in ("cats.zip", "dogs.TAR.gz", "notes.txt"):
        (root / name).write_bytes(b"x")
    assert here(root) == ["birds", "cats.zip", "dogs.TAR.gz"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("colour=red", "no option colour.*domain, duplicates, .*every, .*id, label"),
        ("domain=far", "domain takes source, similar, different, unknown, not 'far'"),
        ("metric=f1", "metric takes top-1, mean-per-class"),
        ("unreadable=maybe", "unreadable takes skip"),
        ("every=0", "every takes a whole number"),
        ("every=two", "every takes a whole number"),
        ("id=My%20Birds", "cannot be called 'My Birds'"),
        ("id=", "cannot be called ''"),
        ("every", "write each once"),
        ("every=1&every=2", "write each once"),
    ],
)
def test_options_that_make_no_sense(options: str, words: str, root: Path) -> None:
    labelled(root / "pets", TWO)
    with pytest.raises(InvalidRequest, match=words):
        open_address(f"folder:pets?{options}")
