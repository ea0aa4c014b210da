"""Decks that this server built, at an address of their own: a talk is one file, given from here or from a disk."""

import re

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from core.talk.kept import Kept, folder

ADDRESS = "/decks"
_NAME = re.compile(r"[0-9a-f]{64}\.html")


def address(deck: Kept) -> str:
    """Where this server answers with a deck."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' + base if base else ''}{ADDRESS}/{deck.path.name}"


async def answer(request: Request) -> Response:
    """A deck by the digest that is its name; whoever has no link to one cannot guess it."""
    name = str(request.path_params["name"])
    path = folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        return PlainTextResponse("There is no such talk any more: prepare it again on the page Talk.", 404)
    return FileResponse(path, media_type="text/html", headers={"Cache-Control": "no-store"})
