"""Label spaces: what a head can answer."""

import difflib
import logging
import os
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    """

    id: str
    label: str
    domain: str
    classes: tuple[str, ...]
    source: str
    licence: str
    note: str = ""


DOMAINS = ("source", "similar", "different", "unknown")

State = tuple[tuple[Path, int], ...]


def tasks() -> dict[str, Task]:
    """All tasks by id, by domain; ImageNet-1k, which no packaged encoder answers, is the last.

    A person's own, of the weights folder, are among them, and the data sets of studies on this machine that kept their
    heads; one that is added there is seen at once.
    """
    folders = (own_folder() / "tasks", *(folder / "tasks" for folder in _of_studies().values()))
    return _tasks(tuple(found for folder in folders for found in _state(folder)))


def root_of(id: str) -> tuple[Path, str] | None:
    """Where the heads for a study's data set are, `heads/<encoder>/<name>.safetensors` below a folder, and the name.

    None for a task that is no study's.
    """
    study, slash, name = id.partition("/")
    folder = _of_studies().get(study) if slash else None
    return (folder, name) if folder else None


def write(path: Path, task: Task) -> None:
    """Describe a task in a file of its own, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    import tomli_w

    table = {name: value for name, value in asdict(task).items() if name != "id"}
    write_whole(path, tomli_w.dumps(table | {"classes": list(task.classes)}).encode())


def _of_studies() -> dict[str, Path]:
    """The folders of studies on this machine that keep heads, by name; of two with one name the first root's counts.

    The study that ships keeps none, since its heads ship as the family's.
    """
    found: dict[str, Path] = {}
    for root in result_roots():
        if "://" not in root:
            for name in _folders(root):
                found.setdefault(name, Path(root, name))
    return {name: folder for name, folder in found.items() if (folder / "tasks").is_dir()}


def _folders(root: str) -> list[str]:
    try:
        with os.scandir(root) as inside:
            return sorted(entry.name for entry in inside if entry.is_dir())
    except OSError:
        return []


def _state(folder: Path) -> State:
    """Places and times of the files in a folder: a glance."""
    try:
        with os.scandir(folder) as inside:
            return tuple(
                sorted((Path(file.path), file.stat().st_mtime_ns) for file in inside if file.name.endswith(".toml"))
            )
    except OSError:
        return ()


@lru_cache(maxsize=4)
def _tasks(state: State) -> dict[str, Task]:
    found = dict(_shipped())
    own = own_folder() / "tasks"
    for path, _ in state:
        id = path.stem if path.parent == own else f"{path.parents[1].name}/{path.stem}"
        try:
            if id not in found:
                if path.parent != own and not is_whole(path):
                    raise ValueError("it is damaged")
                found[id] = _read(path, id)
        except (OSError, ValueError, TypeError, KeyError) as error:
            # Heads for it are not offered then; the rest of the app needs none of them.
            logging.getLogger(__name__).warning("%s is left out: %s. Mend it, or fit its heads again.", path, error)
    order = {domain: place for place, domain in enumerate(DOMAINS)}
    ordered = sorted(found.values(), key=lambda task: (task.id == "imagenet-1k", order[task.domain], task.id))
    return {task.id: task for task in ordered}


@cache
def _shipped() -> dict[str, Task]:
    return {path.stem: _read(path, path.stem) for path in ASSETS.glob("tasks/*.toml")}


def _read(path: Path, id: str) -> Task:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    task = Task(id=id, **{**table, "classes": spoken(table["classes"])})
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
