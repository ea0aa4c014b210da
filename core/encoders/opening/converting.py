"""Files of unknown origin, read in a process that has nothing to harm: as a trial, or to keep their tensors alone.

What protects, in order:

1. Nothing in the file runs. PyTorch reads it, `weights_only`, in a child process; what else the file names is an inert
   husk (see `unpickling`): no import, no constructor, no function of the file's choosing. A file that asks for one of
   Python's own functions (`os.system`, `exec`, ...) is refused as a whole.
2. Should that reader have a hole: the child has no network (a namespace of its own where Linux permits it), an empty
   environment, an empty folder, bounded memory, time and file size, and an audit hook that ends it at the first
   attempt to open a file, start a process or use a socket from Python.
3. The parent trusts only what it can check: a safetensors file, whose reader runs nothing, with finite bounds.

What does not protect: the audit hook sees Python and not machine code, so a flaw in the C code of Python, zlib or torch
that a file could use to run machine code would find the user's own rights on the file system. Outside Linux there is no
namespace, and on Windows no limits of memory; the husks are all there then is. Whether the weights are the right ones,
nobody can tell from the format: that is what hashes and `training_signs` are for.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import safetensors

from core.encoders.files import hashes
from core.encoders.opening import kinds
from core.encoders.opening.quarantine import RESULT, seconds
from core.encoders.opening.unpickling import ENDS_EARLY, MORE
from core.errors import InvalidRequest, WeightsInvalid, WeightsUnavailable
from core.paths import ROOT


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion kept and left out.

    Attributes:
        target: the safetensors file.
        tensors: how many it holds.
        left_out: classes of the objects that were not taken over.
        network: what kept the child from the network: `namespace`, or only the `audit hook`.
    """

    target: Path
    tensors: int
    left_out: tuple[str, ...]
    network: str


def convert(path: Path, target: Path, container: tuple[str, ...] = ()) -> Conversion:
    """Keep a file's tensors in a safetensors file of their own; a target that exists is replaced only on success.

    Args:
        path: a file of `torch.save` in either of its formats since 0.4.
        target: where the tensors go, under the names that led to them, with `::` between.
        container: keep only what is under these names; empty keeps all.

    Raises:
        InvalidRequest: the file is safetensors already, or is to be replaced by its own conversion.
        WeightsUnavailable: the file is not there, or the target cannot be written.
        WeightsInvalid: it asks for code, is damaged, or holds no tensors; nothing ran and nothing was kept.
    """
    if not path.is_file():
        raise WeightsUnavailable(f"{path} is not there, so it cannot be converted.")
    if path.suffix == ".safetensors":
        raise InvalidRequest(f"{path} is a file of plain tensors already; nothing needs converting.")
    if target.resolve() == path.resolve():
        raise InvalidRequest(f"{path} is never replaced by its own conversion. Choose another place for the result.")
    digest = hashes.sha256_of(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the result gets its name in one step.
        with tempfile.TemporaryDirectory(prefix=".converting-", dir=target.parent) as folder:
            report = _in_quarantine(path, Path(folder), ("convert", container, digest))
            result = Path(folder) / RESULT
            count = _checked(path, result, digest)
            hashes.keep(result, target, hashes.sha256_of(result))
    except OSError as error:
        raise WeightsUnavailable(
            f"{target} could not be written: {error}. Free some space or choose another place."
        ) from error
    left_out = report.get("left_out", [])
    names = tuple(str(name) for name in left_out) if isinstance(left_out, list) else ()
    return Conversion(target, count, names, str(report.get("network", "")))


def rehearse(path: Path, reader: str) -> None:
    """Read a file as `reading` will, once, with bounds on memory and time; nothing is kept.

    Args:
        path: the file.
        reader: a key of `reading.READERS`.

    Raises:
        WeightsInvalid: it cannot be read, or not within what a file of its size may need.
    """
    if path.suffix == ".safetensors":
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            _in_quarantine(path, Path(folder), ("zip" if reader == "zip" else "plain", (), ""))
        except WeightsInvalid as error:
            if MORE not in str(error):
                raise
            raise WeightsInvalid(f"{error} 'invariscope models convert {path}' keeps the tensors alone.") from error


def _in_quarantine(path: Path, folder: Path, request: tuple[str, tuple[str, ...], str]) -> dict[str, object]:
    """What the child reports, once it did what it was asked."""
    places = [str(ROOT), *(place for place in sys.path if place)]
    program = f"import sys; sys.path[:] = {places!r}; from core.encoders.opening.quarantine import main; main()"
    # Windows finds its own libraries through SYSTEMROOT and nothing else is needed anywhere.
    environment = {"OMP_NUM_THREADS": "1", **{k: os.environ[k] for k in ("SYSTEMROOT",) if k in os.environ}}
    computing = seconds(path.stat().st_size)
    late = f"it takes more than {computing} seconds of computing, many times what a file of its size needs"
    with path.open("rb") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", program, json.dumps([*request, computing])],
                stdin=file,
                capture_output=True,
                cwd=folder,
                env=environment,
                timeout=60 + 2 * computing,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(path, late) from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        ended = f"it brought its process to an end ({name}), which no sound file does"
        raise _refused(path, late if name == "SIGXCPU" else ended)
    try:
        report = dict(json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing was said"]
        raise _refused(path, f"its process ended without a result ({said[0]})") from error
    if report.get("refused") == ENDS_EARLY:
        raise _refused(path, kinds.cut(path))
    if "refused" in report:
        raise _refused(path, str(report["refused"]))
    return report


def _checked(path: Path, result: Path, digest: str) -> int:
    """How many tensors the result holds."""
    try:
        with safetensors.safe_open(result, framework="pt") as file:
            count, origin = len(file.keys()), (file.metadata() or {}).get("source_sha256")
    except (OSError, safetensors.SafetensorError) as error:
        raise _refused(path, "its process left no readable result") from error
    if not count or origin != digest:
        raise _refused(path, "its process left no result of this file")
    return count


def _refused(path: Path, why: str) -> WeightsInvalid:
    return WeightsInvalid(f"{path} was not read: {why}. Nothing in it ran, and nothing of it was kept.")
