"""Test images that are also among the training images, byte for byte."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from core.datasets.tree import Tree
from core.errors import ImageError
from core.files import write_whole
from core.paths import cache_folder

VERSION = 1
MAX_BYTES = 8 << 30
"""Bytes of files of equal sizes that are read to find out; of more the question stays open."""

SLICES = 64


def count_leaks(tree: Tree, test: Iterable[str], others: Iterable[str], key: str) -> int | None:
    """How many of the files `test` have the same bytes as one of `others`; None when that would take too long to say.

    Only files whose size, and checksum where there is one, occurs on both sides are read. One that cannot be read
    counts as different from all.

    Args:
        tree: holds the files.
        test: paths of the test part.
        others: paths of the training and validation parts.
        key: of the question; the answer is remembered under it in the cache.
    """
    note = cache_folder() / "leaks" / f"{key}.{VERSION}"
    with suppress(OSError, ValueError):
        return int(note.read_text(encoding="ascii"))

    def alike(path: str) -> tuple[int, str]:
        return tree.files[path].size, tree.files[path].checksum

    sides = [list(test), list(others)]
    common = set.intersection(*(set(map(alike, side)) for side in sides))
    tested, other = ([path for path in side if alike(path) in common] for side in sides)
    if sum(tree.files[path].size for path in (*tested, *other)) > MAX_BYTES:
        return None
    known = set(_digests(tree, other)) - {None}
    count = sum(1 for found in _digests(tree, tested) if found in known)
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        write_whole(note, str(count).encode())
    return count


def _digests(tree: Tree, paths: list[str]) -> list[bytes | None]:
    """SHA-256 of each file, in any order; None for one that cannot be read."""

    def digest(path: str) -> bytes | None:
        with suppress(ImageError):
            return hashlib.sha256(tree.read(path)).digest()
        return None

    # Slices, as handing over each of many small files takes longer than reading it.
    with ThreadPoolExecutor(4) as pool:
        slices = pool.map(lambda start: [digest(path) for path in paths[start::SLICES]], range(SLICES))
        return [found for part in slices for found in part]
