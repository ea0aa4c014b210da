"""How each kind of torchvision set is read: which samples, which labels, and pixels one at a time.

Files and labels come from torchvision's own classes, which know the published layouts; images are decoded by
`core.images`, so that a damaged file is one unreadable sample and nothing worse.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets import object_masks, reading
from core.datasets.object_masks import Mask
from core.datasets.reading import Read
from core.errors import DataUnavailable


@dataclass(frozen=True, slots=True)
class Archive:
    """A published file: `url`, its `md5` if any, the folder it is unpacked `into`, an archive `inner` to it."""

    url: str
    md5: str = ""
    into: str = ""
    inner: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """How a set is stored; see the head of `catalog/torchvision.toml`."""

    class_name: str
    reader: str
    folder: str
    parts: dict[str, dict[str, Any]]
    counts: dict[str, int]
    below: str = ""
    paths: str = ""
    trimaps: str = ""
    names: tuple[str, ...] = ()
    per_class: dict[str, int] | None = None
    archives: tuple[Archive, ...] = ()
    put: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One published part.

    Attributes:
        names: class names in label order.
        ids: unique in the part.
        labels: (N,) int64.
        read: pixels of sample i.
        stamps: changes when a file does; hashed into the fingerprint.
        mask: as a `Part` has it.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    read: Read
    stamps: tuple[str, ...]
    mask: Mask | None = None


def _instance(layout: Storage, root: Path, arguments: dict[str, Any]) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, layout.class_name)(root=str(root), **arguments)


def _names(layout: Storage, data: Any) -> tuple[str, ...]:
    if layout.names:
        return layout.names
    names = getattr(data, "classes", None)
    if names is None:
        raise DataUnavailable(
            f"The installed torchvision does not name the classes of {layout.class_name}: "
            "upgrade it with 'pip install -U torchvision'."
        )
    # Imagenette lists synonyms.
    return tuple(name if isinstance(name, str) else name[0] for name in names)


def _words(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.replace("_", " ") for name in names)


def _of_files(
    names: Sequence[str], paths: Sequence[Path], labels: Sequence[int], trimaps: Sequence[Path] = ()
) -> Stored:
    top = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    order = sorted(range(len(paths)), key=lambda i: paths[i].as_posix())
    paths = [paths[i] for i in order]
    ids = tuple(path.relative_to(top).as_posix() for path in paths)
    stamps, missing = [], []
    for id, path in zip(ids, paths, strict=True):
        try:
            facts = path.stat()
            stamps.append(f"{id} {facts.st_size} {facts.st_mtime_ns}")
        except OSError:
            missing.append(path)
    if missing:
        raise DataUnavailable(f"{len(missing):,} of {len(paths):,} image files are missing, such as {missing[0]}.")
    mask = object_masks.of_trimaps([trimaps[i] for i in order]) if trimaps else None
    found = np.array([labels[i] for i in order], np.int64)
    return Stored(_words(names), ids, found, reading.file_reader(paths), tuple(stamps), mask)


def _of_array(
    names: Sequence[str], images: Any, labels: Any, stamps: Sequence[str], axes: tuple[int, ...] | None = None
) -> Stored:
    if len(images) != len(labels):
        raise DataUnavailable(f"There are {len(images):,} images and {len(labels):,} labels.")
    ids = tuple(f"{i:06d}" for i in range(len(images)))
    found = np.asarray(labels).astype(np.int64)
    return Stored(_words(names), ids, found, reading.array_reader(images, axes), tuple(stamps))


def _stamp(*paths: Path) -> list[str]:
    return [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths]


def files(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """Sets that keep a list of files beside a list of labels."""
    data = _instance(layout, root, arguments)
    trimaps = [Path(path) for path in getattr(data, layout.trimaps)] if layout.trimaps else []
    paths = [Path(path) for path in getattr(data, layout.paths)]
    return _of_files(_names(layout, data), paths, data._labels, trimaps)


def samples(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """Sets that keep (file, label) pairs."""
    data = _instance(layout, root, arguments)
    pairs = getattr(data, layout.paths)
    return _of_files(_names(layout, data), [Path(path) for path, _ in pairs], [label for _, label in pairs])


def caltech(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """Caltech-101, which numbers the files of each category."""
    data = _instance(layout, root, arguments)
    top = Path(data.root) / "101_ObjectCategories"
    paths = [
        top / data.categories[label] / f"image_{number:04d}.jpg"
        for label, number in zip(data.y, data.index, strict=True)
    ]
    return _of_files(data.categories, paths, data.y)


def cifar(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """CIFAR: pickled batches, which torchvision compares with the published checksums before it opens them."""
    data = _instance(layout, root, arguments)
    stamps = [md5 for _, md5 in (data.train_list if data.train else data.test_list)]
    return _of_array(data.classes, data.data, data.targets, stamps)


def svhn(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """SVHN: MATLAB files, compared with the published checksums by torchvision."""
    data = _instance(layout, root, arguments)
    return _of_array(_names(layout, data), data.data, data.labels, [data.file_md5], axes=(1, 2, 0))


def mnist(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """The format of MNIST, grey."""
    data = _instance(layout, root, arguments)
    stamps = _stamp(*sorted(path for path in Path(data.raw_folder).iterdir() if not path.suffix))
    return _of_array(_names(layout, data), data.data.numpy(), data.targets.numpy(), stamps)


STL_SIDE = 96


def stl10(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """STL-10: column-major planes, memory-mapped; torchvision would hash 2.6 GB of unlabelled images at each start."""
    folder = root / layout.folder
    pixels, labels = folder / f"{arguments['part']}_X.bin", folder / f"{arguments['part']}_y.bin"
    names = (folder / "class_names.txt").read_text().split()
    images = np.memmap(pixels, np.uint8, "r").reshape(-1, 3, STL_SIDE, STL_SIDE)
    found = np.fromfile(labels, np.uint8).astype(np.int64) - 1
    return _of_array(names, images, found, _stamp(pixels, labels), axes=(2, 1, 0))


def pcam(layout: Storage, root: Path, arguments: dict[str, Any]) -> Stored:
    """PatchCamelyon: HDF5, read where it lies; torchvision would open the file anew for each image.

    Raises:
        DataUnavailable: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataUnavailable(
            "Reading PatchCamelyon takes the h5py package: run 'pip install \"invariscope[pcam]\"'."
        ) from error
    names = {"train": "train", "val": "valid", "test": "test"}
    pixels, labels = (
        root / layout.folder / f"camelyonpatch_level_2_split_{names[arguments['split']]}_{kind}.h5" for kind in "xy"
    )
    with h5py.File(labels, "r") as file:
        found = file["y"][:].reshape(-1).astype(np.int64)
    # h5py serialises access by itself, so threads may share the file; it closes with the last reference.
    images = h5py.File(pixels, "r")["x"]
    return _of_array(layout.names, images, found, _stamp(pixels, labels))


READERS: dict[str, Callable[[Storage, Path, dict[str, Any]], Stored]] = {
    "files": files,
    "samples": samples,
    "caltech": caltech,
    "cifar": cifar,
    "svhn": svhn,
    "mnist": mnist,
    "stl10": stl10,
    "pcam": pcam,
}
