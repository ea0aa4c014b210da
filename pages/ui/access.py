"""What strangers may not do on a public server: the lock on a page, the owner of a study, and closed addresses."""

import secrets
from typing import LiteralString

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core import public

OPENED, OWNER = "access_opened", "access_owner"
CLOSED = "/_stcore/metrics"
"""The end of addresses that tell about the server and its visitors."""


def is_open() -> bool:
    """Whether this visitor may start work and downloads on this server."""
    return not public.is_public() or bool(st.session_state.get(OPENED))


def locked(what: LiteralString = "Starting studies", instead: LiteralString = "`invariscope study`") -> bool:
    """Whether this visitor may not start something; says so in its place, with a field for the token if there is one.

    Args:
        what: is closed.
        instead: does the same on one's own machine.
    """
    if is_open():
        return False
    if not public.has_token():
        st.info(
            f"{what} is closed on this server, which is open to everybody. {instead} does the same on your own "
            "machine.",
            icon=":material/lock:",
        )
        return True
    st.info(f"{what} is closed on this server, but for whoever has its token.", icon=":material/lock:")
    with st.form("access", border=False):
        given = st.text_input("Token", type="password", key="access_token", width=360)
        asked = st.form_submit_button("Open", icon=":material/lock_open:")
    if asked and public.opens(given):
        st.session_state[OPENED] = True
        st.rerun()
    if asked:
        st.error("That is not this server's token: ask whoever runs the server.", icon=":material/lock:")
    return True


def owner() -> str:
    """What this session's studies are marked with on a public server; empty on any other, where all may stop all."""
    return str(st.session_state.setdefault(OWNER, secrets.token_hex(16))) if public.is_public() else ""


class ClosedAddresses:
    """Answers 404 where a public server would tell strangers about itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        closed = scope["type"] == "http" and scope["path"].rstrip("/").endswith(CLOSED)
        await (PlainTextResponse("Not found", 404) if closed and public.is_public() else self._app)(
            scope, receive, send
        )
