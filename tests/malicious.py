"""Pickles that would create a file when they are opened by something that runs what they ask for."""

import builtins
import importlib
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch


class Calls:
    """Pickled as a call of `function` with `arguments`."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call

    def __call__(self) -> None:
        """Only what can be called may stand where a function is pickled."""


class Later:
    """Pickled as an object whose state is a call, so that it runs while the object is filled."""

    def __init__(self, inner: Calls) -> None:
        self.inner = inner

    def __reduce__(self) -> tuple:
        return dict, (), None, None, iter([("key", self.inner)])


def payloads(trace: Path) -> dict[str, object]:
    """Objects that ask for Python's own functions, by name; each would create `trace`."""
    code = f"open({str(trace)!r}, 'w').close()"
    system = Calls(os.system, f"touch {trace}")
    return {
        "os.system": system,
        "builtins.exec": Calls(builtins.exec, code),
        "builtins.eval": Calls(builtins.eval, f"__import__('pathlib').Path({str(trace)!r}).touch()"),
        "builtins.open": Calls(builtins.open, str(trace), "w"),
        "subprocess": Calls(subprocess.call, ["touch", str(trace)]),
        "importlib and getattr": Calls(
            Calls(getattr, Calls(importlib.import_module, "os"), "system"), f"touch {trace}"
        ),
        "in a dictionary's value": Later(system),
        "torch._rebuild_from_type_v2": Calls(
            torch._tensor._rebuild_from_type_v2, os.system, torch.Tensor, (f"touch {trace}",), None
        ),
        "torch._rebuild_tensor_v2 with hooks": Calls(
            torch._utils._rebuild_tensor_v2, torch.ones(2), 0, (2,), (1,), False, system
        ),
        "numpy array of objects": np.array([system, None], dtype=object),
    }


def strangers(trace: Path) -> dict[str, object]:
    """Objects that ask for functions of libraries, which would run code or open files as well."""
    inner = trace.with_name("inner.pth")
    torch.save({"weight": Calls(os.system, f"touch {trace}")}, inner)
    return {
        "torch.load": Calls(torch.load, str(inner)),
        "numpy.load": Calls(np.load, str(inner)),
        "numpy.save": Calls(np.ndarray.tofile, np.ones(2), str(trace)),
        "torch.save": Calls(torch.save, 1, str(trace)),
        "torch.jit.load": Calls(torch.jit.load, str(inner)),
    }


def written(path: Path, content: object, way: str) -> Path:
    """`path`, with content as torch writes it today, as it did before 1.6, or as a bare pickle of some protocol."""
    if way == "torch":
        torch.save(content, path)
    elif way == "old torch":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(content, protocol=int(way)))
    return path


def _old(path: Path, body: bytes) -> Path:
    """`path`, with a pickle as the content of a file in torch's format from before 1.6."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in head) + body + pickle.dumps([], 2))
    return path


def endless(path: Path) -> Path:
    """A file of 1 MB that PyTorch reads as plain weights, in a quarter of an hour."""
    text = b"a" * 100_000
    head = b"\x80\x02ccollections\nCounter\nq\x00X" + len(text).to_bytes(4, "little") + text + b"\x85q\x01}"
    # A key, the class, its argument: call it, keep the result under the key.
    return _old(path, head + b"K\x00h\x00h\x01Rs" * 110_000 + b".")


def swollen(path: Path) -> Path:
    """A file of 1 kB that PyTorch reads as plain weights, into 64 GB."""
    part = b"cbuiltins\nbytearray\nJ" + (1_000_000_000).to_bytes(4, "little") + b"\x85R"
    return _old(path, b"\x80\x02](" + part * 64 + b"e.")
