"""The child process that reads a file of unknown content first; it has nothing to harm.

Started by `converting` in an empty folder, without environment, with the file as its standard input.
Only the standard library is imported before the network is gone, which a process with threads cannot give up.
"""

import contextlib
import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
NO_NEW_PRIVILEGES = 38
RESULT = "converted.safetensors"
WITHIN = "::"
"""Between the names that lead to a tensor in a converted file."""
FORBIDDEN = (
    "open",
    "socket.",
    "subprocess.",
    "os.",
    "shutil.",
    "pty.",
    "ctypes.",
    "webbrowser.",
    "urllib.",
    "ftplib.",
    "http.",
    "smtplib.",
    "tempfile.",
    "signal.",
    "mmap.",
    "fcntl.",
    "syslog.",
    "code.",
    "sqlite3.",
    "winreg.",
    "msvcrt.",
    "_winapi.",
    "cpython.run_",
    "compile",
    "exec",
    "import",
)
"""Beginnings of what Python announces before it does it, and what reading and writing tensors never needs."""


def main() -> None:
    """Read standard input as the argument says; a line of JSON on standard output says how it went.

    `convert` leaves the tensors as `converted.safetensors` here. `plain` and `zip` read as the readers of these names
    do, and keep nothing.
    """
    way, container, sha256, computing = json.loads(sys.argv[1])
    network = give_up_network()
    from core.encoders.opening import unpickling

    size = os.fstat(0).st_size
    file = os.fdopen(0, "rb")
    _warm_up()
    limit(size, computing)
    caught = forbid()
    report: dict[str, object] = {}
    try:
        with unpickling.refusals():
            if way == "convert":
                report = _convert(file, size, container, sha256)
            else:
                unpickling.plain(unpickling.packed(file) if way == "zip" else file, *unpickling.BAGS)
    except unpickling.Refused as error:
        report = {"refused": str(error)}
    # What was caught is told even if something swallowed the exception.
    if caught:
        report = {"refused": f"it tried to use {caught[0]}"}
    print(json.dumps({**report, "network": network}), flush=True)
    # Without the interpreter's own goodbyes, which would meet the audit hook.
    os._exit(0)


def _convert(file: BinaryIO, size: int, container: list[str], sha256: str) -> dict[str, object]:
    import torch
    from safetensors.torch import save_file

    from core.encoders.opening import unpickling

    tensors, left_out = unpickling.all_tensors(file)
    found: dict[str, torch.Tensor] = {}
    for path, tensor in tensors:
        if list(path[: len(container)]) != container or len(path) == 0:
            continue
        path = unpickling.state_names(path)
        name = WITHIN.join(path)
        if name in found or any(WITHIN in part for part in path):
            raise unpickling.Refused(f"two of its names, or a part of one, cannot be told apart: {name}")
        found[name] = tensor.clone(memory_format=torch.contiguous_format)
    if not found:
        where = f" under {'.'.join(container)}" if container else ""
        raise unpickling.Refused(
            f"it holds no tensors{where}, but arrays of NumPy. Where it came from, save them as tensors: "
            "torch.save({name: torch.as_tensor(array) for name, array in ...}, NEW)"
            if any(name.startswith("numpy.") for name in left_out)
            else f"it holds no tensors{where}"
        )
    bytes_found = sum(tensor.nbytes for tensor in found.values())
    if bytes_found > room(size):
        raise unpickling.Refused(f"its tensors fill {bytes_found / 1e6:.0f} MB, many times its size")
    save_file(found, RESULT, metadata={"format": "pt", "source_sha256": sha256})
    return {"tensors": len(found), "left_out": sorted(left_out)}


def give_up_network() -> str:
    """Leave for an empty network where Linux permits it; what stands between this process and the network."""
    # What other systems lack; the answer says which of the two walls stands.
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if library.unshare(NEW_USER | NEW_NETWORK) == 0:
            return "namespace"
    return "audit hook"


def _warm_up() -> None:
    """Import what is imported on first use, by doing everything once with a tensor of our own."""
    import io
    import warnings

    import numpy as np
    import torch

    from core.encoders.opening import unpickling

    # To show one, Python would open the source it comes from.
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for zipped in (True, False):
        buffer = io.BytesIO()
        # NumPy's numbers, which training scripts keep beside weights, make PyTorch import more of NumPy.
        usual = {"a": torch.ones(2, 2).T, "b": np.float64(1), "c": np.ones(1)}
        torch.save(usual, buffer, _use_new_zipfile_serialization=zipped)
        buffer.seek(0)
        _convert(buffer, len(buffer.getvalue()), [], "")
        os.remove(RESULT)
    for content in (b"no checkpoint", b"PK\x03\x04"):
        # Both are refused; what refusing imports is what is wanted.
        with contextlib.suppress(unpickling.Refused):
            unpickling.all_tensors(io.BytesIO(content))
    "cp437".encode("cp437")


def room(size: int) -> int:
    """Bytes that the tensors of a file of `size` bytes may fill: some share memory, and some are stored twice."""
    return 4 * size + (1 << 26)


def seconds(size: int) -> int:
    """Computing that reading a file of `size` bytes may take, far above what any sound one needs."""
    return 15 + size // 2_000_000


def limit(size: int, computing: int) -> None:
    """Bound memory, the size of files and crash dumps by what a file of `size` bytes can need, and computing time."""
    try:
        import resource
    except ImportError:
        # Windows has no such limits; the parent's time limit remains.
        return
    used = 0
    # Only Linux says so; elsewhere address space is not bounded, and time and the size of files still are.
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    bounds = {"RLIMIT_CPU": int(time.process_time()) + computing, "RLIMIT_CORE": 0}
    bounds["RLIMIT_FSIZE"] = room(size) + (1 << 24)
    if used:
        bounds["RLIMIT_AS"] = used + 2 * room(size) + (1 << 29)
    for name, bound in bounds.items():
        # Refused where whoever started this has bounded it lower already.
        with contextlib.suppress(ValueError, OSError):
            # Past the first bound on computing the system says so as it ends the process, past the second it does not.
            resource.setrlimit(getattr(resource, name), (bound, bound + 1))


def forbid() -> list[str]:
    """Refuse for good all that Python announces and tensors do not need; what was tried is added to the list."""
    caught: list[str] = []

    def hook(event: str, _: tuple[object, ...]) -> None:
        if event.startswith(FORBIDDEN):
            caught.append(event)
            raise PermissionError(event)

    install: Callable[[Callable[[str, tuple[object, ...]], None]], None] = sys.addaudithook
    install(hook)
    return caught
