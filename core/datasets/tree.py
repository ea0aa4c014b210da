"""A folder of files, wherever it is: on the disk, in a zip, or unpacked from a tar."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.datasets.clutter import is_clutter
from core.datasets.reading import file_bytes
from core.errors import DataUnavailable
from core.images.formats import SUFFIXES

TABLES = frozenset({".csv", ".tsv"})
WORDS = "words.txt"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its size in bytes; when it was changed, or a checksum of its content where there is one at no cost."""

    size: int
    changed: int = 0
    checksum: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Files by their path, `/` between folders.

    Attributes:
        files: regular files, without clutter.
        folders: every folder, the empty ones too.
        read: the content of a file, up to one byte more than an image may have. Raises UnreadableImage. Thread-safe.
        fingerprint: hex digest that changes when a file does.
        left_out: paths of clutter; of a folder of clutter, the folder alone.
        said: what a reader must know of how names were read, as a sentence; empty as a rule.
    """

    files: dict[str, Entry]
    folders: frozenset[str]
    read: Callable[[str], bytes]
    fingerprint: str
    left_out: tuple[str, ...] = ()
    said: str = ""


def is_image(path: str) -> bool:
    """Whether a file is an image, by its ending."""
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def is_table(path: str) -> bool:
    """Whether a file may say what images show: a table of labels, or the names of the classes."""
    return PurePosixPath(path).suffix.lower() in TABLES or path.rpartition("/")[2] == WORDS


def printable(name: str) -> bool:
    """Whether a name can be written in a table: valid Unicode without control characters."""
    return not any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in name)


def scan(root: Path) -> Tree:
    """The files below a folder; links are followed, since whoever made the folder made them.

    Raises:
        DataUnavailable: it is no folder, it cannot be listed, a link leads back to where it is, or a name is no text.
    """
    if not root.is_dir():
        raise DataUnavailable(f"{root} is not a folder.")
    files: dict[str, Entry] = {}
    folders: set[str] = set()
    left_out: list[str] = []

    def visit(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> None:
        with os.scandir(folder) as listing:
            for item in sorted(listing, key=lambda item: item.name):
                path = prefix + item.name
                if is_clutter(item.name):
                    left_out.append(path)
                    continue
                if not printable(item.name):
                    raise DataUnavailable(f"A name in {folder} is no readable text ({item.name!r}): rename it.")
                try:
                    facts = item.stat()
                except FileNotFoundError as error:
                    raise DataUnavailable(f"{folder / item.name} is a link to nothing: remove it.") from error
                if stat.S_ISDIR(facts.st_mode):
                    here = (facts.st_dev, facts.st_ino)
                    if here in above:
                        raise DataUnavailable(f"{folder / item.name} is a link to a folder that holds it: remove it.")
                    folders.add(path)
                    visit(folder / item.name, f"{path}/", (*above, here))
                elif stat.S_ISREG(facts.st_mode):
                    files[path] = Entry(facts.st_size, facts.st_mtime_ns)

    top = root.stat()
    try:
        visit(root, "", ((top.st_dev, top.st_ino),))
    except OSError as error:
        raise DataUnavailable(f"{error.filename or root} cannot be listed: {error.strerror or error}.") from error
    digest = hashlib.sha256()
    for path, entry in files.items():
        digest.update(f"{path}\n{entry.size}\n{entry.changed}\n".encode())

    def read(path: str) -> bytes:
        return file_bytes(f"{root}/{path}")

    return Tree(files, frozenset(folders), read, digest.hexdigest(), tuple(left_out))
