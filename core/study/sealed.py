"""Files that tell whether they are whole: their first line is the hash of the rest. For what can be made again."""

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
