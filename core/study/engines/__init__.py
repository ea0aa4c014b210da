"""Where the cells of a study run: in this process, or on a Ray cluster. One dict, id to a function that finds it.

Ray is an optional package and slow to import, so an engine is imported when it is asked for.
"""

import importlib

from core.errors import UnknownName
from core.study.engines.base import Engine

ENGINES = {"local": "core.study.engines.local", "ray": "core.study.engines.cluster"}


def engine(id: str) -> Engine:
    """The engine called `id`.

    Raises:
        UnknownName: there is none.
        InvalidRequest: its package is not installed.
    """
    if id not in ENGINES:
        raise UnknownName("engine", id, ENGINES)
    found: Engine = importlib.import_module(ENGINES[id]).run
    return found
