"""Files written whole or not at all, and on the disk when they have their name.

Whoever reads meanwhile, and whoever comes after a kill, a full disk or a power cut, finds the old content or the new.
"""

import errno
import glob
import hashlib
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

Identity = tuple[int, int, int]
"""Size, time and number of a file: with another content it is another."""

UNSYNCED = frozenset((errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EROFS))
"""What systems and network mounts answer that know no `fsync` of a folder; their rename is all there is."""


def identity(path: Path) -> Identity | None:
    """What tells a file from one that takes its place; None where there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_size, now.st_mtime_ns, now.st_ino


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; its folder is made.

    Raises:
        OSError: it could not be written, and nothing has changed.
    """
    with whole_file(path) as file:
        file.write(data)


def sealed(data: bytes) -> bytes:
    """Data below a line with their SHA-256, which tells whether they are whole. For what can be made again."""
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unsealed(stored: bytes) -> bytes | None:
    """What was sealed; None when it is damaged, which to whoever can make it again is the same as absent."""
    data = stored.partition(b"\n")[2]
    return data if stored == sealed(data) else None


def seal(file: Path) -> None:
    """Store the hash of a finished file beside it, for a layout that has no room for a line (safetensors, NumPy).

    Raises:
        OSError: it could not be written.
    """
    write_whole(_seal_of(file), sealed(_sha256(file)))


def is_whole(file: Path) -> bool:
    """Whether a file is there and is what it was when it was sealed."""
    try:
        return unsealed(_seal_of(file).read_bytes()) == _sha256(file)
    except FileNotFoundError:
        return False


def _seal_of(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _sha256(file: Path) -> bytes:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").digest()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes its place when the block ends; after an error nothing has changed.

    A process that is killed in the block leaves a `.partial` file beside the place, which the next to write removes.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        _remove_if_left(left)
    # Nobody else's: nodes that share a folder have processes of one number.
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with _held(partial):
            with partial.open("wb") as file:
                yield file
            place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """A new file, locked as its writer's own: the system lets go of it when the process ends, however it ends."""
    with partial.open("xb") as made:
        if sys.platform != "win32":
            with suppress(OSError):  # a mount without locks; there nothing is removed either
                fcntl.flock(made, fcntl.LOCK_EX)
            yield
            return
    yield  # Windows gives no open file another name


def _remove_if_left(partial: Path) -> None:
    """Remove a half-written file that no process holds."""
    if sys.platform != "win32":
        # Somebody holds it, another has removed it, or it may not be removed: it is none of this writer's errors.
        with suppress(OSError), partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()


def place(written: Path, path: Path) -> None:
    """Give a finished file, or a folder of finished files, its name in one step, once its bytes are on the disk.

    Args:
        written: beside `path`, on the same file system.
        path: a file that is there is replaced; a folder only when it is empty.

    Raises:
        OSError: it could not be; `path` is as it was.
    """
    for inside in sorted(written.iterdir()) if written.is_dir() else ():
        _sync(inside)
    _sync(written)
    os.replace(written, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    is_folder, on_windows = path.is_dir(), os.name == "nt"
    if is_folder and on_windows:
        return  # it opens no folders
    try:
        # Windows syncs only what it could also write; elsewhere a file that may only be read is synced as well.
        number = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if not is_folder or error.errno not in UNSYNCED:
            raise
