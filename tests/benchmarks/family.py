"""What the README shows of the packaged family, made again from the shipped study: its table, and its screenshot.

python tests/benchmarks/family.py                  # the table
python tests/benchmarks/family.py --screenshot     # assets/screenshot.png, with Chromium from the system
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from core.paths import ASSETS  # noqa: E402
from core.plots.shipped import PAIR, STUDY  # noqa: E402
from core.results import pairs, store, summary  # noqa: E402

PROTOCOLS = ("linear", "knn")
SHOWN = (*PAIR, "random")


def table() -> list[str]:
    """The lines of the README's table: test top-1 in percent by data set, linear probe / k-NN.

    Bold: `pairs.paired` finds the pair different.
    """
    info = store.study(STUDY, [str(ASSETS / "results")])
    top1 = {}
    ahead = {}
    for protocol in PROTOCOLS:
        for row in summary.accuracy(info, protocol).itertuples():
            top1[protocol, row.dataset, row.encoder] = f"{100 * row.accuracy:.1f}"
        for row in pairs.paired(info, protocol, *PAIR).itertuples():
            if row.verdict != "no difference found":
                ahead[protocol, row.dataset] = PAIR[0] if row.difference < 0 else PAIR[1]
    lines = [
        "| data set | domain | test images | supervised | SimCLR | random weights |",
        "|---|---|---|---|---|---|",
    ]
    for id in info.by_domain():
        about = info.datasets[id]
        cells = []
        for encoder in SHOWN:
            values = [top1[protocol, id, encoder] for protocol in PROTOCOLS]
            bold = [ahead.get((protocol, id)) == encoder for protocol in PROTOCOLS]
            cells.append(" / ".join(f"**{one}**" if best else one for one, best in zip(values, bold, strict=True)))
        lines.append(f"| {about['label']} | {about['domain']} | {about['samples']['test']:,} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the table, or take the screenshot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--screenshot", action="store_true", help="write assets/screenshot.png")
    if not parser.parse_args().screenshot:
        print("\n".join(table()))
        return
    from playwright.sync_api import sync_playwright
    from serving import CHROMIUM, FLAGS, WATCH, serve, settled

    with serve() as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        page.goto(server.address)
        settled(page, "0")
        page.screenshot(path=ASSETS / "screenshot.png")
        browser.close()


if __name__ == "__main__":
    main()
