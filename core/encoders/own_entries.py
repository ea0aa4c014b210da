"""Entries of a person's own, as tables in the weights folder: their names, and how one is written."""

import re
from dataclasses import asdict
from typing import Any

import tomli_w

from core.encoders.registry import encoders
from core.encoders.spec import EncoderSpec, Published
from core.errors import InvalidRequest, WeightsUnavailable
from core.files import write_whole
from core.paths import own_folder

ID = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
LONGEST = 64


def check_id(id: str) -> None:
    """Refuse what is no good name for an entry, or is one already.

    Raises:
        InvalidRequest: with which of the two.
    """
    if not ID.fullmatch(id) or len(id) > LONGEST:
        raise InvalidRequest(
            f"'{id}' is no good name: up to {LONGEST} lower-case letters and digits, joined by '-', '_' or '.'."
        )
    if id in encoders() or (own_folder() / f"{id}.toml").exists():
        raise InvalidRequest(f"There is an encoder called '{id}' already. Choose another name.")


def _plain(value: Any) -> Any:
    """A value as TOML knows it: no None, no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def write(spec: EncoderSpec) -> None:
    """Write an entry's table; nothing is left of one that could not be written.

    Raises:
        InvalidRequest: there is one of its name.
        WeightsUnavailable: the folder cannot be written to.
    """
    table = asdict(spec) | {"options": dict(spec.options)}
    if spec.published == Published():
        del table["published"]
    del table["id"]
    path = own_folder() / f"{spec.id}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x"):
            pass  # the name is taken from here on
        try:
            write_whole(path, tomli_w.dumps(_plain(table)).encode())
        except OSError:
            path.unlink()
            raise
    except FileExistsError:
        raise InvalidRequest(f"There is an encoder called '{spec.id}' already. Choose another name.") from None
    except OSError as error:
        raise WeightsUnavailable(
            f"The entry {path} could not be written: {error.strerror or error}. Choose --weights-dir."
        ) from error
