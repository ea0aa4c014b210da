"""Tar archives of image folders, unpacked once into the cache."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from core.datasets.archives import (
    CHUNK,
    LOCAL,
    Limits,
    Names,
    amounts_to,
    clutter_of,
    digest_of,
    kind_of,
    refused,
    too_large,
    too_many,
    wanted,
)
from core.datasets.download import writing
from core.datasets.tree import Tree, scan
from core.errors import DataUnavailable
from core.paths import cache_folder

MAX_HEADER = 1 << 24
"""Bytes that a header may have; a longer one is no header but a way to fill the memory."""

MARK = ".complete"
BLOCK = 512


class _Stream(io.RawIOBase):
    """What a tar holds once decompressed, read forwards, as much of it as is allowed."""

    def __init__(self, file: IO[bytes], path: Path, limits: Limits) -> None:
        self._file, self._path, self._limits = file, path, limits
        self._position = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or fewer at the end."""
        if not 0 <= size <= MAX_HEADER:
            raise refused(self._path, "it holds a header that is too long to be one")
        self.last = self._file.read(size)
        self._position += len(self.last)
        # Headers and padding of each file come on top of what the files hold.
        allowance = Limits(self._limits.files, self._limits.unpacked + 4 * BLOCK * self._limits.files)
        if problem := too_large(self._path, self._position, allowance):
            raise problem
        return self.last

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on to a later position."""
        if whence != os.SEEK_SET or offset < self._position:
            raise tarfile.ReadError("a tar is read forwards")
        while self._position < offset and self.read(min(CHUNK, offset - self._position)):
            pass
        return self._position

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position


def _decompressed(path: Path, file: IO[bytes]) -> IO[bytes]:
    opened: Any = {"tar.gz": gzip.open, "tar.bz2": bz2.open, "tar.xz": lzma.open}.get(kind_of(path))
    return opened(file) if opened else file


def open_tar(path: Path, limits: Limits = LOCAL, encoding: str = "") -> Tree:
    """The files in a tar, compressed or not, from the cache folder into which they are unpacked once.

    Args:
        path: the tar.
        limits: what it may hold.
        encoding: of names that are no UTF-8; such an archive is refused when empty.

    Raises:
        DataUnavailable: it is refused, or there is no room; the message says why in one sentence. Nothing is left.
    """
    digest = digest_of(path) + (f"-{encoding}" if encoding else "")
    folder = cache_folder() / "archives" / digest
    with writing(folder, "INVARISCOPE_CACHE"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{digest}.lock")):
            tree = _kept(folder)
            if tree is None:
                shutil.rmtree(folder, ignore_errors=True)
                partial = folder.with_name(f".{digest}")
                shutil.rmtree(partial, ignore_errors=True)
                try:
                    left_out = _unpack(path, partial, limits, encoding)
                    mark = amounts_to(scan(partial).files) | {"left_out": left_out}
                    (partial / MARK).write_text(json.dumps(mark), encoding="ascii")
                    # Not synced file by file, which takes minutes for 100,000: `_kept` finds what is not all there.
                    os.replace(partial, folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
                tree = replace(scan(folder), left_out=tuple(left_out))
    return replace(tree, fingerprint=digest)


def _kept(folder: Path) -> Tree | None:
    """What is there of an earlier time; None when that is not all of it."""
    with suppress(OSError, DataUnavailable, ValueError, KeyError):
        tree, mark = scan(folder), json.loads((folder / MARK).read_text(encoding="ascii"))
        left_out = tuple(mark.pop("left_out"))
        if mark == amounts_to(tree.files):
            return replace(tree, left_out=left_out)
    return None


def _unpack(path: Path, folder: Path, limits: Limits, encoding: str) -> list[str]:
    """Unpack what is of use; gives the clutter that was left out."""
    try:
        folder.mkdir(parents=True)
        with path.open("rb") as file:
            stream = _Stream(_decompressed(path, file), path, limits)
            with tarfile.TarFile(fileobj=stream, encoding=encoding or "utf-8") as archive:
                left_out = _members(path, archive, folder, limits)
            # The standard library takes a broken header for the end; the end is a block of zeros.
            if stream.last != bytes(BLOCK):
                raise refused(path, "it is damaged or incomplete (it has no end)")
            while stream.read(CHUNK):
                pass  # to its end, where the checksum of what was compressed is
            return sorted(left_out)
    except DataUnavailable:
        raise
    # Decompressors and parsers answer hostile bytes with any exception at all.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, and not of the archive
        raise refused(path, f"it is damaged or incomplete ({error})") from error


def _members(path: Path, archive: tarfile.TarFile, folder: Path, limits: Limits) -> set[str]:
    names, total, count, left_out = Names(path), 0, 0, set()
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # else it keeps every one of a million
        count += 1
        if count > limits.files:
            raise too_many(path, limits)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise refused(path, f"its member '{member.name}' is a link or a device, and no file")
        parts = names.check(member.name, member.isdir())
        total += max(member.size, 0)
        if problem := too_large(path, total, limits):
            raise problem
        if clutter := clutter_of(parts):
            left_out.add(clutter)
            continue
        target = folder.joinpath(*parts)
        (target if member.isdir() else target.parent).mkdir(parents=True, exist_ok=True)
        if member.isreg() and wanted(parts):
            source = archive.extractfile(member)
            if source is None:
                raise refused(path, f"its member '{member.name}' cannot be read")
            with source, target.open("xb") as out:
                shutil.copyfileobj(source, out, CHUNK)
            if target.stat().st_size != member.size:
                raise refused(path, f"it is damaged or incomplete (its member '{member.name}' is cut short)")
    return left_out
