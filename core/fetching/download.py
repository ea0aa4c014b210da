"""A file from the first of its addresses that gives it: continued after a break, checked, and named by who wanted it.

The one client for weights and data sets, files of the Hugging Face hub included: `huggingface_hub` throws away what
came when a download ends early, and here a stopped gigabyte goes on where it stopped.
"""

import http.client
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from core.fetching.addresses import LOGIN, Answer, NotGiven, ask, looks_like_a_page, number, why
from core.pace import Progress

CHUNK = 1 << 20
SPARE = 50_000_000
"""Bytes that a download leaves free on the disk."""
GLANCE = 1.0
"""Seconds between two looks at a download that another process is at."""

Check = Callable[[Path, str], tuple[str, str]]
"""From a file and the SHA-256 that its server announced (may be empty): its digest, and what is wrong as a clause."""


class WrongFile(NotGiven):
    """An address that gave another file than the one that is meant."""


class NoRoom(Exception):
    """A disk with too little room for a file; the text says how much there is, as a sentence without its end."""


class Undelivered(Exception):
    """No address gave the file.

    Attributes:
        reasons: one clause for each address, in the order they were tried.
        wrong: whether one of them gave another file.
    """

    def __init__(self, reasons: dict[str, str], wrong: bool) -> None:
        super().__init__("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))
        self.reasons = reasons
        self.wrong = wrong


def partial_of(path: Path) -> Path:
    """Where the bytes of a file gather until they are all there."""
    return path.with_name(path.name + ".partial")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the bytes of a partial file came from, kept beside it.

    Attributes:
        url: the address.
        etag: the server's name for this very content; empty when it gives none, or a weak one.
        total: bytes of the whole file; 0 when unknown.
    """

    url: str = ""
    etag: str = ""
    total: int = 0

    @classmethod
    def of(cls, partial: Path) -> Self:
        """What was noted of a partial file; nothing when there is no note that can be read."""
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(_note(partial).read_text(encoding="utf-8")))
        return cls()

    def write(self, partial: Path) -> None:
        """Note it beside the partial file."""
        _note(partial).write_text(json.dumps(asdict(self)), encoding="utf-8")


def _note(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.is_file() else 0


def forget(path: Path) -> None:
    """Remove what gathered for a file, and the note of where it came from."""
    partial_of(path).unlink(missing_ok=True)
    _note(partial_of(path)).unlink(missing_ok=True)


@contextmanager
def alone(path: Path, progress: Progress) -> Iterator[None]:
    """Hold a file's lock, so that of several processes one downloads; who has to wait is told how far the owner is."""
    # The system frees the lock of a process that died, so a lock file that is left lying about blocks nobody.
    lock = FileLock(path.with_name(path.name + ".lock"))
    partial = partial_of(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=GLANCE)
        except Timeout:
            if partial.is_file():
                progress(partial.stat().st_size, Origin.of(partial).total)
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be fetched.

    Attributes:
        path: where it goes; its folder exists, and nobody else writes there.
        check: compares what came with what is known of it.
        known: whether that would tell a wrong file, so that pieces of unknown origin may be put together.
        about: bytes it has at least roughly; 0 when unknown. Only compared with the room on the disk.
        progress: told (bytes done, bytes in all; 0 when the server does not say).
    """

    path: Path
    check: Check
    known: bool
    about: int
    progress: Progress


def download(urls: Sequence[str], wanted: Wanted) -> str:
    """Bring a file whole and checked to `partial_of` its path, from its address or else its mirrors; its digest.

    Who wanted it gives it its name and then forgets the rest (`forget`).

    Raises:
        Undelivered: no address gave it.
        NoRoom: the disk has too little room.
        OSError: it could not be written.
    """
    reasons, wrong = {}, False
    for url in urls:
        try:
            return _from(url, wanted)
        except NotGiven as error:
            if not _size(partial_of(wanted.path)):
                forget(wanted.path)
            reasons[url] = str(error)
            wrong |= isinstance(error, WrongFile)
    raise Undelivered(reasons, wrong)


def _from(url: str, wanted: Wanted) -> str:
    partial = partial_of(wanted.path)
    continued, announced = _transfer(url, wanted)
    digest, complaint = wanted.check(partial, announced)
    if complaint and continued:
        # What was there before may have been of another version: only a download of one piece tells.
        forget(wanted.path)
        _, announced = _transfer(url, wanted)
        digest, complaint = wanted.check(partial, announced)
    if complaint:
        forget(wanted.path)
        raise WrongFile(f"it gave {complaint}; nothing was kept")
    return digest


def _transfer(url: str, wanted: Wanted) -> tuple[bool, str]:
    """Bring the partial file to its end; whether it was continued, and the SHA-256 that the server announced."""
    partial = partial_of(wanted.path)
    origin, have = Origin.of(partial), _size(partial)
    # Bytes of unknown origin are worth keeping only when a hash will tell.
    if have and not (wanted.known or origin.url):
        forget(wanted.path)
        have = 0
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if origin.etag and (origin.url == url or not wanted.known):
            # The server sends the whole file when it has another one by now.
            headers["If-Range"] = origin.etag
    answer = ask(url, headers)
    etag = answer.headers.get("ETag", "")
    etag = "" if etag.startswith("W/") else etag
    if answer.status in (206, 416):
        total = _stated_total(answer, have)
        if not have:
            answer.close()
            raise NotGiven("it answers with a part of the file when asked for the whole")
        if not _continues(answer, have, total, Origin(url, etag), origin, wanted.known or bool(answer.announced)):
            answer.close()
            forget(wanted.path)
            return _transfer(url, wanted)
        if answer.body is None:
            return True, answer.announced
    else:
        forget(wanted.path)
        have, total = 0, number(answer.headers, "Content-Length")
        # A body in chunks says itself where it ends.
        chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if not (total or wanted.known or answer.announced or chunked):
            answer.close()
            raise NotGiven("it does not say how long the file is, and no hash would tell a broken download")
    assert answer.body is not None
    with answer.body as body:
        _require_room(wanted.path.parent, total or wanted.about, have)
        if not have:
            Origin(url, etag, total).write(partial)
        done = _append(body, partial, have, total, wanted.progress)
    if done < total:
        raise NotGiven(f"the connection ended after {done} of {total} bytes; try again to continue")
    return have > 0, answer.announced


def _append(body: http.client.HTTPResponse, partial: Path, done: int, total: int, progress: Progress) -> int:
    with partial.open("ab") as file:
        while True:
            try:
                chunk = body.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise NotGiven(why(error)) from error
            if not chunk:
                return done
            if not done and looks_like_a_page(chunk):
                raise NotGiven(LOGIN)
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _continues(answer: Answer, have: int, total: int, now: Origin, before: Origin, known: bool) -> bool:
    """Whether what a server has after `have` bytes belongs to the same file as those."""
    span = answer.headers.get("Content-Range", "")
    if answer.status == 206 and not span.startswith(f"bytes {have}-"):
        return False
    if answer.status == 416 and (total or before.total) != have:
        return False
    if before.total and total and before.total != total:
        return False
    if now.url == before.url:
        return not (now.etag and before.etag) or now.etag == before.etag
    return known or bool(now.etag and now.etag == before.etag)


def _stated_total(answer: Answer, have: int) -> int:
    stated = answer.headers.get("Content-Range", "").rpartition("/")[2]
    rest = number(answer.headers, "Content-Length") if answer.status == 206 else 0
    return int(stated) if stated.isdecimal() else have + rest if rest else 0


def _require_room(folder: Path, total: int, have: int) -> None:
    needed, free = total - have, shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise NoRoom(f"{folder} has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are to come")
