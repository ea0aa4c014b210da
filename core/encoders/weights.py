"""Weight files: where they are, how they get there, and whether they are what the catalog says."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import Tensor

from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable
from core.paths import ASSETS

CHUNK = 1 << 20
Progress = Callable[[int, int], None]


def weights_folder() -> Path:
    """Where fetched files live: `INVARISCOPE_WEIGHTS`, or a folder in the user's cache."""
    chosen = os.environ.get("INVARISCOPE_WEIGHTS")
    if chosen:
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "invariscope" / "weights"


def path_of(weights: WeightFile) -> Path:
    """Where the file is, or would be after it was fetched."""
    return (ASSETS if weights.packaged else weights_folder()) / weights.file


def is_here(weights: WeightFile) -> bool:
    """Whether the file is on this machine."""
    return path_of(weights).is_file()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ledger(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def verify(weights: WeightFile) -> str:
    """The file's SHA-256, once it agrees with the catalog and with what was fetched the first time.

    Raises:
        WeightsUnavailable: the file is not here.
        WeightsInvalid: its hash is another.
    """
    path = path_of(weights)
    if not path.is_file():
        raise unavailable(weights)
    digest = sha256_of(path)
    recorded = _ledger(path).read_text().strip() if _ledger(path).is_file() else ""
    for expected, whose in ((weights.sha256, "the catalog describes"), (recorded, "that was fetched first")):
        if not digest.startswith(expected):
            raise WeightsInvalid(
                f"{path} is not the file {whose}: its SHA-256 starts {digest[:12]}, expected {expected[:12]}. "
                "Delete it and fetch it again."
            )
    return digest


def unavailable(weights: WeightFile, reason: str = "") -> WeightsUnavailable:
    """The error that says which file is missing and where it goes."""
    path = path_of(weights)
    if weights.packaged:
        return WeightsUnavailable(f"{path} should have come with Invariscope and is missing. Install it again.")
    why = f" ({reason})" if reason else ""
    return WeightsUnavailable(
        f"{weights.file} is not on this machine{why}. Connect to the network, or download "
        f"{weights.url} elsewhere and put it at {path}."
    )


def fetch(weights: WeightFile, progress: Progress = lambda done, total: None) -> Path:
    """The path of the file, downloaded first when it is not here yet.

    A broken download leaves a `.partial` file and is continued by the next call; the file gets its name only after
    its hash has been checked.

    Args:
        weights: the file.
        progress: told (bytes done, bytes in all; 0 when the server does not say).

    Raises:
        WeightsUnavailable: no network, or the server refuses.
        WeightsInvalid: what came is not what the catalog says.
    """
    path = path_of(weights)
    if path.is_file():
        return path
    if weights.packaged or not weights.url:
        raise unavailable(weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process downloads; the others wait and find the file.
        with FileLock(path.with_name(path.name + ".lock")):
            if not path.is_file():
                _download(weights, path, progress)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise unavailable(weights, f"fetching failed: {reason}") from error
    except OSError as error:
        raise WeightsUnavailable(
            f"{path} could not be written: {error}. Free some space or choose --weights-dir."
        ) from error
    return path


def _download(weights: WeightFile, path: Path, progress: Progress) -> None:
    partial = path.with_name(path.name + ".partial")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(weights.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        error.close()
        # 416: there is nothing after what we have. Either it is whole, or it is longer than the file ever was.
        if error.code != 416:
            raise
        response = None
        if error.headers.get("Content-Range", "").rpartition("/")[2] not in ("", "*", str(have)):
            partial.unlink()
            _download(weights, path, progress)
            return
    if response is not None:
        with response:
            resumed = response.status == 206
            total = int(response.headers.get("Content-Length") or 0) + (have if resumed else 0)
            done = have if resumed else 0
            with partial.open("ab" if resumed else "wb") as file:
                while chunk := response.read(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    progress(done, total)
            if total and done < total:
                raise ConnectionError(f"the connection ended after {done} of {total} bytes; try again to continue")
    digest = sha256_of(partial)
    if not digest.startswith(weights.sha256):
        partial.unlink()
        raise WeightsInvalid(
            f"{weights.url} did not give the file the catalog describes: SHA-256 {digest[:12]}…, expected "
            f"{weights.sha256[:12]}…. Nothing was kept."
        )
    _ledger(path).write_text(digest)
    os.replace(partial, path)


def state_dict(weights: WeightFile) -> dict[str, Tensor]:
    """The tensors of a verified file, keys as the network has them.

    Raises:
        WeightsUnavailable: the file is not here.
        WeightsInvalid: it is corrupt, holds something other than tensors, or is laid out in another way.
    """
    path = path_of(weights)
    verify(weights)
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    # Unpicklers answer a hostile or damaged file with any exception at all.
    except Exception as error:
        raise WeightsInvalid(
            f"{path} cannot be read as plain tensors ({type(error).__name__}). It is damaged, or "
            "holds code and was refused."
        ) from error
    for key in weights.container:
        if not isinstance(content, dict) or key not in content:
            raise WeightsInvalid(
                f"{path} has no '{key}' inside; it is laid out differently from what the catalog says."
            )
        content = content[key]
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise WeightsInvalid(f"{path} holds no named tensors; it is laid out differently from what the catalog says.")
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    # startswith, never replace(): "backbone." also stands inside "student_backbone.".
    return {key[len(weights.prefix) :]: value for key, value in tensors.items() if key.startswith(weights.prefix)}


def load_strictly(network: torch.nn.Module, weights: WeightFile) -> None:
    """Fill `network` from the file; every key must find its place.

    Raises:
        WeightsUnavailable: the file is not here.
        WeightsInvalid: keys or shapes differ; the message lists some and guesses why.
    """
    found = state_dict(weights)
    wanted = network.state_dict()
    used = {key: value for key, value in found.items() if not key.startswith(weights.drop)} if weights.drop else found
    missing = sorted(key for key in wanted.keys() - used.keys() if not key.endswith("num_batches_tracked"))
    extra = sorted(used.keys() - wanted.keys())
    shapes = sorted(k for k in wanted.keys() & used.keys() if wanted[k].shape != used[k].shape)
    if missing or extra or shapes:
        guess = "the prefix is another" if missing and len(extra) >= len(missing) else "it is another architecture"
        listed = "; ".join(
            f"{len(keys)} {what} such as {', '.join(keys[:3])}"
            for what, keys in (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
            if keys
        )
        raise WeightsInvalid(f"{path_of(weights)} does not fit the network: {listed}. Probably {guess}.")
    # Every key was compared above; what may still be absent are BatchNorm's batch counters, which inference ignores.
    network.load_state_dict({key: value.to(wanted[key].dtype) for key, value in used.items()}, strict=False)
