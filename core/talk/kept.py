"""Decks that were built are kept in the cache folder, by all that decides what is in them."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from core import __version__
from core.encoders.files import weights
from core.encoders.registry import encoders
from core.errors import InvalidRequest
from core.files import write_whole
from core.paths import cache_folder
from core.pipeline import RESULT_VERSION
from core.results import store
from core.talk import deck
from core.talk.parts import Drawn, Marked
from core.talk.stories import Scene, Story, written

MOST = 12
"""Decks that are kept; the oldest makes room."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A deck on this machine.

    Attributes:
        path: of the HTML file; its stem is the digest of all that it depends on.
        marked: scenes (from 1) that cannot be shown here, with the reason.
    """

    path: Path
    marked: tuple[tuple[int, str], ...]


def folder() -> Path:
    """Where decks are kept."""
    return cache_folder() / "talks"


def state() -> str:
    """A digest of all that a scene's figure depends on but its own view: studies, encoders, and this version."""
    packaged = [spec for spec in encoders().values() if spec.weights.packaged]
    parts = (__version__, RESULT_VERSION, [study.version for study in store.studies().values()], packaged)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _ids(scene: Scene) -> tuple[str, ...]:
    asked = scene.view.get("encoders", ())
    return asked if isinstance(asked, tuple) else ()


def _path(story: Story) -> Path:
    named = {id for scene in story.scenes for id in _ids(scene)} & set(encoders())
    here = sorted(id for id in named if all(weights.is_here(file) for file in encoders()[id].files))
    parts = (state(), here, written(story), deck.assets())
    return folder() / f"{hashlib.sha256(repr(parts).encode()).hexdigest()}.html"


def found(story: Story) -> Kept | None:
    """The deck of a story as of now; None when it has to be built."""
    path = _path(story)
    try:
        marked = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return None
    return None if marked is None else Kept(path, tuple((int(number), str(reason)) for number, reason in marked))


def build(
    story: Story,
    seen: Callable[[int, int], None] = lambda done, total: None,
    show: Callable[[Scene], Drawn | Marked] | None = None,
) -> Kept:
    """The deck of a story, built unless it is here; arguments as of `deck.build`.

    Raises:
        InvalidRequest: as `deck.build`, or the cache folder cannot be written.
    """
    path = _path(story)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if (here := found(story)) is not None:
                return here
            page, marked = deck.build(story, seen, show)
            write_whole(path, page)
            write_whole(path.with_suffix(".json"), json.dumps(marked).encode())
        # All but this one, which a clock that went back makes the oldest.
        others = [other for other in folder().glob("*.html") if other != path]
        for old in sorted(others, key=lambda p: -p.stat().st_mtime)[MOST - 1 :]:
            for name in (old, old.with_suffix(".json"), old.with_suffix(".lock")):
                with contextlib.suppress(FileNotFoundError):  # another process made room, too
                    name.unlink()
    except OSError as error:
        raise InvalidRequest(
            f"{folder()} cannot be written: {error.strerror or error}. Check INVARISCOPE_CACHE."
        ) from error
    return Kept(path, tuple(marked))
