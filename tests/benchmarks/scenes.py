"""How long the next scene of a talk takes, from the key to the painted frame in a browser; and its README picture.

Run from the root of the repository, with Chromium from the system (or named in the variable CHROMIUM):

    python tests/benchmarks/scenes.py [--rounds 3]     # 1 when a scene takes longer than the aim
    python tests/benchmarks/scenes.py --picture        # write assets/scene.png

The shipped story as one file, 1920 × 1080, every scene forwards and backwards.
"""

import argparse
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from serving import CHROMIUM, FLAGS, PATIENCE_MS  # noqa: E402

from core.paths import ASSETS  # noqa: E402
from core.talk import kept, stories  # noqa: E402

AIM_MS = 150
PICTURED = "invariance/curves"
WIDTH = 960  # px of the README's picture, half the scene's
READY = "[data-ready=yes]"
TIMED = """() => {
  window.times = [];
  window.addEventListener("keydown", (event) => {
    const before = Reveal.getIndices().h;
    const painted = () => window.times.push(performance.now() - event.timeStamp);
    // A frame's callbacks run before it is painted: the one after them runs behind it.
    const look = () => requestAnimationFrame(Reveal.getIndices().h === before ? look : () => painted());
    requestAnimationFrame(look);
  }, true);
}"""


def measured(page: Page, scenes: int) -> list[float]:
    """Milliseconds of every step there and back."""
    page.evaluate(TIMED)
    for key, steps in (("ArrowRight", scenes), ("ArrowLeft", scenes)):
        for _ in range(steps):
            known = page.evaluate("() => window.times.length")
            page.keyboard.press(key)
            page.wait_for_function("(known) => window.times.length > known", arg=known, timeout=PATIENCE_MS)
    return page.evaluate("() => window.times")


def main() -> int:
    """Measure and print, or take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", action="store_true", help="write assets/scene.png")
    arguments = parser.parse_args()
    story = stories.shipped()["generalize"]
    path = kept.build(story).path
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        size = (WIDTH, WIDTH * 9 // 16) if arguments.picture else (1920, 1080)
        times = []
        for _ in range(1 if arguments.picture else arguments.rounds):
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(path.as_uri())
            page.wait_for_selector(READY, state="attached", timeout=PATIENCE_MS)
            if arguments.picture:
                at = 1 + [scene.figure for scene in story.scenes].index(PICTURED)
                page.evaluate("(at) => Reveal.slide(at)", at)
                for _ in range(2):
                    page.keyboard.press("ArrowDown")
                page.wait_for_timeout(500)
                page.screenshot(path=ASSETS / "scene.png")
                return 0
            times += measured(page, len(story.scenes))
            page.close()
    print(f"{len(times)} steps: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms (aim {AIM_MS})")
    return int(max(times) > AIM_MS)


if __name__ == "__main__":
    sys.exit(main())
