"""A server of weight files on this machine, in whatever broken way a test asks for."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CONTENT = bytes(range(256)) * 12_000  # three chunks
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SETTINGS = ("OFFLINE", "HUB_OFFLINE", "TOKEN", "ENDPOINT", "HUB_CACHE")


class Server(ThreadingHTTPServer):
    """Serves `content` at every path but those in `redirects`; as a proxy, for every address."""

    daemon_threads = True

    def __init__(self, content: bytes = CONTENT) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.ranges = True
        self.conditions = True
        self.stop_after: int | None = None
        self.status = 200
        self.length = True
        self.chunked = False
        self.pause = 0.0
        self.headers: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.redirect_headers: dict[str, str] = {}
        self.requests: list[tuple[str, str, Message]] = []

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.root}/toy.pth"

    @property
    def asked(self) -> list[str | None]:
        """The Range of each request."""
        return [headers["Range"] for _, _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_CONNECT(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers))
        self.send_error(403)

    def do_GET(self) -> None:
        served = self.server
        served.requests.append((self.command, self.path, self.headers))
        time.sleep(served.pause)
        if target := served.redirects.get(urlsplit(self.path).path):
            self.begin(302, {"Location": target, "Content-Length": "0"} | served.redirect_headers)
            return
        if served.status != 200:
            self.send_error(served.status)
            return
        total, wanted = len(served.content), self.headers["Range"]
        unchanged = not served.conditions or self.headers["If-Range"] in (None, served.headers.get("ETag"))
        partial = bool(wanted and served.ranges and unchanged)
        first, _, last = wanted[6:].partition("-") if partial else ("0", "", "")
        start, end = int(first), int(last or total - 1)
        if start >= total:
            self.begin(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            return
        body = served.content[start : end + 1]
        partial = start > 0 or end < total - 1
        facts = {"Content-Range": f"bytes {start}-{end}/{total}"} if partial else {}
        if served.chunked:
            self.protocol_version = "HTTP/1.1"
            self.begin(206 if partial else 200, facts | {"Transfer-Encoding": "chunked"})
            self.wfile.write(b"%x\r\n" % len(body) + body[: served.stop_after])
            if served.stop_after is None:
                self.wfile.write(b"\r\n0\r\n\r\n")
            self.close_connection = True
            return
        length = {"Content-Length": str(len(body))} if served.length else {}
        self.begin(206 if partial else 200, facts | length)
        self.wfile.write(body[: served.stop_after])

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | self.server.headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@contextmanager
def serving(content: bytes = CONTENT) -> Iterator[Server]:
    """A running server."""
    with Server(content) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


def settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder of a test, which nothing of this machine's settings and caches reaches."""
    for name in SETTINGS:
        monkeypatch.delenv(f"HF_{name}", raising=False)
        monkeypatch.delenv(f"INVARISCOPE_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "new"
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(folder))
    return folder


def left(folder: Path) -> set[str]:
    """The files in a weights folder but for the lock."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}
