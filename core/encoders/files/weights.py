"""Weight files: where they are, how they get there, and whether they are what the catalog says."""

from pathlib import Path

from core.encoders.files import hashes, licences, reuse
from core.encoders.files.hashes import sha256_of
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable
from core.fetching.addresses import offline
from core.fetching.download import NoRoom, Undelivered, Wanted, alone, download, forget, partial_of
from core.pace import Progress
from core.paths import ASSETS, weights_folder

__all__ = ["Progress", "fetch", "is_here", "path_of", "sha256_of", "unavailable", "verify", "weights_folder"]


SHORT = 0.9
"""Share of the size that the catalog states, about, below which a part of a file is missing."""


def path_of(weights: WeightFile) -> Path:
    """Where the file is, or would be after it was fetched."""
    return (ASSETS if weights.packaged else weights_folder()) / weights.file


def is_here(weights: WeightFile) -> bool:
    """Whether the file is on this machine."""
    return path_of(weights).is_file()


def verify(weights: WeightFile) -> str:
    """The file's SHA-256, once it agrees with the catalog and with what was fetched the first time.

    Raises:
        WeightsUnavailable: the file is not here.
        WeightsInvalid: its hash is another.
    """
    path = path_of(weights)
    if not path.is_file():
        raise unavailable(weights)
    digest, complaint = hashes.compare(path, weights, path)
    if complaint:
        added = "Put it back as it was, or add it again under another name"
        todo = added if weights.own else "Delete it and fetch it again"
        here = path.stat().st_size / 1e6
        if here < SHORT * weights.megabytes:
            complaint += f"; {here:.1f} MB are here, about {weights.megabytes:.0f} MB should be"
        raise WeightsInvalid(f"{path} is {complaint}. {todo}.")
    return digest


def unavailable(weights: WeightFile, reason: str = "", todo: str = "Connect to the network") -> WeightsUnavailable:
    """The error that says which file is missing and where it goes.

    Args:
        weights: the file.
        reason: why it could not be fetched, as a clause; may be empty.
        todo: what to do other than to put the file in its place by hand.
    """
    path = path_of(weights)
    if weights.packaged:
        return WeightsUnavailable(f"{path} should have come with Invariscope and is missing. Install it again.")
    why = f" ({reason})" if reason else ""
    published = weights.addresses
    if not published:
        return WeightsUnavailable(
            f"{weights.file} is not on this machine{why}, and no address of it is known. Put it at {path}."
        )
    return WeightsUnavailable(
        f"{weights.file} is not on this machine{why}. {todo}, or download {published[0]} in a browser, there or "
        f"elsewhere, and put it at {path}."
    )


def fetch(weights: WeightFile, progress: Progress = lambda done, total: None) -> Path:
    """The path of the file; when it is not here yet it is taken from another program's cache or downloaded.

    A broken download leaves a `.partial` file and is continued by the next call; the file gets its name only after
    its hash has been checked. Of several processes one downloads, and the others are told how far it is.

    Args:
        weights: the file.
        progress: told (bytes done, bytes in all; 0 when the server does not say); `core.pace` makes speed of it.

    Raises:
        LicenceNotAccepted: its licence has to be accepted first.
        WeightsUnavailable: no network, the servers refuse, or the disk is full.
        WeightsInvalid: what came is not what the catalog says.
    """
    path = path_of(weights)
    if path.is_file():
        return path
    if weights.packaged or not weights.addresses:
        raise unavailable(weights)
    if weights.terms:
        licences.require(weights.terms, weights.file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path, progress):
            if not path.is_file() and not reuse.take(weights, path):
                _download(weights, path, progress)
    except OSError as error:
        raise WeightsUnavailable(
            f"{path} could not be written: {error}. Free some space or choose --weights-dir."
        ) from error
    return path


def _download(weights: WeightFile, path: Path, progress: Progress) -> None:
    if variable := offline():
        raise unavailable(weights, f"{variable} is set, so nothing was tried", f"Unset {variable}")
    known, about = hashes.is_known(weights, path), int(weights.megabytes * 1e6)
    wanted = Wanted(path, lambda file, told: hashes.compare(file, weights, path, told), known, about, progress)
    try:
        hashes.keep(partial_of(path), path, download(weights.addresses, wanted))
        forget(path)
    except NoRoom as error:
        raise WeightsUnavailable(f"{error}. Free some space or choose another folder with --weights-dir.") from error
    except Undelivered as error:
        reason = f"fetching failed: {error}"
        if error.wrong:
            raise WeightsInvalid(
                f"{weights.file} is not on this machine ({reason}). Try again later; if it stays so, its publisher has "
                f"replaced the file, or the catalog is wrong. {_first_one(path)}"
            ) from error
        raise unavailable(weights, reason, "Check the network or try again later") from error


def _first_one(path: Path) -> str:
    ledger = hashes.ledger_of(path)
    return f"To take another file than the first time, delete {ledger}." if ledger.is_file() else "Report it."
