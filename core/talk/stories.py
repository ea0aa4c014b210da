"""A story: a title and scenes, each the bound state of a page's figure, in a TOML file that runs nothing.

    title = "What moves them?"

    [[scenes]]
    figure = "invariance/curves"
    sentence = "How far can it be turned before an answer changes?"
    notes = "Drag slowly."
    view = { image = "cat", encoders = ["supervised", "simclr"], augmentation = "rotation" }

`figure` is a key of `core.talk.scenes.FIGURES`: a page's address, and one of its figures. `view` holds parameters as
they are in the address of that page. Sentence and notes are text: nothing in them is looked up, computed or rendered.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from core.errors import InvalidRequest, UnknownName
from core.paths import ASSETS, expanded

FOLDER = ASSETS / "stories"
MAX_BYTES, MAX_SCENES = 256 << 10, 60
LONGEST = {"title": 120, "figure": 60, "sentence": 240, "notes": 4000}
"""Characters of each text."""
VALUES = 8  # of one parameter, and three times as many parameters
Value = str | bool | int | float | tuple[str, ...]
# Control characters but for tab and new line, and what turns the direction of a line.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Scene:
    """A bound view.

    Attributes:
        figure: page and figure, such as `study/accuracy`.
        sentence: what the audience reads.
        notes: what the speaker reads.
        view: parameters of the page's address.
    """

    figure: str
    sentence: str
    notes: str
    view: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Story:
    """A row of scenes under a title."""

    title: str
    scenes: tuple[Scene, ...] = ()


def read(data: bytes, name: str = "The story") -> Story:
    """The story in a TOML file.

    Args:
        data: the file.
        name: of it, for messages.

    Raises:
        InvalidRequest: it is no story; the message says what is wrong and where.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"{name} has more than {MAX_BYTES >> 10} KB: a story is text.")
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidRequest(f"{name} is no TOML file: {error}.") from error
    _no_others(table, ("title", "scenes"), name)
    scenes = table.get("scenes", [])
    if not isinstance(scenes, list) or len(scenes) > MAX_SCENES:
        raise InvalidRequest(f"{name}: scenes are at most {MAX_SCENES} tables, each written [[scenes]].")
    return Story(_text(table, "title", name), tuple(_scene(s, f"{name}, scene {i}") for i, s in enumerate(scenes, 1)))


def _scene(table: Any, where: str) -> Scene:
    if not isinstance(table, dict):
        raise InvalidRequest(f"{where} is no table: write it as [[scenes]].")
    _no_others(table, ("figure", "sentence", "notes", "view"), where)
    view = table.get("view", {})
    if not isinstance(view, dict) or len(view) > 3 * VALUES:
        raise InvalidRequest(f"{where}: 'view' is a table of at most {3 * VALUES} parameters of the page's address.")
    texts = {key: _text(table, key, where, needed=key != "notes") for key in ("figure", "sentence", "notes")}
    return Scene(**texts, view={_short(key, where): _value(value, f"{where}, {key}") for key, value in view.items()})


def _no_others(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if more := sorted(set(table) - set(known)):
        raise InvalidRequest(f"{where} has '{more[0]}', which is none of {', '.join(known)}.")


def _text(table: Mapping[str, Any], key: str, where: str, needed: bool = True) -> str:
    text = table.get(key, "")
    if not isinstance(text, str) or (needed and not text.strip()):
        raise InvalidRequest(f"{where} needs '{key}', a text.")
    if len(text) > LONGEST[key]:
        raise InvalidRequest(f"{where}: '{key}' has {len(text)} characters, and {LONGEST[key]} fit.")
    text = text.strip() if key == "notes" else " ".join(text.split())
    return _UNSEEN.sub("", text)


def _short(value: str, where: str) -> str:
    if len(value) > LONGEST["title"] or _UNSEEN.search(value):
        raise InvalidRequest(f"{where}: a parameter of an address is a short text.")
    return value


def _value(value: Any, where: str) -> Value:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _short(value, where)
    if isinstance(value, list) and len(value) <= VALUES and all(isinstance(part, str) for part in value):
        return tuple(_short(part, where) for part in value)
    raise InvalidRequest(f"{where} is a text, a number, true or false, or a list of at most {VALUES} texts.")


def written(story: Story) -> str:
    """The story as TOML, which `read` gives back."""
    return tomli_w.dumps(asdict(story), multiline_strings=True)


def shipped() -> dict[str, Story]:
    """The stories that come with the app, by id."""
    return {path.stem: read(path.read_bytes(), path.name) for path in sorted(FOLDER.glob("*.toml"))}


def find(name: str) -> Story:
    """The story that a person named: a file's path, or the id of a shipped one.

    Raises:
        UnknownName: there is neither.
        InvalidRequest: the file is no story.
    """
    path: Path = expanded(name, "STORY")
    if path.suffix == ".toml" and path.is_file():
        return read(path.read_bytes(), path.name)
    if name not in shipped():
        raise UnknownName("story", name, shipped())
    return shipped()[name]
