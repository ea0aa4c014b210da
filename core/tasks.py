"""Label spaces: what a head can answer."""

import difflib
import logging
import os
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from core.errors import InvalidRequest, UnknownName
from core.files import is_whole, write_whole
from core.paths import ASSETS, own_folder, result_roots
from core.text import spoken


@dataclass(frozen=True, slots=True)
class Task:
    """A label space.

    Attributes:
        id: short, in links; of a data set that a study fitted heads for, `<study>/<data set>`.
        label: as people read it.
        domain: `source` (the encoders were pre-trained on these images), `similar`, `different` or `unknown`.
        classes: class names in label order.
        source: where the images came from.
        licence: of the images.
        note: what a reader must know before trusting an answer; may be empty.
        study: folder of the study that keeps the heads for it; None for a task that is no study's.
    """

    id: str
    label: str
    domain: str
    classes: tuple[str, ...]
    source: str
    licence: str
    note: str = ""
    study: Path | None = None


DOMAINS = ("source", "similar", "different", "unknown")


def tasks() -> dict[str, Task]:
    """All tasks by id, by domain; ImageNet-1k, which no packaged encoder answers, is the last.

    A person's own, of the weights folder, are among them, and the data sets of studies on this machine that kept their
    heads; one that is added there is seen at once.
    """
    folders = [(None, own_folder()), *((folder, folder) for folder in _of_studies())]
    return _tasks(tuple((study, *found) for study, folder in folders for found in _state(folder / "tasks")))


def write(path: Path, task: Task) -> None:
    """Describe a task in a file of its own, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    import tomli_w

    described = ("label", "domain", "source", "licence", "note")
    table = {"classes": list(task.classes)} | {name: getattr(task, name) for name in described}
    write_whole(path, tomli_w.dumps(table).encode())


def _of_studies() -> list[Path]:
    """The folders of studies on this machine that keep heads; of two with one name the first root's counts.

    The study that ships keeps none, since its heads ship as the family's.
    """
    found: dict[str, Path] = {}
    for root in result_roots():
        if "://" not in root:
            for name in _folders(root):
                found.setdefault(name, Path(root, name))
    return [folder for folder in found.values() if (folder / "tasks").is_dir()]


def _folders(root: str) -> list[str]:
    try:
        with os.scandir(root) as inside:
            return sorted(entry.name for entry in inside if entry.is_dir())
    except OSError:
        return []


def _state(folder: Path) -> list[tuple[Path, int]]:
    """Places and times of the files in a folder: a glance."""
    try:
        with os.scandir(folder) as inside:
            return sorted((Path(file.path), file.stat().st_mtime_ns) for file in inside if file.name.endswith(".toml"))
    except OSError:
        return []


@lru_cache(maxsize=4)
def _tasks(state: tuple[tuple[Path | None, Path, int], ...]) -> dict[str, Task]:
    found = dict(_shipped())
    for study, path, _ in state:
        id = f"{study.name}/{path.stem}" if study else path.stem
        try:
            if id not in found:
                if study and not is_whole(path):
                    raise ValueError("it is damaged")
                found[id] = replace(_read(path), id=id, study=study)
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
