"""Opening an address on the network: which may be opened, through what, with which token, and why it failed."""

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

HUB = "https://huggingface.co"
TIMEOUT = 60
"""Seconds without a byte before a connection counts as broken."""

OFFLINE = ("INVARISCOPE_OFFLINE", "HF_HUB_OFFLINE")
SCHEMES = ("http", "https")
WHOLE_DIGEST = re.compile(r'"?([0-9a-f]{64})"?')
LOGIN = "it answered with a web page instead of the file: it wants a login or a confirmation, which a browser can give"


class NotGiven(Exception):
    """An address that did not give the file; the text says why, as a clause."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a request.

    Attributes:
        status: 200 for the whole file, 206 for the rest of it, 416 when there is nothing after what was asked for.
        headers: of the last server in a chain of redirects.
        body: the bytes; None for 416.
        announced: SHA-256 of the file as Hugging Face states it on the way; empty when nobody did.
    """

    status: int
    headers: Message
    body: http.client.HTTPResponse | None
    announced: str = ""

    def close(self) -> None:
        """Leave the body unread."""
        if self.body is not None:
            self.body.close()


def offline() -> str:
    """The environment variable that forbids the network; empty when none does."""
    for variable in OFFLINE:
        if os.environ.get(variable, "").strip().lower() in ("1", "true", "yes", "on"):
            return variable
    return ""


def routed(url: str) -> str:
    """The address that is asked instead of `url`: `HF_ENDPOINT` stands in for huggingface.co when it is set."""
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    return endpoint + url.removeprefix(HUB) if endpoint and url.startswith(HUB + "/") else url


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _with_token(request: urllib.request.Request) -> urllib.request.Request:
    """The request, with the token of the person's login when it goes to huggingface.co itself and nowhere else."""
    if _place(request.full_url) == _place(HUB):
        from huggingface_hub import get_token  # half a second that other addresses need not wait for

        if token := get_token():
            # urllib copies ordinary headers to wherever a redirect leads; these it does not.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and remembers what Hugging Face says of the file on the way."""

    def __init__(self) -> None:
        self.announced = ""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request, or an error when it leads away from http and https."""
        if urlsplit(newurl).scheme.lower() not in SCHEMES:
            fp.close()
            raise NotGiven(f"it leads to {newurl}, and only http and https are followed")
        if _place(req.full_url) in (_place(HUB), _place(routed(HUB + "/"))):
            found = WHOLE_DIGEST.fullmatch(headers.get("X-Linked-Etag", ""))
            self.announced = found[1] if found else self.announced
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        return _with_token(following) if following else None


def ask(url: str, headers: Mapping[str, str]) -> Answer:
    """The answer of an address, through the proxies the environment names.

    Raises:
        NotGiven: it cannot be reached, refuses, leads elsewhere than to http and https, or answers with a web page.
    """
    target = routed(url)
    if urlsplit(target).scheme.lower() not in SCHEMES:
        raise NotGiven("only http and https addresses are opened")
    redirects = _Redirects()
    # No other handlers: file:, ftp: and data: have nobody here who could open them.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        redirects,
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(target, headers={"User-Agent": "invariscope"} | dict(headers))
    try:
        response = opener.open(_with_token(request), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return Answer(416, error.headers, None, redirects.announced)
        raise NotGiven(why(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotGiven(why(error)) from error
    if response.headers.get_content_type() == "text/html":
        response.close()
        raise NotGiven(LOGIN)
    return Answer(response.status, response.headers, response, redirects.announced)


def looks_like_a_page(beginning: bytes) -> bool:
    """Whether a file begins as a web page does, whatever its server calls it."""
    return beginning[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html", b"<head"))


def why(error: Exception) -> str:
    """A failure as a clause of a sentence."""
    if isinstance(error, urllib.error.HTTPError):
        told = f"it answers {error.code} {' '.join(str(error.reason).split())}"
        if error.code in (401, 403):
            told += ", so it may want a login, or its terms accepted on its page and HF_TOKEN set"
        return told
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
        return why(reason) if isinstance(reason, Exception) else str(reason)
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT} seconds"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended in the middle; try again to continue"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def number(headers: Message, name: str) -> int:
    """A header as a whole number; 0 when it is absent or none."""
    with suppress(ValueError):
        return max(0, int(headers.get(name) or 0))
    return 0
