"""Decks that this server built, at an address of their own: a talk is one file, given from here or from a disk.

A scene with a picture from the room is in the memory of its session alone, and its address ends with that.
"""

import re
import secrets
from weakref import WeakValueDictionary

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from core.talk import kept, scenes
from core.talk.kept import folder
from core.talk.parts import Drawn, Marked
from core.talk.stories import Scene
from pages.ui import resources

_NAME = re.compile(r"[0-9a-f]{64}\.html")


class _Held:
    """A page that lives as long as the session that holds it."""

    def __init__(self, page: bytes) -> None:
        self.page = page


_HELD: WeakValueDictionary[str, _Held] = WeakValueDictionary()


def hold(page: bytes, key: str) -> str:
    """Keep a page in this session, instead of the one before under that key; gives the name that answers with it."""
    name = f"{secrets.token_hex(32)}.html"
    st.session_state[key] = _HELD[name] = _Held(page)
    return name


async def answer(request: Request) -> Response:
    """A deck by the digest that is its name; whoever has no link to one cannot guess it."""
    name = str(request.path_params["name"])
    if (held := _HELD.get(name)) is not None:
        return HTMLResponse(held.page, headers={"Cache-Control": "no-store"})
    path = folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        return PlainTextResponse("There is no such talk any more: prepare it again on the page Talk.", 404)
    return FileResponse(path, media_type="text/html", headers={"Cache-Control": "no-store"})


class _Missing(Exception):
    def __init__(self, found: Marked) -> None:
        super().__init__()
        self.found = found


def scene(told: Scene) -> Drawn | Marked:
    """The figure of a scene, once for everybody until what it is made of changes; nobody may change it."""

    def show() -> Drawn:
        found = scenes.show(told, ask=resources.of_study)
        if isinstance(found, Marked):
            raise _Missing(found)  # what raises is not held: what is missing may come
        return found

    try:
        return resources.held((kept.state(), told.figure, repr(sorted(told.view.items()))), show)
    except _Missing as missing:
        return missing.found
