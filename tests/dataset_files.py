"""Data sets in miniature, in the layouts in which their publishers ship them."""

import hashlib
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torchvision.datasets as published
from PIL import Image
from scipy.io import savemat

from core.datasets import DATASETS
from core.datasets.address import open_address
from core.datasets.torchvision_sets import TorchvisionSet
from core.errors import DataUnavailable

RNG = np.random.default_rng(3)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def picture(path: Path, shape: tuple[int, ...] = (8, 10, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(*shape)).save(path)
    return path


def labelled(root: Path, counts: dict[str, int], suffix: str = "png") -> Path:
    """Class folders with so many images."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture(root / name / f"{i}.{suffix}")
    return root


def split(root: Path, train: dict[str, int], test: dict[str, int], **others: dict[str, int]) -> Path:
    """Class folders below part folders."""
    for part, counts in {"train": train, "test": test, **others}.items():
        labelled(root / part, counts)
    return root


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def lines(path: Path, text: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(text) + "\n")


Patch = pytest.MonkeyPatch


def cifar10(root: Path, patch: Patch, name: str = "CIFAR10") -> dict[str, int]:
    folder = root / getattr(published, name).base_folder
    folder.mkdir(parents=True)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    sums = {}
    for file in [entry[0] for entry in getattr(published, name).train_list + getattr(published, name).test_list]:
        labels = list(range(4)) if name == "CIFAR10" else [0, 99, 5]
        (folder / file).write_bytes(pickle.dumps({"data": pixels(len(labels), 3072), key: labels}))
        sums[file] = [file, md5(folder / file)]
    meta = getattr(published, name).meta
    words = [f"thing_{i}" for i in range(10 if name == "CIFAR10" else 100)]
    (folder / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: words}))
    for listing in ("train_list", "test_list"):
        patch.setattr(
            getattr(published, name), listing, [sums[e[0]] for e in getattr(getattr(published, name), listing)]
        )
    patch.setattr(getattr(published, name), "meta", {**meta, "md5": md5(folder / meta["filename"])})
    return {"train": 20, "test": 4} if name == "CIFAR10" else {"train": 3, "test": 3}


def cifar100(root: Path, patch: Patch) -> dict[str, int]:
    return cifar10(root, patch, "CIFAR100")


def stl10(root: Path, patch: Patch) -> dict[str, int]:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part, count in (("train", 3), ("test", 2)):
        pixels(count, 3, 96, 96).tofile(folder / f"{part}_X.bin")
        np.arange(1, count + 1, dtype=np.uint8).tofile(folder / f"{part}_y.bin")
    lines(folder / "class_names.txt", [f"class{i}" for i in range(10)])
    return {"train": 3, "test": 2}


def caltech101(root: Path, patch: Patch) -> dict[str, int]:
    top = root / "caltech101" / "101_ObjectCategories"
    for name in ["BACKGROUND_Google", *(f"kind_{i:03d}" for i in range(101))]:
        for i in range(1, 33 if name == "kind_000" else 3):
            picture(top / name / f"image_{i:04d}.jpg", (4, 4, 3))
    return {"all": 32 + 100 * 2}


def dtd(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "dtd" / "dtd"
    names = [f"texture{i:02d}" for i in range(47)]
    for part in ("train", "val", "test"):
        for name in names:
            picture(base / "images" / name / f"{part}.jpg", (4, 4, 3))
        lines(base / "labels" / f"{part}1.txt", [f"{name}/{part}.jpg" for name in names])
    return dict.fromkeys(("train", "val", "test"), 47)


def pets(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "oxford-iiit-pet"
    for part in ("trainval", "test"):
        ids = [f"breed_{i:02d}_{part}" for i in range(37)]
        for id in ids:
            picture(base / "images" / f"{id}.jpg", (4, 4, 3))
        lines(base / "annotations" / f"{part}.txt", [f"{id} {i + 1} 1 1" for i, id in enumerate(ids)])
    return {"train": 37, "test": 37}


def flowers102(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "flowers-102"
    for i in range(1, 7):
        picture(base / "jpg" / f"image_{i:05d}.jpg")
    savemat(base / "imagelabels.mat", {"labels": [[1, 2, 1, 2, 102, 2]]})
    savemat(base / "setid.mat", {"trnid": [[1, 2]], "valid": [[3, 4]], "tstid": [[5, 6]]})
    sums = {kind: (name, md5(base / name)) for kind, name in (("label", "imagelabels.mat"), ("setid", "setid.mat"))}
    patch.setattr(published.Flowers102, "_file_dict", {**published.Flowers102._file_dict, **sums})
    return {"train": 2, "val": 2, "test": 2}


def food101(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "food-101"
    names = [f"dish_{i:03d}" for i in range(101)]
    for part in ("train", "test"):
        for name in names:
            picture(base / "images" / name / f"{part}.jpg", (4, 4, 3))
        lines(base / "meta" / f"{part}.json", [json.dumps({name: [f"{name}/{part}"] for name in names})])
    return {"train": 101, "test": 101}


def aircraft(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "fgvc-aircraft-2013b" / "data"
    names = [f"F/A-{i}" for i in range(100)]
    lines(base / "variants.txt", names)
    for k, part in enumerate(("train", "val", "test")):
        lines(base / f"images_variant_{part}.txt", [f"{k}{i:03d} {name}" for i, name in enumerate(names)])
        for i in range(100):
            picture(base / "images" / f"{k}{i:03d}.jpg", (4, 4, 3))
    return dict.fromkeys(("train", "val", "test"), 100)


def cars(root: Path, patch: Patch) -> dict[str, int]:
    base = root / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    for part, path in (
        ("train", base / "devkit" / "cars_train_annos.mat"),
        ("test", base / "cars_test_annos_withlabels.mat"),
    ):
        rows = [
            (picture(base / f"cars_{part}" / f"{i:05d}.jpg").name, label) for i, label in ((1, 1), (2, 196), (3, 7))
        ]
        savemat(path, {"annotations": np.array(rows, dtype=[("fname", object), ("class", object)])})
    words = np.array([f"Car {i}" for i in range(196)], dtype=object)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": words})
    return {"train": 3, "test": 3}


def sun397(root: Path, patch: Patch) -> dict[str, int]:
    names = [f"/a/place{i:03d}" for i in range(396)] + ["/b/house/outdoor"]
    lines_of = root / "SUN397" / "ClassName.txt"
    lines(lines_of, names)
    for name in names:
        for i in range(3 if "house" in name else 2):
            picture(root / "SUN397" / name[1:] / f"sun_{i}.jpg", (2, 2, 3))
    return {"all": 396 * 2 + 3}


def eurosat(root: Path, patch: Patch) -> dict[str, int]:
    labelled(root / "eurosat" / "2750", {f"Land{i}": 5 for i in range(10)}, "jpg")
    return {"all": 50}


def svhn(root: Path, patch: Patch) -> dict[str, int]:
    (root / "svhn").mkdir(parents=True)
    sums = {}
    for part, count in (("train", 4), ("test", 3)):
        path = root / "svhn" / f"{part}_32x32.mat"
        savemat(path, {"X": pixels(32, 32, 3, count), "y": np.array([[10], [1], [9], [2]][:count])})
        sums[part] = ["", path.name, md5(path)]
    patch.setattr(published.SVHN, "split_list", {**published.SVHN.split_list, **sums})
    return {"train": 4, "test": 3}


def fashion(root: Path, patch: Patch) -> dict[str, int]:
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 5), ("t10k", 3)):
        head = struct.pack(">IIII", 2051, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + pixels(count, 28, 28).tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + bytes(range(count)))
    return {"train": 5, "test": 3}


def pcam(root: Path, patch: Patch) -> dict[str, int]:
    (root / "pcam").mkdir(parents=True)
    counts = {"train": 6, "val": 2, "test": 4}
    for part, count in counts.items():
        stem = f"camelyonpatch_level_2_split_{'valid' if part == 'val' else part}"
        with h5py.File(root / "pcam" / f"{stem}_x.h5", "w") as file:
            file["x"] = pixels(count, 96, 96, 3)
        with h5py.File(root / "pcam" / f"{stem}_y.h5", "w") as file:
            file["y"] = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
    return counts


def imagenette(root: Path, patch: Patch) -> dict[str, int]:
    for part in ("train", "val"):
        labelled(root / "imagenette2" / part, dict.fromkeys(published.Imagenette._WNID_TO_CLASS, 2), "JPEG")
    for path in (root / "imagenette2").rglob("*.JPEG"):
        path.rename(path.with_suffix(".jpeg"))
    return {"train": 20, "test": 20}


BUILDERS: dict[str, Callable[[Path, Patch], dict[str, int]]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "stl10": stl10,
    "caltech101": caltech101,
    "dtd": dtd,
    "oxford-pets": pets,
    "flowers102": flowers102,
    "food101": food101,
    "fgvc-aircraft": aircraft,
    "stanford-cars": cars,
    "sun397": sun397,
    "eurosat": eurosat,
    "svhn": svhn,
    "fashion-mnist": fashion,
    "pcam": pcam,
    "imagenette": imagenette,
}


def miniature(id: str, root: Path, patch: Patch) -> TorchvisionSet:
    """The set's adapter, expecting as many images as were just written below `root`."""
    adapter = DATASETS[id]
    assert isinstance(adapter, TorchvisionSet)
    return replace(adapter, layout=replace(adapter.layout, counts=BUILDERS[id](root, patch)))


def pack(folder: Path, path: Path) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for item in sorted(folder.rglob("*")):
                archive.write(item, item.relative_to(folder.parent))
    else:
        mode = path.name.partition(".tar")[2].strip(".")
        with tarfile.open(path, f"w:{mode}") as archive:
            archive.add(folder, folder.name)
    return path


def refuses_archive(name: str, words: str, tmp_path: Path) -> None:
    before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
    with pytest.raises(DataUnavailable) as caught:
        open_address(f"folder:{name}")
    text = str(caught.value)
    assert words in text
    assert text.startswith(f"{name} is refused: ")
    assert "\n" not in text
    assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
    left = [
        p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.suffix != ".lock" and "digests" not in p.parts
    ]
    assert left == [], "nothing is left behind"
