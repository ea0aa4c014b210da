"""The images that ship with the app, so that a page opens on a result and never on an empty uploader."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Literal

from core.errors import UnknownName
from core.images.image import SafeImage
from core.images.opening import open_image
from core.paths import ASSETS
from core.tasks import Task

_FOLDER = ASSETS / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One packaged image and its credits; the facts are in `assets/samples/samples.toml`.

    Attributes:
        id: short name, used in addresses.
        title: what people read.
        domain: `everyday`, close to what encoders are trained on, or `far` from it.
        file: name of the file in `assets/samples/`.
        source: the package that ships the original, and where that got it from.
        author: who to credit, or "unknown".
        licence: as stated by the package, or "unknown".
        story: one sentence on why the image tells representations apart.
        right: names of classes, of whichever task has them, that are right for it; empty where that is a matter of
            opinion.
    """

    id: str
    title: str
    domain: Literal["everyday", "far"]
    file: str
    source: str
    author: str
    licence: str
    story: str
    right: tuple[str, ...] = ()


@cache
def samples() -> dict[str, Sample]:
    """Every sample by id: everyday images first, then those far from them."""
    table = tomllib.loads((_FOLDER / "samples.toml").read_text(encoding="utf-8"))["samples"]
    found = (Sample(**{**entry, "right": tuple(entry.get("right", ()))}) for entry in table)
    ordered = sorted(found, key=lambda sample: sample.domain != "everyday")
    return {sample.id: sample for sample in ordered}


def true_classes(id: str, task: Task) -> tuple[str, ...]:
    """The classes of a task that are right for a sample; empty where the task has none, or nobody can say.

    Raises:
        UnknownName: no sample has this id.
    """
    if id not in samples():
        raise UnknownName("sample", id, samples())
    return tuple(name for name in task.classes if name in samples()[id].right)


def read(id: str) -> bytes:
    """The encoded bytes of the sample called `id`, as an upload of the file would give them.

    Raises:
        UnknownName: no sample has this id.
    """
    if id not in samples():
        raise UnknownName("sample", id, samples())
    return (_FOLDER / samples()[id].file).read_bytes()


@cache
def digests() -> frozenset[str]:
    """The digests of all samples, as `SafeImage` holds them."""
    return frozenset(hashlib.sha256(read(id)).hexdigest() for id in samples())


def image(id: str) -> SafeImage:
    """The sample called `id`, decoded.

    Raises:
        UnknownName: no sample has this id.
    """
    return open_image(read(id))
