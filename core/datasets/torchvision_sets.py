"""The sets that torchvision reads, from `catalog/torchvision.toml`."""

import hashlib
import shutil
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from core.datasets import splits
from core.datasets.download import download, unpack, writing
from core.datasets.options import refuse_options
from core.datasets.spec import DatasetSpec, ImageSet, Part, Progress
from core.datasets.torchvision_readers import READERS, Archive, Storage, Stored
from core.errors import DataUnavailable, InvariscopeError

CATALOG = Path(__file__).parent / "catalog" / "torchvision.toml"
ALL = "all"
"""The one part of a set that was published without a split."""


def in_words(counts: dict[str, int]) -> str:
    """Such as `50,000 train, 10,000 test`."""
    return ", ".join(f"{count:,} {'in all' if name == ALL else name}" for name, count in counts.items())


@dataclass(frozen=True, slots=True)
class TorchvisionSet:
    """One set of the catalog."""

    spec: DatasetSpec
    layout: Storage

    def variant(self, options: dict[str, str]) -> "TorchvisionSet":
        """The set itself; it has no options.

        Raises:
            InvalidRequest: there are options.
        """
        refuse_options(self.spec.id, options)
        return self

    def is_here(self, root: Path) -> bool:
        """Whether the published folder or file is there."""
        return (root / self.layout.below / self.layout.folder).exists()

    def absent(self, root: Path) -> DataUnavailable:
        """The error that says how to get the set."""
        place = (root / self.layout.below / self.layout.folder).as_posix()
        if self.layout.put:
            return DataUnavailable(
                f"{self.spec.label} is not on this machine and can no longer be downloaded from its publishers: put "
                f"{self.layout.put} into {place}."
            )
        return DataUnavailable(
            f"{self.spec.label} is not on this machine: run 'invariscope datasets --fetch {self.spec.id}' "
            f"(about {self.spec.megabytes:,.0f} MB), or put what torchvision keeps of it at {place}."
        )

    def open(self, root: Path) -> ImageSet:
        """The set from its files below the data folder.

        Raises:
            DataUnavailable: they are absent, or not whole.
        """
        if not self.is_here(root):
            raise self.absent(root)
        base = root / self.layout.below
        try:
            stored = {name: self._part(base, name, given) for name, given in self.layout.parts.items()}
        # Loaders answer damaged files with any exception at all, from KeyError to EOFError.
        except Exception as error:
            reason = str(error) if isinstance(error, InvariscopeError) else f"{type(error).__name__}: {error}"
            raise DataUnavailable(
                f"{self.spec.label} at {base / self.layout.folder} cannot be opened. {reason.splitlines()[0]}"
            ) from error
        parts = self._split(stored[ALL]) if ALL in stored else {n: _prefixed(n, s) for n, s in stored.items()}
        digest = hashlib.sha256(f"torchvision {self.spec.id}\n".encode())
        for name, part in stored.items():
            digest.update("\n".join((name, *part.stamps, *map(str, part.labels))).encode())
        spec = replace(self.spec, images=in_words({name: len(part) for name, part in parts.items()}))
        names = next(iter(stored.values())).names
        return ImageSet(spec, names, parts, digest.hexdigest(), self.spec.id)

    def _part(self, base: Path, name: str, arguments: dict[str, Any]) -> Stored:
        stored = READERS[self.layout.reader](self.layout, base, arguments)
        if len(stored.ids) != self.layout.counts[name]:
            raise DataUnavailable(
                f"It is not whole: {len(stored.ids):,} of {self.layout.counts[name]:,} images of the part '{name}' are "
                "there. Remove it and fetch it again."
            )
        if len(stored.names) != self.spec.classes or not 0 <= stored.labels.min() <= stored.labels.max() < len(
            stored.names
        ):
            raise DataUnavailable(f"Its labels are not those of {self.spec.classes} classes.")
        return stored

    def _split(self, stored: Stored) -> dict[str, Part]:
        wanted = self.layout.per_class
        if wanted:
            train, test = splits.first_of_each(stored.ids, stored.labels, wanted["train"], wanted["test"])
        else:
            mask = splits.held_out(stored.ids, stored.labels, splits.TEST_SHARE, salt="test")
            train, test = np.flatnonzero(~mask), np.flatnonzero(mask)
        return {"train": _prefixed("train", stored, train), "test": _prefixed("test", stored, test)}

    def fetch(self, root: Path, progress: Progress) -> None:
        """Download the set, checked, and put it in place when all of it can be opened.

        Raises:
            DataUnavailable: it has no download, there is no network, or what came is not what was published.
        """
        archives = self.layout.archives
        if not archives:
            raise self.absent(root)
        work = root / ".fetching" / self.spec.id
        with writing(root, "INVARISCOPE_DATA"):
            work.mkdir(parents=True, exist_ok=True)
            # One process downloads; the others wait and find the set.
            with FileLock(work.with_name(f"{self.spec.id}.lock")):
                if self.is_here(root):
                    self.open(root)
                else:
                    self._fetch(root, work, archives, progress)
        shutil.rmtree(work, ignore_errors=True)

    def _fetch(self, root: Path, work: Path, archives: tuple[Archive, ...], progress: Progress) -> None:
        unpacked = work / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        before, about = 0, int(self.spec.megabytes * 1e6)
        files = []
        for archive in archives:
            last = archive is archives[-1]

            def show(done: int, total: int, before: int = before, last: bool = last) -> None:
                progress(before + done, before + total if last and total else max(about, before + done))

            files.append(download(archive.url, work / archive.url.rpartition("/")[2], archive.md5, show))
            before += files[-1].stat().st_size
        try:
            for archive, file in zip(archives, files, strict=True):
                unpack(file, unpacked / self.layout.below / archive.into, archive.inner)
            self.open(unpacked)
            top = (Path(self.layout.below) / self.layout.folder).parts[0]
            _install(unpacked / top, root / top)
        except DataUnavailable:
            # Without a checksum nothing else would tell a bad archive from a good one the next time.
            for archive, file in zip(archives, files, strict=True):
                if not archive.md5:
                    file.unlink()
            raise
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)


def _install(source: Path, target: Path) -> None:
    try:
        if target.is_dir():
            target.rmdir()
        source.rename(target)
    except OSError as error:
        raise DataUnavailable(
            f"{target} is in the way ({error.strerror}): move it elsewhere and fetch again; the download is kept."
        ) from error


def _prefixed(name: str, stored: Stored, chosen: Any = None) -> Part:
    if chosen is None:
        return Part(tuple(f"{name}/{id}" for id in stored.ids), stored.labels, stored.read, stored.mask)
    read = stored.read  # no set without a split of its own has masks
    return Part(tuple(f"{name}/{stored.ids[i]}" for i in chosen), stored.labels[chosen], lambda i: read(int(chosen[i])))


def parse(id: str, table: dict[str, Any]) -> TorchvisionSet:
    """The set that a table of the catalog describes.

    Raises:
        TypeError: a field is missing or not known.
    """
    fields = dict(table)
    layout = Storage(
        class_name=fields.pop("class"),
        archives=tuple(Archive(**archive) for archive in fields.pop("archives", [])),
        names=tuple(fields.pop("names", ())),
        **{key: fields.pop(key) for key in list(fields) if key in Storage.__dataclass_fields__},
    )
    return TorchvisionSet(DatasetSpec(id=id, images=in_words(layout.counts), **fields), layout)


def entries() -> dict[str, TorchvisionSet]:
    """All sets of the catalog, by id."""
    tables = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    return {id: parse(id, table) for id, table in tables.items()}
