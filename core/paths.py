"""Where the app's own files are, and the folders in which it keeps what is a user's."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"


def _below(variable: str, default: str, *parts: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default).joinpath("invariscope", *parts)


def cache_folder() -> Path:
    """Where features are cached: `INVARISCOPE_CACHE`, or a folder in the user's cache. May be deleted at any time."""
    chosen = os.environ.get("INVARISCOPE_CACHE")
    return Path(chosen).expanduser() if chosen else _below("XDG_CACHE_HOME", ".cache")


def weights_folder() -> Path:
    """Where fetched weights live: `INVARISCOPE_WEIGHTS`, or a folder in the user's cache."""
    chosen = os.environ.get("INVARISCOPE_WEIGHTS")
    return Path(chosen).expanduser() if chosen else _below("XDG_CACHE_HOME", ".cache", "weights")


def data_folder() -> Path:
    """Where data sets are looked for and downloaded to: `INVARISCOPE_DATA`, or a folder in the user's data."""
    chosen = os.environ.get("INVARISCOPE_DATA")
    return Path(chosen).expanduser() if chosen else _below("XDG_DATA_HOME", ".local/share", "data")


def result_roots() -> list[str]:
    """Folders and addresses that hold studies: the shipped one first, then the user's.

    `INVARISCOPE_RESULTS` names them, separated as in PATH (`/a:/b`, `s3://bucket/a:/b`); the first is written to.
    Without it, a folder in the user's data.
    """
    chosen = os.environ.get("INVARISCOPE_RESULTS")
    if chosen:
        # The colon of an address such as s3://bucket, or of C:\, is no separator.
        pattern = ";" if os.pathsep == ";" else r":(?!//)"
        own = [root for root in re.split(pattern, chosen) if root]
    else:
        own = [str(_below("XDG_DATA_HOME", ".local/share", "results"))]
    return [str(ASSETS / "results"), *own]
