"""Where the object is: a folder `masks` beside a set's own folders, with a PNG by the path of each picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets import reading
from core.datasets.layout import unwrapped
from core.datasets.tree import Tree, is_image
from core.images.opening import open_image

FOLDER, ENDING = "masks", ".png"
BACKGROUND = 2
"""In a trimap of Oxford-IIIT Pet: 1 is the animal, 3 its outline."""

Mask = Callable[[int], NDArray[np.bool_] | None]


def taken_apart(tree: Tree) -> tuple[Tree, dict[str, str]]:
    """The tree of a set without its masks, and the path of a mask by that of its picture, without endings.

    A folder of that name none of whose files goes with a picture is a folder like any other, and stays.
    """
    there = f"{FOLDER}/"
    masks = {_stem(p).removeprefix(there): p for p in tree.files if p.startswith(there) and p.lower().endswith(ENDING)}
    rest = replace(
        tree,
        files={path: entry for path, entry in tree.files.items() if not path.startswith(there)},
        folders=frozenset(path for path in tree.folders if path != FOLDER and not path.startswith(there)),
    )
    rest = unwrapped(rest)
    pictures = {_stem(path) for path in filter(is_image, rest.files)}
    found = {stem: path for stem, path in masks.items() if stem in pictures}
    return (rest, found) if found else (tree, {})


def of_paths(paths: list[str], masks: dict[str, str], tree: Tree) -> Mask | None:
    """Masks of the pictures at some paths, read from the tree that still has them; None where none has one."""
    own = [masks.get(_stem(path)) for path in paths]

    def read(i: int) -> NDArray[np.bool_] | None:
        path = own[i]
        return None if path is None else open_image(tree.read(path)).rgb.max(axis=2) > 0

    return read if any(own) else None


def of_trimaps(paths: list[Path]) -> Mask:
    """Masks from trimaps of Oxford-IIIT Pet, the outline with the animal; None for a picture without."""

    def read(i: int) -> NDArray[np.bool_] | None:
        if not paths[i].is_file():
            return None
        return open_image(reading.file_bytes(paths[i])).rgb[:, :, 0] != np.uint8(BACKGROUND)

    return read


def _stem(path: str) -> str:
    return path.rpartition(".")[0]
