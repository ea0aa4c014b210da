"""A real server and a real browser, for the journeys that nothing else can check."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from core.paths import ROOT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking")
PATIENCE = 120  # seconds for a server to start, or a page to finish; a busy machine needs them
expect.set_options(timeout=PATIENCE * 1000)
SETTLED = "[data-testid='stApp'][data-test-script-state='notRunning']"


class Visitor:
    """A page of the browser that writes down whom it asked and what it complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        # On a sub-path Streamlit first looks for its own end points below that path.
        expected = "404" in message.text and "/_stcore/" in message.location.get("url", "")
        if message.type == "error" and not expected:
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def settle(self) -> None:
        """Wait until no script runs, and still none a moment later."""
        calm = 0
        while calm < 3:
            self.page.wait_for_selector(SETTLED)
            self.page.wait_for_timeout(150)
            calm = calm + 1 if self.page.locator(SETTLED).count() else 0

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.address}{path}")
        self.page.wait_for_selector("h1")
        self.settle()
        return self.page

    def strangers(self) -> list[str]:
        """Requests that left this machine."""
        inside = (self.address, self.address.replace("http", "ws", 1), "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def serve(weights: Path) -> Iterator[str]:
    """The dashboard as its command starts it; the address it answers at."""
    port = _free_port()
    address = f"http://localhost:{port}"
    command = [sys.executable, "-m", "core.cli", "--port", str(port), "--no-browser"]
    settings = os.environ | {"INVARISCOPE_WEIGHTS": str(weights)}
    # A test run that is told to end must still end its server, so it unwinds as for Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=settings, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end = time.monotonic() + PATIENCE
            while not _healthy(address):
                if process.poll() is not None or time.monotonic() > end:
                    output.seek(0)
                    pytest.fail(f"The server did not start:\n{output.read()}")
                time.sleep(0.2)
            yield address
            output.seek(0)
            printed = output.read()
            if "Traceback" in printed:
                pytest.fail(f"The server printed a traceback:\n{printed}")
        finally:
            signal.signal(signal.SIGTERM, before)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("weights")) as address:
        yield address


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[str]:
    with serve(tmp_path) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).is_file():
        pytest.fail(f"There is no {CHROMIUM}: install Chromium, or name one in the variable CHROMIUM.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """`visit(address, width=…, dark=…)`: a visitor with a memory of their own."""
    contexts = []

    def start(address: str, width: int = 1280, dark: bool = False) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        return Visitor(context.new_page(), address)

    yield start
    for context in contexts:
        context.close()
