"""A server for strangers: what `INVARISCOPE_PUBLIC=1` closes, and the token that opens it."""

import hmac
import os

VARIABLE = "INVARISCOPE_PUBLIC"
"""The environment variable that says that visitors are strangers."""

TOKEN = "INVARISCOPE_TOKEN"
"""The environment variable with what a visitor of such a server has to know to start work and downloads on it."""

QUOTA = 2 << 30
"""Bytes of all uploaded archives on such a server."""

MAX_AGE = 7 * 86_400.0
"""Seconds after which such a server drops an uploaded archive."""


def is_public() -> bool:
    """Whether visitors of this server are strangers."""
    return switched_on(VARIABLE)


def switched_on(variable: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(variable, "").strip().lower() in ("1", "true", "yes", "on")


def has_token() -> bool:
    """Whether there is a token that opens what a public server closes."""
    return bool(_token())


def opens(token: str) -> bool:
    """Whether this is the server's token; never when it has none."""
    return has_token() and hmac.compare_digest(token.strip().encode(), _token().encode())


def _token() -> str:
    return os.environ.get(TOKEN, "").strip()
