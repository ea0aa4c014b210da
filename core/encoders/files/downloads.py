"""A weight file from the first of its addresses that gives it: continued after a break, checked, named when right."""

import http.client
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from core.encoders.files import hashes
from core.encoders.files.addresses import LOGIN, Answer, NotGiven, ask, looks_like_a_page, number, why
from core.encoders.spec import WeightFile
from core.errors import WeightsUnavailable
from core.pace import Progress

CHUNK = 1 << 20
SPARE = 50_000_000
"""Bytes that a download leaves free on the disk."""


class WrongFile(NotGiven):
    """An address that gave another file than the one that is meant."""


class Undelivered(Exception):
    """No address gave the file.

    Attributes:
        reasons: one clause for each address, in the order they were tried.
        wrong: whether one of them gave another file.
    """

    def __init__(self, reasons: list[str], wrong: bool) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.wrong = wrong


def addresses(weights: WeightFile) -> list[str]:
    """Where a file is published, in the order in which it is asked for."""
    return [url for url in (weights.url, *weights.mirrors) if url]


def partial_of(path: Path) -> Path:
    """Where the bytes of a weight file gather until they are all there."""
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


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _note(partial).unlink(missing_ok=True)


def download(weights: WeightFile, path: Path, progress: Progress) -> None:
    """Put the file at `path`, from its address or else its mirrors.

    Sizes are compared with what the server states. The catalog's `megabytes` is approximate and compared with nothing.

    Args:
        weights: the file.
        path: where it goes; its folder exists, and nobody else writes there.
        progress: told (bytes done, bytes in all; 0 when the server does not say).

    Raises:
        Undelivered: no address gave it.
        WeightsUnavailable: the disk has too little room.
        OSError: it could not be written.
    """
    reasons, wrong = [], False
    for url in addresses(weights):
        try:
            _from(url, weights, path, progress)
            return
        except NotGiven as error:
            if not _size(partial_of(path)):
                _forget(partial_of(path))
            reasons.append(f"{url}: {error}")
            wrong |= isinstance(error, WrongFile)
    raise Undelivered(reasons, wrong)


def _from(url: str, weights: WeightFile, path: Path, progress: Progress) -> None:
    partial = partial_of(path)
    continued, announced = _transfer(url, weights, path, progress)
    digest, complaint = hashes.compare(partial, weights, path, announced)
    if complaint and continued:
        # What was there before may have been of another version: only a download of one piece tells.
        _forget(partial)
        _, announced = _transfer(url, weights, path, progress)
        digest, complaint = hashes.compare(partial, weights, path, announced)
    if complaint:
        _forget(partial)
        raise WrongFile(f"it gave {complaint}; nothing was kept")
    hashes.keep(partial, path, digest)
    _forget(partial)


def _transfer(url: str, weights: WeightFile, path: Path, progress: Progress) -> tuple[bool, str]:
    """Bring the partial file to its end; whether it was continued, and the SHA-256 that the server announced."""
    partial = partial_of(path)
    origin, known = Origin.of(partial), hashes.is_known(weights, path)
    have = _size(partial)
    # Bytes of unknown origin are worth keeping only when a hash will tell.
    if have and not (known or origin.url):
        _forget(partial)
        have = 0
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if origin.etag and (origin.url == url or not known):
            # The server sends the whole file when it has another one by now.
            headers["If-Range"] = origin.etag
    answer = ask(url, headers)
    etag = answer.headers.get("ETag", "")
    etag = "" if etag.startswith("W/") else etag
    if answer.status in (206, 416):
        total = _stated_total(answer, have)
        if not have:
            _close(answer)
            raise NotGiven("it answers with a part of the file when asked for the whole")
        if not _continues(answer, have, total, Origin(url, etag), origin, known or bool(answer.announced)):
            _close(answer)
            _forget(partial)
            return _transfer(url, weights, path, progress)
        if answer.body is None:
            return True, answer.announced
    else:
        _forget(partial)
        have, total = 0, number(answer.headers, "Content-Length")
        if not (total or known or answer.announced or _chunked(answer)):
            _close(answer)
            raise NotGiven("it does not say how long the file is, and no hash would tell a broken download")
    assert answer.body is not None
    with answer.body as body:
        _room(path.parent, total or int(weights.megabytes * 1e6), have)
        if not have:
            Origin(url, etag, total).write(partial)
        done = _append(body, partial, have, total, progress)
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


def _chunked(answer: Answer) -> bool:
    # A body in chunks says itself where it ends.
    return answer.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _close(answer: Answer) -> None:
    if answer.body is not None:
        answer.body.close()


def _room(folder: Path, total: int, have: int) -> None:
    needed, free = total - have, shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise WeightsUnavailable(
            f"{folder} has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are to come. Free some space or choose "
            "another folder with --weights-dir."
        )
