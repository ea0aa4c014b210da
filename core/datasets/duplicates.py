"""Images that occur more than once: test images that training has too, and pictures under labels that contradict.

Three looks, each at what the one before left over: bytes, pixels, and what an encoder's features tell (`near`). Two
images are copies when their files are equal byte for byte, and look the same when their grey thumbnails correlate: what
saving again in another format or size, or another brightness, leaves alike. Measured on six sets of photographs, aerial
scenes, X-rays and textures: no two different images correlated above 0.986, and of images saved again as JPEG of
quality 75 more than 98 in 100 did.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.datasets import near
from core.datasets.groups import Sample, Samples
from core.datasets.tree import Tree
from core.errors import ImageError
from core.files import sealed, unsealed, write_whole
from core.images import opening
from core.paths import cache_folder

VERSION = 3
MAX_BYTES = 8 << 30
"""Bytes of files of equal sizes that are read to find copies; of more the question stays open."""

MAX_IMAGES = 10_000
"""Images that are decoded to find those that look the same; of more the question stays open."""

MAX_LOOKED_AT = 4 << 30
"""Bytes of these images."""

SIDE = 32  # of a thumbnail, in pixels
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, as Pillow weighs them
ALIKE = 0.988  # correlation of two thumbnails
FLAT = 2.0  # grey levels of deviation below which a thumbnail shows nothing to compare
CHUNK = 1024
SLICES = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What occurs more than once.

    Attributes:
        copies: test images whose bytes training or validation has too; None when not looked into.
        alike: test images that look like one of training or validation and are no copies; None when not looked into.
        near: test images, neither copies nor alike, whose features say that training has the picture in another form;
            None when not looked into.
        contradictory: images that another label has too, of any part.
        contradictions: different pictures among these.
    """

    copies: tuple[str, ...] | None
    alike: tuple[str, ...] | None
    near: tuple[str, ...] | None
    contradictory: tuple[str, ...]
    contradictions: int

    def counts(self) -> dict[str, int | None]:
        """The counts, for a manifest; None for what was not looked into."""
        return {
            "test_copies": None if self.copies is None else len(self.copies),
            "test_alike": None if self.alike is None else len(self.alike),
            "test_near": None if self.near is None else len(self.near),
            "contradictions": self.contradictions,
        }

    def told(self, tested: int, dropped: bool = False) -> list[str]:
        """What a reader must know, as sentences.

        Args:
            tested: images of the test part.
            dropped: whether these images were left out of the set.
        """
        said = []
        so = "they were left out" if dropped else "figures on this set flatter every encoder"
        if self.copies is None:
            said.append("Whether test images are copies of training images was not looked into: there are too many.")
        if self.alike is None:
            said.append("Whether test images look like training images was not looked into: there are too many.")
        if self.copies:
            said.append(
                f"{len(self.copies):,} of {tested:,} test images are byte for byte among the training images too: {so}."
            )
        if self.alike:
            also = "more " if self.copies else ""
            said.append(f"{len(self.alike):,} {also}of {tested:,} test images look like a training image: {so}.")
        if self.near is None and self.alike is not None:
            said.append("What features tell of test and training images was not looked into: there are too many.")
        if self.near:
            also = "more " if self.copies or self.alike else ""
            said.append(
                f"{len(self.near):,} {also}of {tested:,} test images show what a training image shows, mirrored, "
                f"cropped, recoloured or taken again, as features of SimCLR tell: {so}."
            )
        if self.contradictions:
            what = "pictures stand" if self.contradictions > 1 else "picture stands"
            and_so = ": all their images were left out" if dropped else ""
            said.append(f"{self.contradictions:,} {what} under two classes or more{and_so}.")
        return said


def find(tree: Tree, parts: Samples, key: str) -> Duplicates:
    """What occurs more than once in a set. An image that cannot be read counts as different from all.

    Args:
        tree: holds the files.
        parts: samples by part, `test` among them.
        key: of the question; the answer is remembered under it in the cache.
    """
    note = cache_folder() / "duplicates" / f"{key}.{VERSION}"
    with suppress(OSError, ValueError):
        copies, alike, close, wrong, count = json.loads(unsealed(note.read_bytes()) or b"{}").values()
        return Duplicates(_some(copies), _some(alike), _some(close), tuple(wrong), int(count))
    rows = [(sample, part == "test") for part, found in parts.items() for sample in found]
    found = _look(tree, [sample for sample, _ in rows], np.array([tested for _, tested in rows]))
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        write_whole(note, sealed(json.dumps(asdict(found)).encode()))
    return found


def _some(paths: list[str] | None) -> tuple[str, ...] | None:
    return None if paths is None else tuple(paths)


def without(parts: Samples, found: Duplicates) -> tuple[Samples, int]:
    """The parts without test images that training has too and without contradictory images, and how many went."""
    gone = {*(found.copies or ()), *(found.alike or ()), *(found.near or ())}
    wrong = set(found.contradictory)
    kept = {
        part: [row for row in rows if row.path not in wrong and not (part == "test" and row.path in gone)]
        for part, rows in parts.items()
    }
    return kept, sum(map(len, parts.values())) - sum(map(len, kept.values()))


