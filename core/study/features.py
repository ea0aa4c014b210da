"""Features of a part of a data set by an encoder: computed once, kept on disk, memory-mapped by everybody.

What is damaged counts as absent and is computed again (`core.study.encoding`).

Features lie in a folder (`place`) of a cache folder or below an fsspec address, the same way in both:

<cache>/features/<key>/values.npy, labels.npy    the arrays
<cache>/features/<key>/meta                      ids, and the hashes of the arrays: says that the others are complete
<cache>/features/<key>.shards/<shard>.npz        of unfinished features
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from core.datasets.spec import ImageSet
from core.encoders.spec import EncoderSpec
from core.errors import DataUnavailable
from core.results import writing
from core.study import sealed

VERSION = 2
PARTS = ("train", "val", "test")
SHARD = 2048
FILES = ("values.npy", "labels.npy", "meta")  # of finished features, in the order in which they are written


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What protocols work with.

    Attributes:
        values: (N, D) float32, memory-mapped.
        labels: (N,) int64.
        ids: (N,) sample ids.
        left_out: samples that could not be read, when the data set says to leave those out.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Shard:
    """A run of samples: [start, stop) of a part."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """File name, in order."""
        return f"{self.start:09d}-{self.stop:09d}.npz"


def by_hash(ids: Sequence[str], count: int) -> NDArray[np.int64]:
    """(M,) positions of up to `count` ids, in the order of their hashes: another run or machine takes the same ones."""
    digests = [hashlib.blake2b(id.encode(), digest_size=8).digest() for id in ids]
    return np.array(sorted(range(len(ids)), key=lambda i: (digests[i], ids[i]))[:count], np.int64)


def key(spec: EncoderSpec, sha256: str, images: ImageSet, part: str) -> str:
    """What identifies a feature file: weights, input recipe, pooling, and the content of the part."""
    facts = {
        "version": VERSION,
        "weights": sha256,
        "architecture": spec.architecture,
        "pooling": spec.pooling,
        "preprocessing": asdict(spec.preprocessing),
        "data": images.fingerprint,
        "part": part,
        "skip": images.skip_unreadable,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def place_of(cache: Path | str, key: str) -> str:
    """Where the features of a key are, or will be, in a cache folder or below an address."""
    return f"{str(cache).rstrip('/')}/features/{key}"


def shards_of(count: int) -> list[Shard]:
    """The shards of a part of `count` samples, in order."""
    return [Shard(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]


def write_shard(place: str, shard: Shard, values: NDArray[np.float32], kept: list[int], problems: list[str]) -> None:
    """Store one shard of unfinished features, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, values=values, kept=np.array(kept, np.int64), problems=np.array(problems, dtype=str))
    sealed.write(f"{place}.shards/{shard.name}", buffer.getvalue())


def missing(place: str, count: int) -> list[Shard]:
    """The shards of a part of `count` samples that still have to be extracted; none when the features are complete."""
    if is_complete(place):
        return []
    # Listed, not asked for one by one: a network file system remembers for a while that a name was absent.
    fs, path = writing.filesystem(f"{place}.shards")
    fs.invalidate_cache()  # others write there
    there = {name.rpartition("/")[2] for name in fs.ls(path, detail=False)} if fs.exists(path) else set()
    return [shard for shard in shards_of(count) if shard.name not in there]


def read_shard(place: str, shard: Shard) -> tuple[NDArray[np.float32], list[int], list[str]] | None:
    """What `write_shard` stored; None when it is absent or damaged."""
    data = sealed.read(f"{place}.shards/{shard.name}")
    if data is None:
        return None
    with np.load(io.BytesIO(data)) as found:
        return found["values"], found["kept"].tolist(), found["problems"].tolist()


def write(
    place: str, values: NDArray[np.float32], labels: NDArray[np.int64], ids: list[str], left_out: list[str]
) -> None:
    """Store finished features (see `Features`)."""
    meta: dict[str, Any] = {"ids": ids, "left_out": left_out}
    for name, array in (("values.npy", values), ("labels.npy", labels)):
        with writing.whole_at(f"{place}/{name}") as file:
            hashed = _Hashed(file)
            np.save(hashed, array)
        meta[name] = hashed.sha256.hexdigest()
    sealed.write(f"{place}/meta", json.dumps(meta).encode())


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def remove_shards(place: str) -> None:
    """Remove what features were, or were to be, made of."""
    fs, path = writing.filesystem(f"{place}.shards")
    if fs.exists(path):
        fs.rm(path, recursive=True)


def is_complete(place: str) -> bool:
    """Whether the features of a place are finished and whole; at an address, whether they are finished."""
    if writing.is_local(place):
        return read(place) is not None
    fs, path = writing.filesystem(f"{place}/meta")
    fs.invalidate_cache()
    return bool(fs.exists(path))


def load(place: str) -> Features:
    """The finished features of a folder, memory-mapped.

    Raises:
        DataUnavailable: they are not there; the cache was emptied while the study ran, or its disk is failing.
    """
    found = read(place)
    if found is None:
        raise DataUnavailable(f"{place} is gone or damaged: run the study again, and it goes on where it is.")
    return found


def read(place: str) -> Features | None:
    """The finished features of a folder, memory-mapped; None when they are not there, or damaged."""
    folder = Path(writing.filesystem(place)[1])
    try:
        found = [os.stat(folder / name) for name in FILES]
    except OSError:
        return None
    return _read(folder, tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in found))


# A few: a cell reads three parts, and the hash of a large array takes seconds.
@lru_cache(maxsize=4)
def _read(folder: Path, versions: tuple[tuple[int, int, int], ...]) -> Features | None:  # noqa: ARG001 (in the key)
    """The features, when they are what was written; looked at once a version of the files."""
    data = sealed.read(str(folder / "meta"))
    if data is None:
        return None
    meta = json.loads(data)
    for name in FILES[:2]:
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != meta[name]:
                return None
    values = np.load(folder / "values.npy", mmap_mode="r")
    return Features(values, np.load(folder / "labels.npy"), tuple(meta["ids"]), tuple(meta["left_out"]))


def carry(source: str, target: str) -> None:
    """Copy finished features from one place to another that has none; one of them is a folder of this node.

    Raises:
        DataUnavailable: they are damaged where they come from, and are taken away there.
    """
    local = next(place for place in (source, target) if writing.is_local(place))
    folder = Path(writing.filesystem(local)[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # of the tasks of a node one downloads, the others wait
        if is_complete(target) or not is_complete(source):
            return
        for name in FILES:
            fs, path = writing.filesystem(f"{source}/{name}")
            with fs.open(path, "rb") as data, writing.whole_at(f"{target}/{name}") as file:
                shutil.copyfileobj(data, file, 2**24)
        if not is_complete(target):
            fs.rm_file(path)
            raise DataUnavailable(f"{source} was damaged: run the study again, and its features are computed again.")
