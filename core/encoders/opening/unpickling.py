"""Files of `torch.save`, read by PyTorch without running anything that they ask for.

PyTorch's own reader (`weights_only`) makes tensors, containers and what it is allowed by name, and refuses the rest.
`plain` allows next to nothing. `all_tensors` allows every other name of the file, each as an inert husk, so that the
tensors of a training checkpoint come out without its optimizers and settings; it is meant for the child process of
`converting` alone. Names of Python's own machinery, which only an attack asks for, end the reading.
"""

import argparse
import io
import pickletools
import re
import sys
import threading
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

BAGS = (argparse.Namespace,)
"""What training scripts keep beside weights: a plain bag of values."""
MORE = "it holds other objects beside its tensors"
"""What is said of a file whose tensors a conversion can keep."""
ENDS_EARLY = "it ends early"
TRUNCATED = "unexpected EOF|Ran out of input|data was truncated|exhausted before seeing STOP|finding central directory"
"""What PyTorch, Python and its pickles say of files of which the end is missing."""
MAGIC = 0x1950A86A20F9469CFC6C
"""The first thing in torch's format from before 1.6: five pickles in a row, then the numbers."""
DEEPEST = 64
OF_A_MODULE = ("_modules", "_parameters", "_buffers")
MOST_PARTS = 200_000
"""Containers that a checkpoint may have, counted as often as they are met."""
LARGEST = 8 << 30
"""Bytes that one file inside an archive may have."""
SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".torch", ".bin")
FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))
KINDS = FLOATS | {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
BENIGN = frozenset(
    {"argparse", "collections", "datetime", "decimal", "enum", "fractions"}
    | {"functools", "pathlib", "re", "typing", "uuid"}
)
"""Modules of Python whose objects checkpoints keep as settings; they become husks like any other."""
HARMFUL = frozenset(
    {"__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "file", "globals"}
    | {"input", "locals", "open", "setattr", "vars"}
)
INNOCENT = ("copyreg._reconstructor", "_codecs.encode")
"""What pickles of plain objects and bytes ask Python for."""

_alone = threading.Lock()


class Refused(Exception):
    """The file asks for code, or is not what it says it is; the message is a clause."""


def plain(file: Path | BinaryIO, *allowed: Callable[..., Any] | tuple[Callable[..., Any], str]) -> object:
    """Content of a file of `torch.save`; classes other than PyTorch's own and the allowed ones are refused.

    Raises:
        Exception: of any kind; the file is damaged or asks for more.
    """
    # What is allowed holds for the whole process: of two loads at once, the one that ends takes it from the other.
    with _alone, torch.serialization.safe_globals(list(allowed)):
        return torch.load(file, map_location="cpu", weights_only=True)


def packed(file: Path | BinaryIO) -> BinaryIO:
    """The one file of weights inside an archive, in memory; nothing is written and no name is used as a path.

    Raises:
        Refused: there is none or more than one, or it unpacks to more than weights need.
    """
    with zipfile.ZipFile(file) as archive:
        inside = [
            info
            for info in archive.infolist()
            if info.filename.lower().endswith(SUFFIXES) and not info.filename.startswith("__MACOSX/")
        ]
        if len(inside) != 1:
            raise Refused(f"should hold exactly one file of weights ({', '.join(SUFFIXES)}) and holds {len(inside)}")
        if inside[0].file_size > LARGEST or inside[0].file_size > 1000 * max(inside[0].compress_size, 1):
            raise Refused(f"unpacks to {inside[0].file_size / 1e9:.1f} GB, which no weights need")
        # What is read ends at the announced size, whatever the archive goes on with.
        return io.BytesIO(archive.read(inside[0]))


class _LikeDict(type):
    """PyTorch fills only what is of its three kinds of dictionary, and compares by `==`."""

    def __eq__(cls, other: object) -> bool:
        return other is dict or other is cls

    __hash__ = type.__hash__


class Husk(metaclass=_LikeDict):
    """What stands for an object, a class or a function that is not known: what it was given, and no behaviour."""

    def __new__(cls, *arguments: object) -> "Husk":
        """A husk that keeps its arguments by their position."""
        husk = super().__new__(cls)
        husk.__dict__["parts"] = dict(enumerate(arguments))
        return husk

    def __init__(self, *arguments: object) -> None:
        """Everything was taken by `__new__`."""

    def __setstate__(self, state: object) -> None:
        self.__dict__["parts"].update(state if type(state) is dict else {"state": state})

    def __setitem__(self, key: object, value: object) -> None:
        self.__dict__["parts"][key] = value


def _queue(*_: object) -> list[object]:
    """What stands for a `collections.deque`: PyTorch appends to plain lists alone."""
    return []


@contextmanager
def refusals() -> Iterator[None]:
    """Turn whatever the reading of a hostile or damaged file raises, which may be anything, into a refusal."""
    try:
        yield
    except Refused:
        raise
    # PyTorch and what it calls refuse with any exception at all; each leaves here as one sentence.
    except Exception as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise Refused("it needs more memory than a file of its size should") from error
        # PyTorch says first, at length, how to load the file without protection.
        if named := re.search(r"GLOBAL (\S+) (was not|whose module)", str(error)):
            _require_harmless(named[1])
            raise Refused(f"{MORE} ('{named[1]}' among them)") from error
        if isinstance(error, EOFError) or re.search(TRUNCATED, str(error)):
            raise Refused(ENDS_EARLY) from error
        if "append to lists" in str(error) or "extend lists" in str(error):
            raise Refused(
                "it holds a kind of list of its own beside its tensors, which PyTorch does not read safely. Where it "
                "came from, save the tensors alone: torch.save(network.state_dict(), NEW)"
            ) from error
        said = re.split(r"WeightsUnpickler error:|^Weights only load failed.*\n", str(error))[-1]
        text = "".join(c for c in said.strip().partition("\n")[0] if c.isprintable())[:120]
        raise Refused(
            f"it is damaged, or no checkpoint that can be read safely ({type(error).__name__}: {text})"
        ) from error


@refusals()
def all_tensors(file: BinaryIO) -> tuple[list[tuple[tuple[str, ...], Tensor]], set[str]]:
    """Every tensor of plain numbers with the names that lead to it, and the names of what was left out.

    Raises:
        Refused: the file asks for code, is damaged, or is none that PyTorch reads without running it.
    """
    names = _asked_for(file)
    for name in names:
        _require_harmless(name)
    file.seek(0)
    # PyTorch takes its own before it looks at what it was allowed.
    stand_ins = ((_queue if name == "collections.deque" else Husk, name) for name in names)
    found = list(_tensors(plain(file, *stand_ins)))
    return found, {name for name in names if not name.startswith(("torch._utils._rebuild", "collections.Ordered"))}


def state_names(path: tuple[str, ...]) -> tuple[str, ...]:
    """Where a tensor of a whole module lies, with the name that the module's state dict would give it at the end."""
    inside = next((at for at, part in enumerate(path) if part in OF_A_MODULE), None)
    if inside is None:
        return path
    return (*path[:inside], ".".join(part for part in path[inside:] if part not in OF_A_MODULE))


def _asked_for(file: BinaryIO) -> set[str]:
    """The functions and classes that a file names, found without reading it as PyTorch does."""
    start = file.read(512)
    file.seek(0)
    if start[257:262] == b"ustar":
        raise Refused("it is a tar, in which PyTorch kept tensors before 0.4 and which it no longer reads safely")
    if start.startswith(b"PK\x03\x04"):
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    pickles = [[(code.name, argument) for code, argument, _ in pickletools.genops(file)]]
    if ("LONG1", MAGIC) not in pickles[0]:
        raise Refused("it is none of PyTorch's formats")
    pickles += ([(code.name, argument) for code, argument, _ in pickletools.genops(file)] for _ in range(4))
    named = {_in_python_3(*str(a).split(" ", 1)) for pickle in pickles for code, a in pickle if code == "GLOBAL"}
    return {name for name in named if not re.fullmatch(r"torch\.\w+Storage", name)}


def _in_python_3(module: str, name: str) -> str:
    """What is called so in pickles before protocol 3, which use Python 2's names: `commands.call` of `subprocess`."""
    module, name = NAME_MAPPING.get((module, name), (module, name))
    return f"{IMPORT_MAPPING.get(module, module)}.{name}"


def _require_harmless(name: str) -> None:
    """Refuse a name that only code to run would ask for."""
    name = _in_python_3(*name.rpartition(".")[::2])
    top, _, below = name.partition(".")
    # `posix` and `nt` are what `os` is called inside; both are among Python's own names.
    own = top in sys.stdlib_module_names - BENIGN and name not in INNOCENT
    if below in HARMFUL if top == "builtins" else own:
        raise Refused(f"it asks for '{name}' when it is opened, which is code to run")


def _tensors(content: object) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    """Tensors with the names that lead to them, through dictionaries, lists and husks."""
    pending: list[tuple[tuple[str, ...], object, frozenset[int]]] = [((), content, frozenset())]
    parts = 0
    while pending:
        path, value, around = pending.pop()
        if isinstance(value, Tensor):
            if value.layout == torch.strided and value.dtype in KINDS and value.device.type == "cpu":
                if value.numel() * value.element_size() > value.untyped_storage().nbytes():
                    raise Refused("a tensor in it claims more numbers than the file holds")
                yield path, value.detach()
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
