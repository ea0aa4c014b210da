"""A real server and a real browser, for the journeys that nothing else can check."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from serving import CHROMIUM, FLAGS, PATIENCE, serve

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

    def open_part(self, name: str) -> None:
        self.page.get_by_text(name).click()
        self.settle()  # a list that is opened while the page is drawn anew closes again

    def make_quiz(self, address: str) -> None:
        """On *Talk*: a quiz that phones join at an address."""
        self.open_part("A quiz for the audience")
        place = self.page.get_by_role("textbox", name="Address that phones open")
        place.fill(address)
        place.press("Tab")
        self.settle()
        self.page.get_by_role("button", name="Make the quiz").click()

    def arrive(self, heading: str) -> None:
        """Wait for the page of that heading; while pages change, the one before stands there too, even twice."""
        expect(self.page.get_by_role("heading", level=1).filter(has_text=heading).first).to_be_visible()
        self.settle()

    def strangers(self) -> list[str]:
        """Requests that left this machine."""
        inside = (self.address, self.address.replace("http", "ws", 1), "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with serve() as running:
        yield running.address


@pytest.fixture
def fresh_server() -> Iterator[str]:
    with serve() as running:
        yield running.address


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
