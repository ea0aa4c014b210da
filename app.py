"""Start with `invariscope` or `streamlit run app.py`; any ASGI server can serve `app` too."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from core import warming
from pages.ui import routes, sessions
from pages.ui.access import ClosedAddresses

ROOT = Path(__file__).resolve().parent


@contextlib.asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[None]:
    warming.begin()
    sweep = asyncio.create_task(sessions.drop_ended())
    yield
    sweep.cancel()


app = st.App(
    ROOT / "pages" / "router.py",
    lifespan=_lifespan,
    middleware=[Middleware(ClosedAddresses)],
    routes=routes.routes(),
)

if __name__ == "__main__":
    app.run()
