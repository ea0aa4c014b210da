"""Reads `split/class/…/image` folders into square uint8 tensors small enough to stay in memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from core.errors import DataUnavailable
from core.tasks import distinct_names

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images of one split: `images` (N, 3, S, S) uint8, `labels` (N,) int64, class folder names, display names."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]


def class_folders(root: Path, split: str) -> list[str]:
    """The class names of one split, sorted.

    Raises:
        DataUnavailable: there is no such split, or it holds no class folder.
    """
    folder = root / split
    if not folder.is_dir():
        raise DataUnavailable(f"No folder '{split}' in {root}. Expected {split}/<class>/<image> below it.")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DataUnavailable(f"No class folders in {folder}. Expected {split}/<class>/<image>.")
    return classes


def display_names(root: Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Words for class folders, from `words.txt` (`folder<TAB>words`, as Tiny ImageNet ships it) when it is there."""
    words = root / "words.txt"
    if not words.is_file():
        return tuple(name.replace("_", " ") for name in classes)
    table = dict(line.rstrip("\n").split("\t", 1) for line in words.read_text().splitlines() if "\t" in line)
    return distinct_names([table.get(name, name) for name in classes])


def _square(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as image:
        fitted = ImageOps.fit(image.convert("RGB"), (size, size), method=Image.Resampling.BILINEAR)
    return np.asarray(fitted)


def read_split(
    root: Path,
    split: str,
    size: int,
    classes: list[str] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> LabelledImages:
    """All images of `split` below `root`, short side scaled to `size` and centre-cropped.

    Args:
        root: folder that holds the splits.
        split: `train`, `test`, …
        size: side in pixels.
        classes: the class folders to read, in label order; all of them by default.
        progress: told one line when the split has been found and one when it has been read.

    Raises:
        DataUnavailable: a folder is missing, a class is empty, or a file is not an image.
    """
    names = classes or class_folders(root, split)
    paths, labels = [], []
    for label, name in enumerate(names):
        found = sorted(path for path in (root / split / name).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise DataUnavailable(f"Class '{name}' has no images in {root / split}.")
        paths += found
        labels += [label] * len(found)
    progress(f"{split}: {len(paths)} images of {len(names)} classes")
    pixels = np.empty((len(paths), size, size, 3), np.uint8)

    def fill(position: int) -> None:
        try:
            pixels[position] = _square(paths[position], size)
        except OSError as error:
            raise DataUnavailable(f"{paths[position]} cannot be read as an image: {error}.") from error

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(paths)), chunksize=64):
            pass
    progress(f"{split}: read")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(images, torch.tensor(labels), tuple(names), display_names(root, tuple(names)))
