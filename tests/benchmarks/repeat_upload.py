"""How long an image that was seen before takes to be on the Compare page again, in a real browser.

Run from the root of the repository, with Chromium from the system (or named in the variable CHROMIUM):

    python tests/benchmarks/repeat_upload.py [--turns 12] [--json]

It starts a server, uploads two images, goes back and forth between them, then does the same with two samples of the
gallery. Each time runs in the browser, from the click until the page shows picture and answers of that image for every
contender, drawn, and nothing of the other image; what to expect is written down on a first, unmeasured visit.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from photos import encoded, photo  # noqa: E402
from serving import CHROMIUM, FLAGS, serve  # noqa: E402

LIMIT_MS = 300
PATIENCE_MS = 120_000
SETTLED = "[data-testid='stApp'][data-test-script-state='notRunning']"
DROPZONE = "[data-testid=stFileUploaderDropzoneInput]"

# What the page shows of one image: its picture, and the words and numbers of each contender's column. A chart's labels
# are text in the page, so a chart of the other image differs.
WATCH = """
() => {
  window.shown = () => {
    const picture = document.querySelector("[data-testid=stMain] img[alt^='The image that is compared']");
    if (!picture || !picture.complete || !picture.naturalWidth) return null;
    const columns = [...document.querySelectorAll("[data-testid=stMain] [data-testid=stColumn]")].slice(1);
    return JSON.stringify([picture.alt, ...columns.map(column => column.textContent)]);
  };
  window.addEventListener("click", event => { window.clicked = event.timeStamp; }, true);
  window.until = expected => new Promise(resolve => {
    const look = () => {
      // Painted in the frame after the one in which it is there.
      if (window.shown() === expected) requestAnimationFrame(() => resolve(performance.now() - window.clicked));
      else requestAnimationFrame(look);
    };
    look();
  });
}
"""


def settle(page: Page) -> None:
    """Wait until no script runs, and still none a moment later."""
    calm = 0
    while calm < 3:
        page.wait_for_selector(SETTLED)
        page.wait_for_timeout(150)
        calm = calm + 1 if page.locator(SETTLED).count() else 0


def back_and_forth(page: Page, names: tuple[str, str], choose: Callable[[str], None], turns: int) -> list[float]:
    """Milliseconds of each of `turns` choices, the two images by turns, after each was seen once."""
    expected = {}
    for name in names:
        choose(name)
        settle(page)
        expected[name] = page.evaluate("window.shown()")
    if expected[names[0]] == expected[names[1]]:
        raise SystemExit("Both images show the same: there is nothing to wait for.")
    found = []
    for turn in range(turns):
        name = names[turn % 2]
        choose(name)
        found.append(page.evaluate("expected => window.until(expected)", expected[name]))
        settle(page)
    return found


def pick_upload(page: Page, name: str) -> None:
    """Choose one of several uploads in the sidebar."""
    page.get_by_role("combobox", name="Show").click()
    page.get_by_role("option", name=name, exact=True).click()


def pick_sample(page: Page, name: str) -> None:
    """Choose a sample in the gallery."""
    page.locator("[data-testid=stMain]").get_by_role("button", name=name, exact=True).click()


def measure(address: str, turns: int) -> dict[str, list[float]]:
    """Milliseconds by way of choosing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{address}/compare")
        page.wait_for_selector("h1")
        settle(page)
        page.evaluate(WATCH)
        gallery = back_and_forth(page, ("Cat", "Cup of coffee"), lambda name: pick_sample(page, name), turns)
        page.get_by_role("radio", name="Upload").or_(
            page.get_by_role("button", name="Upload", exact=True)
        ).first.click()
        page.wait_for_selector(DROPZONE, state="attached")
        files = [
            {"name": f"{seed}.png", "mimeType": "image/png", "buffer": encoded(photo(seed), "PNG")} for seed in (3, 4)
        ]
        page.set_input_files(DROPZONE, files)
        page.get_by_role("combobox", name="Show").wait_for()
        settle(page)
        uploads = back_and_forth(page, ("3.png", "4.png"), lambda name: pick_upload(page, name), turns)
        browser.close()
    return {"upload": uploads, "gallery": gallery}


def main() -> int:
    """Measure and print; 1 when the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12, help="choices to measure in each way")
    parser.add_argument("--json", action="store_true", help="print every time")
    arguments = parser.parse_args()
    with serve() as server:
        found = measure(server.address, arguments.turns)
    if arguments.json:
        print(json.dumps(found))
    else:
        for way, times in found.items():
            print(f"{way}: median {statistics.median(times):.0f} ms, {min(times):.0f} to {max(times):.0f} ms")
    return int(any(statistics.median(times) > LIMIT_MS for times in found.values()))


if __name__ == "__main__":
    sys.exit(main())
