"""Where the nodes of a cluster find each other's features: in a cache folder that all of them mount, or at an address.

Protocols read features memory-mapped, so with an address (an object store, say) each node keeps a copy of what it
needs in its own cache folder. Below the address the files lie as they do in a cache folder.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from core.datasets.spec import Part
from core.errors import DataUnavailable
from core.files import place, whole_file
from core.results import writing
from core.study import features
from core.study.features import Shard

FILES = ("values.npy", "labels.npy", "meta.json")
"""Of finished features; the last one says that the others are complete."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A place for features that several nodes share.

    Attributes:
        cache: folder on this node.
        address: fsspec address that all nodes reach; empty when `cache` is one folder for all of them.
    """

    cache: Path
    address: str = ""

    def folder(self, key: str) -> Path:
        """Where the features of a key are on this node, or will be."""
        return features.folder_of(self.cache, key)

    def _at(self, key: str, *names: str) -> str:
        return "/".join((self.address.rstrip("/"), "features", key, *names))

    def _shards_at(self, key: str) -> str:
        return f"{self._at(key)}.shards"

    def is_complete(self, key: str) -> bool:
        """Whether the features of a key are finished."""
        if not self.address:
            return (self.folder(key) / "meta.json").is_file()
        fs, path = writing.filesystem(self._at(key, "meta.json"))
        fs.invalidate_cache()  # others write there
        return bool(fs.exists(path))

    def missing(self, key: str, count: int) -> list[Shard]:
        """The shards of a part of `count` samples that are still to be extracted; none when it is finished."""
        if not self.address:
            return features.missing(self.folder(key), count)
        if self.is_complete(key):
            return []
        fs, path = writing.filesystem(self._shards_at(key))
        there = {name.rpartition("/")[2] for name in fs.ls(path, detail=False)} if fs.exists(path) else set()
        return [shard for shard in features.shards_of(count) if shard.name not in there]

    def put(self, key: str, shard: Shard, values: NDArray[np.float32], kept: list[int], problems: list[str]) -> None:
        """Store one shard, whole or not at all."""
        if not self.address:
            features.write_shard(self.folder(key), shard, values, kept, problems)
            return
        with tempfile.TemporaryDirectory() as folder:
            features.write_shard(Path(folder) / key, shard, values, kept, problems)
            _send(Path(folder) / f"{key}.shards" / shard.name, f"{self._shards_at(key)}/{shard.name}")

    def join(self, key: str, part: Part, name: str, skip_unreadable: bool) -> None:
        """Make one feature file of the shards of a part; does nothing when it is there.

        Raises:
            DataUnavailable: see `features.finish`.
        """
        if not self.address:
            features.finish(self.folder(key), part, name, skip_unreadable)
            return
        if self.is_complete(key):
            return
        fs, path = writing.filesystem(self._shards_at(key))
        try:
            with self._lock(key):
                self._collect(key, part, name, skip_unreadable)
            self.offer(key)
        except FileNotFoundError:
            # Another study joined them, and removed them then.
            if not self.is_complete(key):
                raise
        except DataUnavailable:
            fs.rm(path, recursive=True)  # a mended image must be read again
            raise
        if fs.exists(path):
            fs.rm(path, recursive=True)

    def _collect(self, key: str, part: Part, name: str, skip_unreadable: bool) -> None:
        """Fetch the shards of a part and join them on this node."""
        if (self.folder(key) / "meta.json").is_file():
            return
        work = features.work_folder(self.folder(key))
        work.mkdir(parents=True, exist_ok=True)
        for shard in features.shards_of(len(part)):
            fs, path = writing.filesystem(f"{self._shards_at(key)}/{shard.name}")
            fs.get_file(path, str(work / shard.name))
        features.finish(self.folder(key), part, name, skip_unreadable)

    def offer(self, key: str) -> None:
        """Let the other nodes have the finished features of a key, if this node has them."""
        if self.address and (self.folder(key) / "meta.json").is_file() and not self.is_complete(key):
            for file in FILES:
                _send(self.folder(key) / file, self._at(key, file))

    def bring(self, key: str) -> None:
        """Have the finished features of a key on this node."""
        folder = self.folder(key)
        if not self.address or (folder / "meta.json").is_file():
            return
        with self._lock(key):  # of the tasks of a node one downloads, the others wait
            if (folder / "meta.json").is_file():
                return
            partial = folder.with_name(f".{key}.incoming")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for file in FILES:
                fs, path = writing.filesystem(self._at(key, file))
                fs.get_file(path, str(partial / file))
            place(partial, folder)

    def _lock(self, key: str) -> FileLock:
        folder = self.folder(key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(folder.with_name(f".{key}.lock"))


def _send(file: Path, address: str) -> None:
    """Copy a file to an address, whole or not at all."""
    fs, path = writing.filesystem(address)
    if not isinstance(fs, LocalFileSystem):
        fs.put_file(str(file), path)  # an object store shows an object once it is complete
        return
    with file.open("rb") as source, whole_file(Path(path)) as target:
        shutil.copyfileobj(source, target)
