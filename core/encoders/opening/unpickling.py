"""The tensors of a pickle without its code: every class that is not a plain container becomes an inert husk.

Meant for the child process of `converting` alone. A pickle is a program that asks for functions by name and calls them.
Here a name gives one of a few functions of `husks`, or a husk: an object that remembers what it was given and does
nothing. Names of Python's own machinery, which only an attack asks for, end the reading.
"""

import io
import pickle
import struct
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import torch
from torch import Tensor

from core.encoders.opening.husks import BUILTINS, FUNCTIONS, STORAGES, Array, Husk, Numbers, Refused

MAGIC = 0x1950A86A20F9469CFC6C
"""The first thing in torch's format from before 1.6."""
DEEPEST = 64
MOST_PARTS = 200_000
"""Containers that a checkpoint may have, counted as often as they are met."""


def room(size: int) -> int:
    """Bytes that the tensors of a file of `size` bytes may fill: some share memory, and some are stored twice."""
    return 4 * size + (1 << 26)


BENIGN = frozenset(
    (
        "argparse",
        "collections",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "pathlib",
        "re",
        "typing",
        "uuid",
    )
)
"""Modules of Python whose objects checkpoints keep as settings; they become husks like any other."""
HARMFUL = frozenset(
    (
        "__import__",
        "apply",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "execfile",
        "file",
        "globals",
        "input",
        "locals",
        "open",
        "setattr",
        "vars",
    )
)


class Unpickler(pickle.Unpickler):
    """Reads a pickle with husks for classes, and storages from wherever `storage` finds them."""

    def __init__(self, file: BinaryIO, storage: Callable[..., Husk], left_out: set[str]) -> None:
        super().__init__(file, encoding="latin1")
        self.storage = storage
        self.left_out = left_out

    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for; nothing is ever imported.

        Raises:
            Refused: it is a name that only code to run would ask for.
        """
        # Pickles before protocol 3 use Python 2's names; there `subprocess` is called `commands`.
        module, name = NAME_MAPPING.get((module, name), (module, name))
        module = IMPORT_MAPPING.get(module, module)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) in FUNCTIONS:
            return FUNCTIONS[module, name]
        top = module.partition(".")[0]
        if top == "builtins":
            if name.partition(".")[0] in HARMFUL:
                raise Refused(f"it asks for '{name}' when it is opened, which is code to run")
            if name in BUILTINS:
                return BUILTINS[name]
        # `posix` and `nt` are what `os` is called inside; both are among Python's own names.
        elif top in sys.stdlib_module_names - BENIGN and (module, name) != ("copyreg", "_reconstructor"):
            raise Refused(f"it asks for '{module}.{name}' when it is opened, which is code to run")
        self.left_out.add(f"{module}.{name}")
        return type(name.rpartition(".")[2] or "Husk", (Husk,), {})

    def persistent_load(self, identity: Any) -> Husk:
        """The storage that a tensor lies in."""
        if type(identity) is not tuple or len(identity) < 5 or identity[0] not in ("storage", b"storage"):
            return Husk(identity)
        kind = identity[1]
        if not isinstance(kind, torch.dtype):
            return Husk(identity)
        return self.storage(kind, *identity[2:])


def read(file: BinaryIO, size: int) -> tuple[object, set[str]]:
    """The content of a file in torch's zip format, its older one, or a bare pickle, and the classes left out.

    Raises:
        Refused: it asks for code, is damaged, or is of another format.
    """
    left_out: set[str] = set()
    start = file.read(4)
    file.seek(0)
    try:
        if start == b"PK\x03\x04":
            return _zipped(file, size, left_out), left_out
        return _older(file, size, left_out), left_out
    except (Refused, MemoryError):
        raise
    # Any exception at all may come of bytes made to confuse; each means that the file is no checkpoint.
    except (Exception, RecursionError) as error:
        raise Refused(f"it is damaged, or no checkpoint ({type(error).__name__})") from error


def _zipped(file: BinaryIO, size: int, left_out: set[str]) -> object:
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > room(size):
            raise Refused(f"it unpacks to {unpacked / 1e6:.0f} MB, many times its size")
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(names) != 1:
            raise Refused("it is an archive, but not one of torch's")
        root = names[0][: -len("data.pkl")]
        if f"{root}constants.pkl" in archive.namelist():
            raise Refused("it is TorchScript, which is a program and not weights")
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in archive.namelist() else b"little"
        if order.decode() != sys.byteorder:
            raise Refused("it was written by a machine of another byte order")
        storages: dict[str, Tensor] = {}

        def storage(kind: torch.dtype, key: object, *_: object) -> Husk:
            if str(key) not in storages:
                data = bytearray(archive.read(f"{root}data/{key}"))
                storages[str(key)] = (
                    torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
                )
            return Numbers(storages[str(key)].view(kind))

        return Unpickler(io.BytesIO(archive.read(names[0])), storage, left_out).load()


def _older(file: BinaryIO, size: int, left_out: set[str]) -> object:
    """A bare pickle, or torch's older format: three headers, the object, its storages' keys, their bytes."""
    storages: dict[str, Tensor] = {}
    left = size

    def storage(kind: torch.dtype, key: object, _: object, count: object, view: object = None) -> Husk:
        nonlocal left
        if view is not None or type(count) is not int or count < 0:
            return Husk()
        if str(key) not in storages:
            left -= count * kind.itemsize
            if left < 0:
                raise Refused("a tensor in it claims more numbers than the file holds")
            storages[str(key)] = torch.empty(count, dtype=kind)
        return Numbers(storages[str(key)])

    def load() -> object:
        return Unpickler(file, storage, left_out).load()

    content = load()
    if content != MAGIC:
        return content
    load(), load()
    content, keys = load(), load()
    if type(keys) is not list or storages.keys() != {str(key) for key in keys}:
        raise Refused("its list of storages is damaged")
    for key in keys:
        target = storages[str(key)]
        (count,) = struct.unpack("<q", file.read(8))
        data = file.read(target.numel() * target.element_size())
        if count != target.numel() or len(data) != target.numel() * target.element_size():
            raise Refused("it ends before its last tensor")
        if data:
            target.copy_(torch.frombuffer(bytearray(data), dtype=target.dtype))
    return content


def tensors(content: object) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Every tensor with the names that lead to it, through dictionaries, lists and husks.

    Raises:
        Refused: there are more parts than any checkpoint has.
    """
    pending: list[tuple[tuple[str, ...], object, frozenset[int]]] = [((), content, frozenset())]
    parts = 0
    while pending:
        path, value, around = pending.pop()
        if isinstance(value, Numbers | Array):
            value = value.tensor()
        if isinstance(value, Tensor):
            yield path, value
        # What holds itself is followed once.
        elif isinstance(value, dict | list | tuple | Husk) and len(path) < DEEPEST and id(value) not in around:
            parts += 1
            if parts > MOST_PARTS:
                raise Refused(f"it has more than {MOST_PARTS} parts, as a file that multiplies itself does")
            inside = around | {id(value)}
            if isinstance(value, Husk):
                value = value.__dict__["parts"]
            # Not value.items(): a pickle may give a dictionary attributes of any name.
            items = dict.items(value) if isinstance(value, dict) else enumerate(value)
            pending.extend(((*path, str(key)), inner, inside) for key, inner in reversed(list(items)))
