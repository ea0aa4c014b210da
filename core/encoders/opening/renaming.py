"""Tensors under other names, by rules; what no rule matches stays as it is."""

import re
from collections.abc import Callable

from torch import Tensor

from core.errors import WeightsInvalid

Tensors = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""A pattern that a whole name must match, and what becomes of it."""


WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod.")
"""What PyTorch puts into names, anywhere in them, where it wraps a part of a network."""


def unwrapped(tensors: Tensors) -> Tensors:
    """The tensors without the marks of wrapped parts in their names.

    Raises:
        WeightsInvalid: two tensors would get one name.
    """
    return renamed(tensors, ((f"(.*(?:{'|'.join(WRAPPERS)}).*)", lambda match: _plain(match[0])),))


def _plain(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def renamed(tensors: Tensors, rules: tuple[Rule, ...]) -> Tensors:
    """The tensors under new names, by the first rule whose pattern matches the whole name.

    Raises:
        WeightsInvalid: two tensors would get one name.
    """
    found: Tensors = {}
    origin: dict[str, str] = {}
    for old, tensor in tensors.items():
        new = old
        for pattern, replacement in rules:
            if match := re.fullmatch(pattern, old):
                new = replacement(match) if callable(replacement) else match.expand(replacement)
                break
        if new in found:
            raise WeightsInvalid(f"'{old}' and '{origin[new]}' both mean the network's '{new}'")
        found[new], origin[new] = tensor, old
    return found
