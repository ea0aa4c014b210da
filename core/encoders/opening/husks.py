"""What stands for the objects of a pickle: inert husks, and a few containers and rebuilders of tensors.

Nothing here imports by name, calls what it is given, or asks numpy or torch to unpickle anything.
"""

import collections
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

STORAGES = MappingProxyType(
    {
        "DoubleStorage": torch.float64,
        "FloatStorage": torch.float32,
        "HalfStorage": torch.float16,
        "BFloat16Storage": torch.bfloat16,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "ShortStorage": torch.int16,
        "CharStorage": torch.int8,
        "ByteStorage": torch.uint8,
        "BoolStorage": torch.bool,
    }
)
BUILTINS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"set": set, "frozenset": frozenset, "list": list, "dict": dict, "tuple": tuple, "int": int, "float": float}
)


class Refused(Exception):
    """The file asks for code, or is not what it says it is; the message is a clause."""


class Husk:
    """What stands for an object whose class is not known: its arguments and state, and no behaviour."""

    def __new__(cls, *arguments: object, **named: object) -> "Husk":
        """A husk that keeps its arguments, by position and name."""
        husk = super().__new__(cls)
        husk.__dict__["parts"] = {**{str(i): value for i, value in enumerate(arguments)}, **named}
        return husk

    def __init__(self, *arguments: object, **named: object) -> None:
        """Everything was taken by `__new__`."""

    def __call__(self, *arguments: object, **named: object) -> "Husk":
        """Another husk: a function that is not known does nothing."""
        return Husk(*arguments, **named)

    def __setstate__(self, state: object) -> None:
        self.__dict__["parts"].update(state if type(state) is dict else {"state": state})

    def __setitem__(self, key: object, value: object) -> None:
        self.__dict__["parts"][key] = value

    def append(self, value: object) -> None:
        """Keep what the pickle of a list-like object puts into it."""
        self.__dict__["parts"][str(len(self.__dict__["parts"]))] = value

    def extend(self, values: list[object]) -> None:
        """Keep each of several."""
        for value in values:
            self.append(value)


class Numbers(Husk):
    """A storage, or a tensor in one, out of the pickle's reach: torch itself is not asked to unpickle."""

    def __new__(cls, tensor: object) -> "Numbers":
        """A husk around a tensor."""
        husk = super().__new__(cls)
        husk.__dict__["held"] = tensor
        return husk  # type: ignore[return-value]  # the base class declares its own name

    def tensor(self) -> Tensor | None:
        """The tensor, or None when the file made this husk by itself."""
        found = self.__dict__["held"]
        return found if isinstance(found, Tensor) else None


class Array(Husk):
    """A numpy array in the making: numpy itself is not asked to unpickle."""

    def tensor(self) -> Tensor | None:
        """The numbers, or None when they are no plain numbers."""
        state = self.__dict__["parts"].get("state")
        if (
            type(state) is not tuple
            or len(state) != 5
            or not isinstance(state[2], DType)
            or type(state[4]) is not bytes
        ):
            return None
        _, shape, kind, by_columns, data = state
        name = kind.name()
        if name is None or not _is_shape(shape):
            return None
        if math.prod(shape) * np.dtype(name).itemsize != len(data):
            raise Refused("an array in it claims another size than it has")
        numbers = np.frombuffer(data, np.dtype(name)).reshape(shape, order="F" if by_columns else "C")
        return torch.from_numpy(numbers.astype(numbers.dtype.newbyteorder("="), order="C"))


class DType(Husk):
    """The kind of number of a numpy array."""

    def name(self) -> str | None:
        """As numpy reads it, such as `<f4`; None for anything but plain numbers."""
        parts = self.__dict__["parts"]
        name, state = parts.get("0"), parts.get("state")
        order = state[1] if type(state) is tuple and len(state) > 1 else "="
        known = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"}
        return (order if order in ("<", ">") else "=") + name if name in known else None


def _rebuild_tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> Husk:
    numbers = storage.tensor() if isinstance(storage, Numbers) else None
    if numbers is None:
        # The storage of a kind that is not read, such as a quantised one.
        return Husk(storage)
    if not (_is_shape(size) and _is_shape(stride) and type(offset) is int):
        raise Refused("a tensor in it has a shape that is none")
    if math.prod(size) > numbers.numel():
        raise Refused("a tensor in it claims more numbers than the file holds")
    return Numbers(torch.as_strided(numbers, size, stride, offset))


def _is_shape(value: object) -> TypeGuard[tuple[int, ...]]:
    return type(value) is tuple and all(type(side) is int and side >= 0 for side in value)


def _first(value: object, *_: object) -> object:
    return value


def _rebuild_typed(rebuild: object, kind: object, arguments: object, *_: object) -> object:
    """A tensor of a subclass, as a plain one."""
    if rebuild is _rebuild_tensor and type(arguments) is tuple:
        return _rebuild_tensor(*arguments)
    return Husk(rebuild, kind, arguments)


def _encode(text: object, encoding: object = "latin1") -> object:
    """The bytes that pickles before protocol 3 write as text."""
    return text.encode("latin1") if type(text) is str and encoding == "latin1" else Husk(text, encoding)


def _bytes(*arguments: object) -> object:
    """No bytes, which pickles before protocol 3 write as a call."""
    return Husk(*arguments) if arguments else b""


def _array(*_: object) -> Array:
    return Array()


def _array_of(data: object, kind: object, shape: object, order: object, *_: object) -> Array:
    """An array as pickle protocol 5 writes it."""
    array = Array()
    array.__setstate__((1, shape, kind, order == "F", bytes(data) if isinstance(data, bytes | bytearray) else None))
    return array


FUNCTIONS: Mapping[tuple[str, str], Callable[..., Any]] = MappingProxyType(
    {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _first,
        ("torch._utils", "_rebuild_parameter_with_state"): _first,
        ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_typed,
        ("torch", "Size"): tuple,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): DType,
        ("numpy.core.multiarray", "_reconstruct"): _array,
        ("numpy._core.multiarray", "_reconstruct"): _array,
        ("numpy.core.numeric", "_frombuffer"): _array_of,
        ("numpy._core.numeric", "_frombuffer"): _array_of,
        ("_codecs", "encode"): _encode,
        ("builtins", "bytes"): _bytes,
    }
)
