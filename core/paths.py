"""Where the app's own files are, and the folders in which it keeps what is a user's.

`INVARISCOPE_CACHE`, `_WEIGHTS`, `_DATA` and `_RESULTS` name these folders. A variable that names nothing (empty, blank,
or `:` for several) counts as not set.
"""

import contextlib
import os
import re
from pathlib import Path

from core.errors import InvalidRequest

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"


def expanded(path: str, called: str) -> Path:
    """A path that a person gave, `~` written out.

    Args:
        path: as it was given.
        called: where it was given, for the message.

    Raises:
        InvalidRequest: it begins with `~` and a name that nobody has here, or the home folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidRequest(
            f"{called} is '{path}', and no such home folder is known: name a folder in full."
        ) from error


def _unset(variable: str, base: str, default: str, *below: str) -> Path:
    """The folder that stands for a variable that is not set, below what the desktop calls `base`."""
    return expanded(os.environ.get(base) or default, f"Without {variable} the folder").joinpath("invariscope", *below)


def _folder(variable: str, base: str, default: str, *below: str) -> Path:
    """The folder that `variable` names, or the one that stands for it.

    Raises:
        InvalidRequest: it is a file, or begins with `~` and a name that nobody has here.
    """
    chosen = os.environ.get(variable, "").strip()
    if not chosen:
        return _unset(variable, base, default, *below)
    path = expanded(chosen, variable)
    if path.is_file():
        raise InvalidRequest(f"{variable} is '{chosen}', which is a file: name a folder.")
    return path


def cache_folder() -> Path:
    """Where features are cached: `INVARISCOPE_CACHE`, or a folder in the user's cache. May be deleted at any time."""
    return _folder("INVARISCOPE_CACHE", "XDG_CACHE_HOME", "~/.cache")


def weights_folder() -> Path:
    """Where fetched weights live: `INVARISCOPE_WEIGHTS`, or a folder in the user's cache."""
    return _folder("INVARISCOPE_WEIGHTS", "XDG_CACHE_HOME", "~/.cache", "weights")


def own_folder() -> Path:
    """Where a person's own entries are, their heads (`heads/<encoder>`) and tasks (`tasks`): in the weights folder."""
    return weights_folder() / "own"


def data_folder() -> Path:
    """Where data sets are looked for and downloaded to: `INVARISCOPE_DATA`, or a folder in the user's data."""
    return _folder("INVARISCOPE_DATA", "XDG_DATA_HOME", "~/.local/share", "data")


def result_roots() -> list[str]:
    """Folders and addresses that hold studies: the shipped one first, then the user's, of which there is at least one.

    `INVARISCOPE_RESULTS` names them, separated as in PATH (`/a:/b`, `s3://bucket/a:/b`); the first is written to.
    Without it, a folder in the user's data.
    """
    variable = "INVARISCOPE_RESULTS"
    # The colon of an address such as s3://bucket, or of C:\, is no separator.
    pattern = ";" if os.pathsep == ";" else r":(?!//)"
    named = [root.strip() for root in re.split(pattern, os.environ.get(variable, "")) if root.strip()]
    own = [root if "://" in root else str(expanded(root, variable)) for root in named]
    return [str(ASSETS / "results"), *(own or [str(_unset(variable, "XDG_DATA_HOME", "~/.local/share", "results"))])]


def named_places() -> list[tuple[str, str]]:
    """Folders that have a name for whoever may not see paths, with it, such as `$INVARISCOPE_DATA`; innermost first."""
    named = {str(ROOT): "Invariscope", str(Path.home()): "~"}
    folders = {"WEIGHTS": weights_folder, "DATA": data_folder, "CACHE": cache_folder}
    for name, folder in folders.items():
        with contextlib.suppress(InvalidRequest):  # which may be the very error to be worded
            named[str(folder())] = f"$INVARISCOPE_{name}"
    with contextlib.suppress(InvalidRequest):  # likewise
        named |= dict.fromkeys(result_roots()[1:], "$INVARISCOPE_RESULTS")
    return sorted(named.items(), key=lambda pair: -len(pair[0]))