def _look(tree: Tree, samples: Sequence[Sample], tested: NDArray[np.bool_]) -> Duplicates:
    paths = [sample.path for sample in samples]
    labels = np.array([sample.label for sample in samples])
    digests = _copies(tree, paths)
    first: dict[bytes, int] = {}
    same = [(first.setdefault(digest, i), i) for i, digest in (digests or {}).items()]
    known = {digest for i, digest in (digests or {}).items() if not tested[i]}
    copies = [i for i, digest in (digests or {}).items() if tested[i] and digest in known]
    alike: set[int] | None = None
    close: set[int] | None = None
    if len(paths) <= MAX_IMAGES and sum(tree.files[path].size for path in paths) <= MAX_LOOKED_AT:
        thumbnails, pictures, places = _glimpses(tree, paths)
        pairs = list(_pairs(thumbnails, places))
        alike = {i if tested[i] else j for i, j in pairs if tested[i] != tested[j]} - set(copies)
        same += pairs
        if len(pictures) <= near.MOST:
            told = near.near(near.features_of(pictures), tested[places]) if len(pictures) else []
            close = {int(places[i]) for i in told} - alike - set(copies)
    mixed = [group for group in _groups(same, len(paths)) if len(set(labels[group])) > 1]

    def named(found: Iterable[int] | None) -> tuple[str, ...] | None:
        return None if found is None else tuple(paths[i] for i in sorted(found))

    return Duplicates(
        named(None if digests is None else copies),
        named(alike),
        named(close),
        tuple(paths[i] for group in mixed for i in group),
        len(mixed),
    )


def _groups(pairs: Sequence[tuple[int, int]], count: int) -> list[NDArray[np.int64]]:
    """The numbers below `count` that pairs join, group by group, those of a single number left out."""
    # Listing data sets joins nothing, and is not kept waiting for SciPy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(pairs, np.int64).reshape(-1, 2).T
    of = connected_components(coo_array((np.ones(len(pairs)), tuple(ends)), (count, count)), directed=False)[1]
    order = np.argsort(of, kind="stable")
    return [group for group in np.split(order, np.flatnonzero(np.diff(of[order])) + 1) if len(group) > 1]


def _copies(tree: Tree, paths: Sequence[str]) -> dict[int, bytes] | None:
    """SHA-256 of the files whose size, and checksum where there is one, occurs twice; None when these are too much."""
    alike: dict[tuple[int, str], list[int]] = {}
    for i, path in enumerate(paths):
        alike.setdefault((tree.files[path].size, tree.files[path].checksum), []).append(i)
    asked = [i for group in alike.values() if len(group) > 1 for i in group]
    if sum(tree.files[paths[i]].size for i in asked) > MAX_BYTES:
        return None

    def digest(i: int) -> bytes | None:
        with suppress(ImageError):
            return hashlib.sha256(tree.read(paths[i])).digest()
        return None

    return {i: found for i, found in _each(digest, asked) if found is not None}


def _glimpses(tree: Tree, paths: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]:
    """Of images that show anything: (M, SIDE²) grey thumbnails of mean 0 and length 1, small pictures as `near` reads
    them, and the positions in `paths` that they are of."""

    def glimpse(i: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]] | None:
        with suppress(ImageError):
            thumbnail, picture = opening.glimpse(tree.read(paths[i]), SIDE, near.SIDE)
            grey = (thumbnail.astype(np.float32) @ GREY).ravel()
            grey -= grey.mean()
            return (grey / np.linalg.norm(grey), picture) if grey.std() > FLAT else None
        return None

    found = [(i, seen) for i, seen in _each(glimpse, range(len(paths))) if seen is not None]
    thumbnails = np.array([seen[0] for _, seen in found], np.float32).reshape(-1, SIDE * SIDE)
    pictures = np.array([seen[1] for _, seen in found], np.uint8).reshape(-1, near.SIDE, near.SIDE, 3)
    return thumbnails, pictures, np.array([i for i, _ in found], np.int64)


def _pairs(values: NDArray[np.float32], places: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    """Positions of images that look the same, the lower one first."""
    for start in range(0, len(values), CHUNK):
        near = values[start : start + CHUNK] @ values[start:].T >= ALIKE
        for row, column in np.argwhere(np.triu(near, 1)):
            yield int(places[start + row]), int(places[start + column])


def _each(work: Callable[[int], T], positions: Iterable[int]) -> list[tuple[int, T]]:
    """(position, result) of some work, in order."""
    asked = list(positions)
    # Slices, as handing over each of many small files takes longer than reading it.
    with ThreadPoolExecutor(4) as pool:
        slices = pool.map(lambda start: [(i, work(i)) for i in asked[start::SLICES]], range(SLICES))
        return sorted((pair for part in slices for pair in part), key=lambda pair: pair[0])
