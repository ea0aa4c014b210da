"""Archives of image folders, hostile until proven otherwise: checked whole before anything of them is used.

A zip is read where it is. A tar is unpacked once, into a cache folder named by its digest. Nothing is ever written
but image files, under names that have been checked, and nothing stays of an archive that is refused.
"""

import hashlib
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.datasets import legacy
from core.datasets.clutter import is_clutter
from core.datasets.tree import Entry, Tree, is_image, is_table, printable
from core.errors import DataUnavailable, UnreadableImage
from core.files import sealed, unsealed, write_whole
from core.images.limits import MAX_BYTES
from core.paths import cache_folder

GIB = 1 << 30
CHUNK = 1 << 20
RATIO = 200
"""What is unpacked may be this many times as large as the archive; images hardly shrink at all."""

FREE = 64 << 20
"""Bytes below which the ratio does not matter."""

DIRECTORY_ENTRY = 512
"""Bytes that an entry of a zip's directory takes at most, on average; names are shorter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold at most: `files`, and bytes when `unpacked`."""

    files: int
    unpacked: int


LOCAL = Limits(500_000, 100 * GIB)
"""For an archive that the user has on the disk."""


def kind_of(path: Path) -> str:
    """`zip`, `tar`, `tar.gz`, `tar.bz2` or `tar.xz`, by content; empty when it is none of those."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise DataUnavailable(f"{path} cannot be read: {error.strerror or error}.") from error
    for start, kind in (
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"\x1f\x8b", "tar.gz"),
        (b"BZh", "tar.bz2"),
        (b"\xfd7zXZ\0", "tar.xz"),
    ):
        if head.startswith(start):
            return kind
    return "tar" if head[257:262] == b"ustar" else ""


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex; remembered in the cache while its size and time stay the same."""
    facts = path.stat()
    key = f"{path.resolve()}\n{facts.st_size}\n{facts.st_mtime_ns}"
    note = cache_folder() / "digests" / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError):
        if found := unsealed(note.read_bytes()):
            return found.decode()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A cache that cannot be written costs time, and nothing else.
    with suppress(OSError):
        write_whole(note, sealed(digest.encode()))
    return digest


def refused(path: Path, why: str) -> DataUnavailable:
    """The error that refuses an archive in one sentence."""
    return DataUnavailable(f"{path.name} is refused: {why}.")


