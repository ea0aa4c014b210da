"""What this server answers beside Streamlit's pages: decks and quizzes.

What answers is imported when it is first asked: it loads PyTorch, which the first page does not wait for.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def rooted(path: str) -> str:
    """A path of this server, below the one that it stands at."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' + base if base else ''}{path}"


def deck(name: str) -> str:
    """Where this server answers with the deck of a file name."""
    return rooted(f"/decks/{name}")


def quiz(id: str) -> str:
    """Path of a quiz on this server."""
    return rooted(f"/quiz/{id}")


def routes() -> list[Route]:
    """All of them."""
    place = quiz("{id}")
    return [
        Route(deck("{name}"), _later("decks", "answer")),
        Route(place, _later("quiz_routes", "phone"), methods=["GET", "POST"]),
        Route(f"{place}/stage", _later("quiz_routes", "stage"), methods=["GET", "POST"]),
        Route(f"{place}/stage/count", _later("quiz_routes", "count")),
        Route(f"{place}/{{number}}/{{name}}.png", _later("quiz_routes", "picture")),
    ]


def _later(module: str, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        found = await asyncio.to_thread(importlib.import_module, f"pages.ui.{module}")
        response: Response = await getattr(found, name)(request)
        return response

    return answer
