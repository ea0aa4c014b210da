"""How long a visitor waits for each page, in a real browser, on idle cores and beside processes that never wait.

Run from the root of the repository, with Chromium from the system (or named in the variable CHROMIUM):

    python tests/benchmarks/pages.py [--busy 0,1] [--rounds 3] [--json]

Each round starts a server of its own. A time ends when the last script run and the last spinner or skeleton have ended,
as the browser saw it; medians over the rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from navigation import page_paths  # noqa: E402
from photos import encoded, photo  # noqa: E402
from serving import CHROMIUM, FLAGS, PATIENCE_MS, WATCH, busy_cores, healthy, serve, settled  # noqa: E402

DROPZONE = "[data-testid=stFileUploaderDropzoneInput]"
BARS = {
    "server start to a title": 3.0,
    "server start to the settled Overview": 7.0,
    "new tab": 2.5,
    "click, first": 1.2,
    "click, again": 0.5,
    "one upload": 1.0,
    "20 uploads": 4.0,
    "sweep of 20 images": 10.0,
}
"""Seconds; the most that a visitor of two cores should wait."""


def act(page: Page, do: Callable[[], None]) -> float:
    """Seconds from an action, which must make a script run, until the page has settled again."""
    page.evaluate("() => { window.acted = window.underWay = performance.now(); }")
    do()
    page.wait_for_function("() => window.underWay > window.acted", timeout=PATIENCE_MS)
    return settled(page, "window.acted")


def open_tab(browser: Browser, address: str) -> tuple[Page, float]:
    """A visitor without memory, and the seconds until the page had settled."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit")
    return page, settled(page, "0")


def upload(page: Page, seeds: range) -> float:
    """Seconds from choosing files until their answers are there."""
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload", exact=True)).first.click()
    page.wait_for_selector(DROPZONE, state="attached")
    settled(page, "0")
    files = [{"name": f"{s}.png", "mimeType": "image/png", "buffer": encoded(photo(s), "PNG")} for s in seeds]
    return act(page, lambda: page.set_input_files(DROPZONE, files))


def follow(page: Page, title: str) -> float:
    """Seconds from a click in the navigation until that page has settled."""
    return act(page, page.locator(".st-key-navigation").get_by_role("link", name=title, exact=True).click)


def one_round(browser: Browser) -> dict[str, float]:
    """Every figure once, on a server of its own."""
    found: dict[str, float] = {}
    with serve(wait=False) as server:
        while not healthy(server.address):
            time.sleep(0.02)
        before = time.monotonic() - server.began
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(WATCH)
        page.goto(server.address, wait_until="commit")
        page.wait_for_selector("h1")
        found["server start to a title"] = before + page.evaluate("() => performance.now() / 1000")
        found["server start to the settled Overview"] = before + settled(page, "0")
        page.context.close()
        page, found["new tab"] = open_tab(browser, server.address)
        for again in ("first", "again"):
            # The new tab shows the first page already; it comes round as the last.
            first, *others = page_paths()
            for name in (*others, first):
                found[f"click, {again}: {name}"] = follow(page, name)
        page.goto(f"{server.address}/compare")
        settled(page, "0")
        found["one upload"] = upload(page, range(1))
        page.goto(f"{server.address}/compare")
        settled(page, "0")
        found["20 uploads"] = upload(page, range(10, 30))
        follow(page, "Invariance")
        button = page.get_by_role("button", name="Run the sweep")
        found["sweep of 20 images"] = act(page, button.click)
        page.context.close()
    return found


def main() -> int:
    """Measure and print; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", default="0,1", help="numbers of busy processes beside, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print every time")
    arguments = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for busy in arguments.busy.split(","):
            table = times.setdefault(f"{busy} busy", defaultdict(list))
            for _ in range(arguments.rounds):
                with busy_cores(int(busy)):
                    for name, seconds in one_round(browser).items():
                        table[name].append(seconds)
        browser.close()
    if arguments.json:
        print(json.dumps(times))
    missed = False
    for busy, table in times.items():
        for name, seconds in table.items():
            bar = next((most for start, most in BARS.items() if name.startswith(start)), float("inf"))
            median = statistics.median(seconds)
            missed |= median > bar
            print(f"{busy:7} {name:45} {median:6.2f} s {'MISSED' if median > bar else ''} (bar {bar})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
