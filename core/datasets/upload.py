"""Archives that people upload: taken in only after all of them has been checked."""

import contextlib
import hashlib
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from core import public
from core.datasets import archives, tars
from core.datasets.archives import GIB, Limits
from core.datasets.layout import arrange, unwrapped
from core.errors import DataUnavailable
from core.files import place
from core.paths import data_folder

MAX_MEGABYTES = 200
"""Size of an uploaded archive, in units of 2²⁰ bytes: `server.maxUploadSize`, for the server holds it in memory."""

UPLOADED = Limits(files=200_000, unpacked=8 * GIB)
"""What an uploaded archive may hold."""

CHUNK = 1 << 20


def drop_old(now: float | None = None) -> None:
    """Drop the archives that strangers uploaded long ago; on a server for strangers alone.

    Args:
        now: seconds since 1970; the clock's when None. After a clock that went back, what seems to be of the future
            stays until its time comes.
    """
    if not public.is_public():
        return
    end = (time.time() if now is None else now) - public.MAX_AGE
    for path in _stored():
        with contextlib.suppress(OSError):  # somebody else dropped it
            if path.stat().st_mtime < end:
                path.unlink()


def _stored() -> list[Path]:
    folder = data_folder() / "uploads"
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _check_room(size: int) -> None:
    """Nothing, when an archive of so many bytes may be kept.

    Raises:
        DataUnavailable: a server for strangers keeps as much as it may.
    """
    drop_old()
    if public.is_public() and size + sum(path.stat().st_size for path in _stored()) > public.QUOTA:
        raise DataUnavailable(
            f"This server keeps {public.QUOTA >> 30} GB of uploaded archives, and they are full: try again on another "
            "day, or run the study on your own machine."
        )


def store_upload(data: BinaryIO | Path, name: str) -> Path:
    """The file, in the folder of uploads, of an archive of labelled images that has been checked whole.

    The same archive gives the same file. Of one that is refused, nothing stays.

    Args:
        data: the archive, read from where it stands, or the path of one.
        name: what the person calls it; used in messages alone.

    Raises:
        DataUnavailable: it is too large, refused, or no set of labelled images; the message says why in one sentence.
    """
    folder = data_folder() / "uploads"
    shown = Path(name.replace("\\", "/")).name or "The upload"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    except OSError as error:
        raise DataUnavailable(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        # As messages show it, made harmless.
        file = work / (re.sub(r'[<>:"|?*\x00-\x1f\ud800-\udfff]', "_", shown)[-60:].lstrip(".") or "upload")
        digest = _copy(data, file, shown)
        kind = archives.kind_of(file)
        if not kind:
            raise DataUnavailable(f"{shown} is no zip or tar archive: pack the folder and upload that.")
        tree = archives.open_zip(file, UPLOADED, thorough=True) if kind == "zip" else tars.open_tar(file, UPLOADED)
        arrange(unwrapped(tree), shown)
        target = folder / f"{digest}.{kind}"
        if not target.is_file():
            _check_room(file.stat().st_size)
        place(file, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _copy(data: BinaryIO | Path, file: Path, shown: str) -> str:
    """Copy at most `MAX_MEGABYTES`; gives their SHA-256."""
    digest, size = hashlib.sha256(), 0
    try:
        source = data.open("rb") if isinstance(data, Path) else data
        try:
            with file.open("xb") as out:
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size > MAX_MEGABYTES << 20:
                        raise DataUnavailable(
                            f"{shown} has more than {MAX_MEGABYTES:,} MB: put it into the data folder, "
                            "where the page and 'invariscope study --datasets folder:NAME' find it."
                        )
                    digest.update(chunk)
                    out.write(chunk)
        finally:
            if isinstance(data, Path):
                source.close()
    except OSError as error:
        raise DataUnavailable(f"{shown} could not be stored: {error.strerror or error}.") from error
    return digest.hexdigest()