class Names:
    """Checks the names of members one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def check(self, name: str, is_folder: bool) -> tuple[str, ...]:
        """The parts of a member's path.

        Raises:
            DataUnavailable: it leads outside, is no text, or was there before.
        """
        flat = name.replace("\\", "/")
        if flat.startswith("/") or re.match("[A-Za-z]:", flat):
            raise refused(self._path, f"its member '{name}' has an absolute path")
        parts = tuple(part for part in flat.split("/") if part not in ("", "."))
        if ".." in parts:
            raise refused(self._path, f"its member '{name}' leads outside of it by '..'")
        if not printable(name):
            raise refused(
                self._path,
                f"the name of its member {name!r} is no readable text: '?encoding=gbk' names an old encoding",
            )
        keys = [unicodedata.normalize("NFC", "/".join(parts[:n])).casefold() for n in range(1, len(parts) + 1)]
        clash = next((key for key in keys[: len(keys) if is_folder else -1] if key in self._files), None)
        if clash is None and not is_folder and keys and (keys[-1] in self._files or keys[-1] in self._folders):
            clash = keys[-1]
        if clash is not None:
            other = self._files.get(clash, "/".join(parts))
            raise refused(self._path, f"its members '{other}' and '{name}' have the same name, capital letters aside")
        self._folders.update(keys if is_folder else keys[:-1])
        if not is_folder and keys:
            self._files[keys[-1]] = name
        return parts


def too_large(path: Path, unpacked: int, limits: Limits) -> DataUnavailable | None:
    """The error for an archive that unpacks to so many bytes; None when that is all right."""
    if unpacked > limits.unpacked:
        return refused(path, f"it unpacks to more than {limits.unpacked / GIB:.0f} GiB")
    if unpacked > FREE and unpacked > RATIO * path.stat().st_size:
        return refused(path, f"it unpacks to more than {RATIO} times its own size, which images do not")
    return None


def too_many(path: Path, limits: Limits) -> DataUnavailable:
    """The error for an archive of too many files."""
    return refused(path, f"it holds more than {limits.files:,} files")


def folders_of(paths: Iterable[tuple[str, ...]]) -> set[str]:
    """Every folder that leads to, or is, one of the paths."""
    return {"/".join(parts[:n]) for parts in paths for n in range(1, len(parts) + 1)}


def wanted(parts: tuple[str, ...]) -> bool:
    """Whether a file has any use here."""
    return is_image(parts[-1]) or is_table(parts[-1])


def clutter_of(parts: tuple[str, ...]) -> str:
    """Path of the outermost part that is clutter; empty when none is."""
    return next(("/".join(parts[: n + 1]) for n, part in enumerate(parts) if is_clutter(part)), "")


def open_zip(path: Path, limits: Limits = LOCAL, thorough: bool = False, encoding: str = "") -> Tree:
    """The files in a zip, read in place.

    Args:
        path: the zip.
        limits: what it may hold.
        thorough: read every member through, against its checksum.
        encoding: of names that do not say their own; guessed when empty.

    Raises:
        DataUnavailable: it is refused; the message says why in one sentence.
    """
    try:
        if _directory_bytes(path) > limits.files * DIRECTORY_ENTRY:
            raise too_many(path, limits)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise refused(path, f"it is damaged or incomplete ({error})") from error
    try:
        said = _name_members(path, archive, encoding)
        members, folders, left_out = _zip_members(path, archive, limits)
        if thorough:
            _read_through(path, archive, members.values(), limits)
    # Whatever ended it, Ctrl-C too: the file is not left open, and the reason goes on.
    except BaseException:
        archive.close()
        raise

    def read(name: str) -> bytes:
        try:
            with archive.open(members[name]) as file:
                return file.read(MAX_BYTES + 1)
        # Decompressors answer hostile bytes with any exception at all.
        except Exception as error:
            raise UnreadableImage(f"The file is damaged inside the zip ({error}): pack it again.") from error

    files = {name: Entry(info.file_size, checksum=f"{info.CRC:08x}") for name, info in members.items()}
    fingerprint = hashlib.sha256(f"{digest_of(path)} {encoding}".encode()).hexdigest() if encoding else digest_of(path)
    return Tree(files, frozenset(folders), read, fingerprint, left_out, said)


UNICODE = 0x800
"""The flag of a member of a zip whose name is UTF-8."""


def _name_members(path: Path, archive: zipfile.ZipFile, encoding: str) -> str:
    """Give members of a zip the names they were packed under, when these do not say their encoding; tells of a guess.

    Python reads such names as code page 437, which keeps every byte, and which hardly any archive of today means.
    """
    unsure = [i for i in archive.infolist() if not i.flag_bits & UNICODE and not i.orig_filename.isascii()]
    raw = {id(info): info.orig_filename.encode("cp437") for info in unsure}
    chosen = encoding or legacy.encoding_of(list(raw.values()))
    for info in unsure:
        try:
            info.filename = raw[id(info)].decode(chosen).replace("\0", "")
        except UnicodeDecodeError as error:
            raise refused(
                path, f"the names in it are not written in {chosen}: name their encoding, such as '?encoding=gbk'"
            ) from error
    if not unsure or encoding or chosen == "utf-8":
        return ""
    return (
        f"Names in the archive do not say their encoding and were read as {chosen}, such as '{unsure[0].filename}': if "
        "they look wrong, add '?encoding=…'."
    )


def _directory_bytes(path: Path) -> int:
    """Size of the directory of a zip, which Python reads into memory as soon as it opens one; 0 when there is none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 16) - 98))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    large = tail.rfind(b"PK\x06\x06", 0, max(end, 0))
    if 0 <= large <= len(tail) - 48:
        return int.from_bytes(tail[large + 40 : large + 48], "little")
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


def _zip_members(
    path: Path, archive: zipfile.ZipFile, limits: Limits
) -> tuple[dict[str, zipfile.ZipInfo], set[str], tuple[str, ...]]:
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise too_many(path, limits)
    if problem := too_large(path, sum(info.file_size for info in infos), limits):
        raise problem
    names, found, folders, left_out = Names(path), {}, [], set()
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refused(path, f"its member '{info.filename}' is a link or a device, and no file")
        if info.flag_bits & 1:
            raise refused(path, "it is encrypted: pack it again without a password")
        is_folder = info.filename.endswith(("/", "\\"))
        parts = names.check(info.filename, is_folder)
        if clutter := clutter_of(parts):
            left_out.add(clutter)
            continue
        folders.append(parts if is_folder else parts[:-1])
        if not is_folder and parts and wanted(parts):
            found["/".join(parts)] = info
    return dict(sorted(found.items())), folders_of(folders), tuple(sorted(left_out))


def _read_through(path: Path, archive: zipfile.ZipFile, members: Iterable[zipfile.ZipInfo], limits: Limits) -> None:
    done = 0
    for info in members:
        try:
            with archive.open(info) as file:
                while chunk := file.read(CHUNK):
                    done += len(chunk)
                    if problem := too_large(path, done, limits):
                        raise problem
        except DataUnavailable:
            raise
        # Decompressors answer hostile bytes with any exception at all.
        except Exception as error:
            raise refused(path, f"its member '{info.filename}' is damaged ({error})") from error


def amounts_to(files: dict[str, Entry]) -> dict[str, int]:
    """What an unpacked archive must amount to, to be taken for whole."""
    return {"files": len(files), "bytes": sum(entry.size for entry in files.values())}
