"""Downloads of published files: continued after a break, checked, named only when whole; and their unpacking."""

import gzip
import hashlib
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.datasets.spec import Progress
from core.errors import DataUnavailable
from core.fetching import download as fetching
from core.fetching.addresses import offline
from core.files import place

CHUNK = 1 << 20


def md5_of(path: Path) -> str:
    """The MD5 of a file, in hex; it tells damage from wholeness, as publishers use it, and guards against nothing."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def writing(folder: Path, variable: str) -> Iterator[None]:
    """Work below a folder of the app; an error of the file system becomes a sentence that names the folder.

    Args:
        folder: where is written.
        variable: of the environment, that chooses another.

    Raises:
        DataUnavailable: something could not be written or read there.
    """
    try:
        yield
    except OSError as error:
        raise DataUnavailable(
            f"{error.filename or folder} could not be written: {error.strerror or error}. Free some space, or choose "
            f"another folder with {variable}."
        ) from error


def download(url: str, path: Path, md5: str = "", progress: Progress = lambda done, total: None) -> Path:
    """The file at `path`, fetched from `url` unless it is there already.

    A broken download leaves a `.partial` file, which the next call continues.

    Args:
        url: where it is.
        path: where it goes.
        md5: what the publisher says; nothing is compared when nobody said.
        progress: told (bytes done, bytes in all; 0 when the server does not say).

    Raises:
        DataUnavailable: no network, the server refuses, the disk is full, or what came is not what was published.
    """
    if path.is_file():
        return path
    if variable := offline():
        raise DataUnavailable(f"{url} was not fetched, as {variable} is set. Unset {variable}, or put it at {path}.")

    def check(file: Path, _: str) -> tuple[str, str]:
        found = md5_of(file)
        return found, f"not what was published: its MD5 is {found}, expected {md5}" if md5 and found != md5 else ""

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fetching.alone(path, progress):
            if not path.is_file():  # another process was at it
                fetching.download([url], fetching.Wanted(path, check, bool(md5), 0, progress))
                place(fetching.partial_of(path), path)
                fetching.forget(path)
    except fetching.Undelivered as error:
        todo = (
            "Try again later, or report it when it happens twice"
            if error.wrong
            else "What came is kept: run the same command again to continue. When it stays so, the publishers may have "
            "moved the file"
        )
        raise DataUnavailable(f"Fetching {url} failed: {error.reasons[url]}. {todo}.") from error
    except (fetching.NoRoom, OSError) as error:
        said = f"{error}" if isinstance(error, fetching.NoRoom) else f"{path} could not be written: {error.strerror}"
        raise DataUnavailable(f"{said}. Free some space, or choose another folder with INVARISCOPE_DATA.") from error
    return path


def unpack(file: Path, folder: Path, inner: str = "") -> None:
    """Put what a published file holds into a folder: members of a zip or tar.gz, one file of a gzip, else itself.

    Args:
        file: already checked against its publisher's checksum, if there is one.
        folder: made when it is missing.
        inner: an archive inside the archive, which is what is wanted of it.

    Raises:
        DataUnavailable: it cannot be unpacked; the folder may hold a part of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                archive.extractall(folder, [inner] if inner else None)
        elif file.name.endswith((".tar.gz", ".tgz")):
            with gzip.open(file) as content:
                with tarfile.open(fileobj=content) as archive:
                    # Refuses members that would land outside, links that point outside, and devices.
                    archive.extractall(folder, filter="data")
                while content.read(CHUNK):
                    pass  # to its end, where the checksum is
        elif file.suffix == ".gz":
            with gzip.open(file) as source, (folder / file.stem).open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
        else:
            shutil.copyfile(file, folder / file.name)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, gzip.BadGzipFile) as error:
        raise DataUnavailable(f"{file.name} is damaged and cannot be unpacked ({error}): fetch it again.") from error
    except OSError as error:
        raise DataUnavailable(f"{file.name} could not be unpacked into {folder}: {error.strerror or error}.") from error
    if inner:
        nested = folder / inner
        unpack(nested, folder)
        shutil.rmtree(folder / Path(inner).parts[0])
