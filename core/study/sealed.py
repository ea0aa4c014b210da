"""Files that tell whether they are whole: their first line is the hash of the rest. For what can be made again.

Files of a layout that has no room for a line (safetensors, NumPy) have theirs beside them.
"""

import hashlib
from pathlib import Path

from core.files import sealed, unsealed
from core.results import writing


def write(address: str, data: bytes) -> None:
    """Store data under its hash, whole or not at all.

    Raises:
        InvalidRequest: the place cannot be written to.
    """
    writing.write_bytes(address, sealed(data))


def read(address: str) -> bytes | None:
    """What `write` stored; None when it is not there, or damaged, which is the same to whoever can make it again."""
    fs, path = writing.filesystem(address)
    try:
        return unsealed(bytes(fs.cat_file(path)))
    except FileNotFoundError:
        return None


def seal(file: Path) -> None:
    """Store the hash of a finished file beside it.

    Raises:
        InvalidRequest: the place cannot be written to.
    """
    write(str(file.with_suffix(".sha256")), _sha256(file))


def is_whole(file: Path) -> bool:
    """Whether a file is there and is what it was when it was sealed."""
    return file.is_file() and read(str(file.with_suffix(".sha256"))) == _sha256(file)


def _sha256(file: Path) -> bytes:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").digest()
