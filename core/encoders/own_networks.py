"""Which network a person's file is of: as an entry that it is like says, or as the file says itself."""

import argparse
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from core.encoders.opening import finding
from core.encoders.own_spelling import usual_name
from core.encoders.partners import network
from core.encoders.registry import encoders, untagged
from core.encoders.spec import EncoderSpec, Preprocessing
from core.errors import InvalidRequest, UnknownName

BAGS = ("args", "hyper_parameters", "hparams", "config", "cfg", "opt", "opts")
"""Where training scripts keep their settings in a checkpoint, as a dictionary or an `argparse.Namespace`."""
NAMES = ("arch", "architecture", "model_name", "model", "backbone", "encoder", "network", "name")
"""What a network's name is called there, the surest first; at the file's top all but the last."""
DEEPEST = 2
"""Settings within settings: solo-learn's `hyper_parameters.backbone.name`."""


def like_which(like: str, architecture: str) -> EncoderSpec:
    """The entry that a name means: an id, or a method whose entries for a network are all used in one way.

    Args:
        like: an id or a method, in any spelling.
        architecture: of the file, to choose among a method's entries; empty when nobody said it.

    Raises:
        UnknownName: there is neither.
        InvalidRequest: the method's entries are of several networks or regimes.
    """
    known = encoders()
    if like in known:
        return known[like]

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.casefold())

    named = [spec for spec in known.values() if plain(spec.method) == plain(like)]
    named = named or [spec for spec in known.values() if plain(like) and plain(spec.method).startswith(plain(like))]
    if not named:
        raise UnknownName("encoder or method", like, {*known, *(spec.method for spec in known.values())})
    nets = sorted({network(spec) for spec in named})
    if architecture:
        asked = architecture.partition(".")[0]
        named = [spec for spec in named if asked in (network(spec), spec.architecture)] or named
    elif len(nets) > 1:
        raise InvalidRequest(f"'{like}' stands for several networks. Name the architecture: {', '.join(nets)}.")
    if len({spec.regime for spec in named}) > 1:
        some = ", ".join(spec.id for spec in named[:5])
        raise InvalidRequest(f"'{like}' stands for encoders of several regimes. Say like which: {some}.")
    return named[0]


def is_known(architecture: str) -> bool:
    """Whether timm or the catalog has a network of this name, with or without tag."""
    from core.encoders import timm_catalog  # seconds, and only who adds a file needs it

    return untagged(architecture) in timm_catalog.names()


@lru_cache(maxsize=32)
def usual_input(architecture: str) -> Preprocessing | None:
    """The input that timm states for a network, which an entry has where a person says nothing.

    Args:
        architecture: as timm or the catalog calls it, with or without tag.

    Returns:
        None where nobody has written it down.

    Raises:
        UnknownName: there is no such network.
    """
    from core.encoders import skeletons, timm_catalog  # seconds, and only who adds a file needs them

    if untagged(architecture) not in timm_catalog.names():
        raise UnknownName("architecture in the catalog or in timm", architecture, timm_catalog.names())
    return timm_catalog.preprocessing_of(skeletons.blank(architecture))


def named_inside(content: object) -> tuple[str, str]:
    """The network that a checkpoint says it is of, as timm or the catalog calls it, and the key that says so.

    Args:
        content: of the file, nested as it was.

    Returns:
        Both empty when it names none.

    Raises:
        InvalidRequest: it names several, or none that is known.
    """
    from core.encoders import timm_catalog  # seconds, and only who adds a file needs it

    said, tensors = dict(_said(content)), finding.every_tensor(content)
    if not said:
        return "", ""
    names = set(timm_catalog.names())
    found: dict[str, str] = {}
    for where, text in said.items():
        plain = text.lower().replace("-", "_")
        for spelling in (text, text.lower(), plain, usual_name(text, tensors)):
            if untagged(spelling) in names:
                found.setdefault(spelling, where)
                break
    if len(found) > 1:
        several = ", ".join(f"{name} ('{where}')" for name, where in found.items())
        raise InvalidRequest(f"The file names several networks: {several}. Say which it is: --arch NAME.")
    if not found:
        where, text = next(iter(said.items()))
        raise InvalidRequest(
            f"Say which network it is: --arch NAME, as timm calls it. The file calls it '{text[:60]}' ('{where}'), "
            "which neither timm nor the catalog knows."
        )
    return next(iter(found.items()))


def _said(content: object) -> Iterator[tuple[str, str]]:
    """Texts that stand where a network's name does, by the keys that lead to them."""
    settings = _settings(content)
    yield from ((key, value) for key in NAMES[:-1] if isinstance(value := settings.get(key), str) and value)
    for bag in BAGS:
        yield from _within(settings.get(bag), bag, 1)


def _within(content: object, where: str, depth: int) -> Iterator[tuple[str, str]]:
    settings = _settings(content)
    for key in NAMES:
        value = settings.get(key)
        # `name` alone may be that of the run, unless it stands inside what is called a model.
        if isinstance(value, str) and value and (key != "name" or depth > 1):
            yield f"{where}.{key}", value
        elif depth < DEEPEST and key != "name":
            yield from _within(value, f"{where}.{key}", depth + 1)


def _settings(content: object) -> Mapping[str, Any]:
    if isinstance(content, argparse.Namespace):
        return vars(content)
    return content if isinstance(content, dict) else {}
