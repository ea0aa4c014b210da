"""Images that occur more than once: counted where one looks, and left out when asked."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import study_folders
from PIL import Image, ImageOps

from core import samples
from core.cli import main
from core.datasets import duplicates, near
from core.datasets.address import open_address

NOTES = (
    "3 of 24 test images are byte for byte among the training images too: figures on this set flatter every encoder. "
    "6 more of 24 test images look like a training image: figures on this set flatter every encoder. "
    "1 picture stands under two classes or more."
)


def scene(seed: int, side: int = 64) -> Image.Image:
    """A drawing that a smaller copy still shows."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "DATA", "RESULTS", "WEIGHTS"):
        monkeypatch.setenv(f"INVARISCOPE_{name}", str(tmp_path / name.lower()))
    return tmp_path / "data"


@pytest.fixture
def leaky(root: Path) -> Path:
    """Three copies, six saved again in other formats, sizes and brightness, and one picture in two classes."""
    for part, count, seed in (("train", 12, 0), ("test", 5, 500)):
        for label, name in enumerate("abc"):
            (root / "leaky" / part / name).mkdir(parents=True)
            for i in range(count):
                scene(seed + 100 * label + i).save(root / "leaky" / part / name / f"{i}.png")
    for name in "abc":
        train, test = (root / "leaky" / part / name for part in ("train", "test"))
        shutil.copy(train / "0.png", test / "copy.png")
        with Image.open(train / "1.png") as image:
            image.save(test / "again.jpg", quality=75)
        with Image.open(train / "2.png") as image:
            brighter = Image.fromarray(np.clip(np.asarray(image) * 0.8 + 20, 0, 255).astype(np.uint8))
            brighter.resize((40, 40)).save(test / "again.bmp")
    shutil.copy(root / "leaky" / "train" / "a" / "11.png", root / "leaky" / "train" / "b" / "conflict.png")
    return root / "leaky"


def test_copies_and_pictures_saved_again_are_counted(leaky: Path) -> None:
    found = open_address("folder:leaky")
    assert found.spec.note == NOTES
    assert found.checks == {"left_out": 0, "test_copies": 3, "test_alike": 6, "test_near": 0, "contradictions": 1}
    assert open_address("folder:leaky").spec.note == NOTES, "the remembered answer is the same"
    assert len(found.parts["test"]) == 24


def test_a_damaged_note_counts_as_absent(leaky: Path, tmp_path: Path) -> None:
    before = open_address("folder:leaky").checks
    (note,) = (tmp_path / "cache" / "duplicates").iterdir()
    whole = note.read_bytes()
    note.write_bytes(whole.replace(b'"contradictions": 1', b'"contradictions": 3'))
    assert note.read_bytes() != whole
    assert open_address("folder:leaky").checks == before


def test_they_are_left_out_when_asked(leaky: Path) -> None:
    found = open_address("folder:leaky?duplicates=drop")
    assert {name: len(part) for name, part in found.parts.items()} == {"train": 35, "test": 15}
    assert "they were left out" in found.spec.note
    assert "all their images were left out" in found.spec.note
    assert found.fingerprint != open_address("folder:leaky").fingerprint
    assert not [id for part in found.parts.values() for id in part.ids if "copy" in id or "again" in id]


