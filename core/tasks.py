"""Label spaces: what a head can answer."""

import difflib
import logging
import os
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from core.errors import InvalidRequest, UnknownName
from core.paths import ASSETS, own_folder
from core.text import spoken


@dataclass(frozen=True, slots=True)
class Task:
    """A label space.

    Attributes:
        id: short, in links.
        label: as people read it.
        domain: `source` (the encoders were pre-trained on these images), `similar` or `different`.
        classes: class names in label order.
        source: where the images came from.
        licence: of the images.
        note: what a reader must know before trusting an answer; may be empty.
    """

    id: str
    label: str
    domain: str
    classes: tuple[str, ...]
    source: str
    licence: str
    note: str = ""


DOMAINS = ("source", "similar", "different")


def tasks() -> dict[str, Task]:
    """All tasks by id, by domain; ImageNet-1k, which no packaged encoder answers, is the last.

    A person's own, of the weights folder, are among them; one that is added there is seen at once.
    """
    folder = own_folder() / "tasks"
    return _tasks(folder, _state(folder))


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and times of the files in a folder: a glance."""
    try:
        with os.scandir(folder) as inside:
            return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in inside if file.name.endswith(".toml")))
    except OSError:
        return ()


@lru_cache(maxsize=4)
def _tasks(folder: Path, state: tuple[tuple[str, int], ...]) -> dict[str, Task]:
    found = dict(_shipped())
    for name, _ in state:
        path = folder / name
        try:
            if path.stem not in found:
                found[path.stem] = _read(path)
        except (OSError, ValueError, TypeError, KeyError) as error:
            # Heads for it are not offered then; the rest of the app needs none of them.
            logging.getLogger(__name__).warning("%s is left out: %s. Mend it, or fit its heads again.", path, error)
    order = {domain: place for place, domain in enumerate(DOMAINS)}
    ordered = sorted(found.values(), key=lambda task: (task.id == "imagenet-1k", order[task.domain], task.id))
    return {task.id: task for task in ordered}


@cache
def _shipped() -> dict[str, Task]:
    return {path.stem: _read(path) for path in ASSETS.glob("tasks/*.toml")}


def _read(path: Path) -> Task:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    task = Task(id=path.stem, **{**table, "classes": spoken(table["classes"])})
    if task.domain not in DOMAINS:
        raise ValueError(f"there is no domain '{task.domain}'")
    return task


def task(id: str) -> Task:
    """The task called `id`.

    Raises:
        UnknownName: there is none.
    """
    try:
        return tasks()[id]
    except KeyError:
        raise UnknownName("task", id, tasks()) from None


def class_index(task_id: str, name: str) -> int:
    """The label of a class by its name, upper and lower case alike, and accents in either form of Unicode.

    Raises:
        UnknownName: there is no such task.
        InvalidRequest: the task has no such class; the message names the nearest ones.
    """
    classes = [_plain(known) for known in task(task_id).classes]
    for said in (name, *spoken((name,))):
        if _plain(said) in classes:
            return classes.index(_plain(said))
    near = difflib.get_close_matches(_plain(name), classes, n=5, cutoff=0.4)
    more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
    hint = f"Did you mean {', '.join(near)}?" if near else f"It has {', '.join(classes[:5])}{more}."
    raise InvalidRequest(f"{task_id} has no class '{name}'. {hint}")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def distinct_names(descriptions: Sequence[str]) -> tuple[str, ...]:
    """The first word or words of each description; classes of one name (crane, Cardigan) keep more of theirs.

    Upper and lower case are one name: a class is asked for in either.
    """
    names = [text.split(",")[0] for text in descriptions]
    counts = Counter(name.casefold() for name in names)
    names = [name if counts[name.casefold()] == 1 else text for name, text in zip(names, descriptions, strict=True)]
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else f"{name} (class {i})" for i, name in enumerate(names))