def test_a_study_tells_and_drops(leaky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    using = ["--encoders", "random", "--device", "cpu", "--protocols", "knn", "--json"]
    assert main(["study", *using, "--datasets", "folder:leaky", "--drop-duplicates", "--name", "one"]) == 0
    said = capsys.readouterr()
    assert "leaky: 35 train, 15 test images. 3 of 24 test images are byte for byte" in said.err
    manifest = json.loads((Path(json.loads(said.out)["folder"]) / "manifest.json").read_text())
    assert manifest["datasets"]["leaky"]["checks"]["test_alike"] == 6
    assert manifest["datasets"]["leaky"]["address"] == "folder:leaky?duplicates=drop"
    assert main(["study", "--drop-duplicates", "--out", json.loads(said.out)["folder"]]) == 2
    assert "goes with --datasets" in capsys.readouterr().err


def test_different_pictures_of_one_kind_are_not_alike(root: Path) -> None:
    study_folders.folder(root, "noise", train=30, test=30)
    stripes = root / "stripes"
    for label in range(3):
        for part, start in (("train", 0), ("test", 50)):
            (stripes / part / str(label)).mkdir(parents=True)
            for i in range(20):
                rng = np.random.default_rng(1000 * label + start + i)
                across = np.arange(40)[None, :].repeat(40, 0) + rng.integers(0, 6)
                grey = (across // (4 + label) % 2) * 160 + 40 + rng.normal(0, 12, (40, 40))
                Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(stripes / part / str(label) / f"{i}.png")
    for name in ("noise", "stripes"):
        checks = open_address(f"folder:{name}").checks
        assert (checks["test_alike"], checks["test_near"]) == (0, 0)


def test_flat_pictures_are_not_compared_but_copies_of_them_are(root: Path) -> None:
    for part in ("train", "test"):
        for name, level in (("dark", 9), ("light", 220)):
            (root / "flat" / part / name).mkdir(parents=True)
            for i in range(3):
                shade = level + i + (10 if part == "test" else 0)
                out = io.BytesIO()
                Image.new("L", (20, 20), shade).save(out, "PNG")
                (root / "flat" / part / name / f"{i}.png").write_bytes(out.getvalue())
    assert open_address("folder:flat").checks == {
        "left_out": 0,
        "test_copies": 0,
        "test_alike": 0,
        "test_near": 0,
        "contradictions": 0,
    }
    shutil.copy(root / "flat/train/dark/0.png", root / "flat/test/light/9.png")
    assert open_address("folder:flat").checks["test_copies"] == 1
    assert open_address("folder:flat").checks["contradictions"] == 1


def test_what_was_not_looked_into_is_told(leaky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_IMAGES", 10)
    monkeypatch.setattr(duplicates, "MAX_BYTES", 10)
    found = open_address("folder:leaky")
    unknown = dict.fromkeys(("test_copies", "test_alike", "test_near"))
    assert found.checks == {"left_out": 0, **unknown, "contradictions": 0}
    assert found.spec.note.count("was not looked into") == 2


def test_features_that_were_not_asked_are_told(leaky: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST", 10)
    found = open_address("folder:leaky")
    assert (found.checks["test_alike"], found.checks["test_near"]) == (6, None)
    assert "What features tell of test and training images was not looked into" in found.spec.note


PHOTOS = ("cat", "coffee", "rocket", "motorcycle", "astronaut", "flower", "temple", "retina")
OTHERS = ("moon", "page", "cell", "brick", "histology", "deep-field")


def test_photos_in_another_form_are_found_by_features_alone(root: Path) -> None:
    """Photos to train on, other ones to test, and of four a twin that no thumbnail shows."""
    twins = {
        "cat": ImageOps.mirror,
        "coffee": ImageOps.mirror,
        "temple": lambda photo: ImageOps.mirror(photo.convert("L")),
        "astronaut": lambda photo: photo.crop((16, 16, photo.width - 20, photo.height - 12)),
    }
    for part, names in (("train", PHOTOS), ("test", OTHERS)):
        for i, name in enumerate(names):
            photo = Image.fromarray(samples.image(name).rgb)
            for place, made in ((part, photo), ("test", twins[name](photo) if name in twins else None)):
                if made is not None:
                    path = root / "photos" / place / "ab"[i % 2] / f"{name}{'-twin' if made is not photo else ''}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.save(path)
    found = open_address("folder:photos")
    assert (found.checks["test_alike"], found.checks["test_near"]) == (0, 4)
    assert "4 of 10 test images show what a training image shows, mirrored, cropped, recoloured" in found.spec.note
    kept = open_address("folder:photos?duplicates=drop").parts["test"]
    assert len(kept) == 6
    assert not [id for id in kept.ids if "twin" in id]


def test_an_unreadable_image_is_different_from_all(leaky: Path) -> None:
    (leaky / "test" / "a" / "again.jpg").write_bytes(b"no image")
    assert open_address("folder:leaky").checks["test_alike"] == 5
