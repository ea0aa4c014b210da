"""A study as one HTML file to read and to print: every figure with its finding, tables, settings, sources, citations.

Figures are those of the scenes (`core.talk.scenes`), so what a report says is what the pages and talks say. Charts are
drawn as SVG when the file is opened.
"""

from collections.abc import Callable, Iterator
from html import escape

import pandas as pd
import tomli_w
from plotly.offline import get_plotlyjs

import core
from core.errors import InvalidRequest
from core.results import choices, pairs, summary
from core.results.info import StudyInfo
from core.study.protocols import PROTOCOLS
from core.talk import citing, deck, scenes
from core.talk.parts import Chart, Drawn, Marked
from core.talk.stories import Scene, Value
from core.talk.view import asked_once

WIDTH, HEIGHT = 680, 420  # px of a chart on a page of A4
ON_PAGES = ("maps/objects", "representation/points")  # figures that no report has
_SCRIPT = """document.querySelectorAll(".chart").forEach((place) => {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  layout.font = { ...layout.font, color: "#1b2430" };
  Plotly.newPlot(place, data, layout, { staticPlot: true, displayModeBar: false });
});
document.documentElement.dataset.ready = "yes";"""


def figures(info: StudyInfo, protocol: str, pair: tuple[str, str]) -> Iterator[tuple[str, Scene]]:
    """What a report shows of a study, in the order of the pages: a heading and the scene behind it.

    Reliability stands once a data set, all else once. What belongs to pictures (masks, points) is left to
    its pages.
    """
    view: dict[str, Value] = {"study": info.id, "protocol": protocol, "first": pair[0], "second": pair[1]}
    for id, figure in scenes.FIGURES.items():
        if not set(scenes.STUDY) <= set(figure.keys) or id.startswith(ON_PAGES):
            continue
        if id != "confidence/reliability":
            yield figure.label, Scene(id, figure.label, "", view)
            continue
        for dataset in info.measured("answers", pair, protocol):
            label = f"{figure.label}: {info.datasets[dataset]['label']}"
            # Two diagrams fit beside each other on a sheet of paper.
            yield label, Scene(id, label, "", view | {"dataset": dataset, "confidence_floor": False})


def build(
    info: StudyInfo, protocol: str = "", first: str = "", second: str = "", seen: Callable[[str], None] = print
) -> bytes:
    """The report of a study as an HTML file that fetches nothing.

    Args:
        info: the study.
        protocol: id; the first one with results without.
        first: contender that differences are taken from; a supervised one without.
        second: contender that differences are taken to; a self-supervised one without.
        seen: told the heading of each figure that is drawn, and of those that are left out with the reason.

    Raises:
        InvalidRequest: the study has no such protocol or contender, or no two contenders.
    """
    known = choices.protocols(info)
    protocol = protocol or next(iter(known), "")
    ids = choices.contenders(info, protocol) if protocol in known else []
    if len(ids) < 2:
        raise InvalidRequest(f"Study '{info.id}' has no two contenders with results by '{protocol}' to report on.")
    first = first or choices.first(info, ids)
    second = second or choices.second(info, ids, first)
    if strange := [id for id in (first, second) if id not in ids]:
        raise InvalidRequest(
            f"Study '{info.id}' has no results of {strange[0]} by {protocol}. It has {', '.join(ids)}."
        )
    sections, left_out, ask = [], [], asked_once()
    for heading, scene in figures(info, protocol, (first, second)):
        shown = scenes.show(scene, ask=ask)
        if isinstance(shown, Marked):
            left_out.append(f"{heading}: {shown.reason}")
            continue
        seen(heading)
        sections.append(_section(heading, shown))
    tables = [
        ("Accuracy of every contender", summary.accuracy(info, protocol)),
        (f"{second} minus {first}, paired", pairs.paired(info, protocol, first, second)),
    ]
    sections += [f"<section><h2>{escape(name)}</h2>{_table(table)}</section>" for name, table in tables]
    return _page(info, protocol, (first, second), sections, left_out).encode()


def _section(heading: str, shown: Drawn) -> str:
    parts = [
        deck.chart(part, (WIDTH - 20) // len(shown.parts) if len(shown.parts) > 1 else WIDTH, _height(part))
        if isinstance(part, Chart)
        else deck.panel(part, len(shown.parts))
        for part in shown.parts
    ]
    return (
        f"<section><h2>{escape(heading)}</h2><p>{escape(shown.finding)}</p>"
        f'<div class="figure">{"".join(parts)}</div><p class="source">{escape(f"{shown.note} {shown.source}")}</p>'
        "</section>"
    )


def _height(part: Chart) -> int:
    """As high as on its page, within a sheet of paper."""
    return int(min(900, max(HEIGHT, part.figure.layout.height or HEIGHT)))


def _table(table: pd.DataFrame) -> str:
    return str(
        table.to_html(index=False, border=0, float_format=lambda value: f"{value:.3f}", na_rep="", classes="data")
    )


def _page(info: StudyInfo, protocol: str, pair: tuple[str, str], sections: list[str], left_out: list[str]) -> str:
    scripts = [get_plotlyjs(), _SCRIPT]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(deck.allowed, scripts))}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    label = PROTOCOLS[protocol].label if protocol in PROTOCOLS else protocol
    sets = [
        f"{about['label']}: {about['licence']}. {about['citation'] or about['source']}"
        for about in info.datasets.values()
    ]
    nets = [
        f"{about['label']}: {about['method']}, {about['architecture']}, {about['data']}, weights {about['weights'][:8]}"
        for about in info.encoders.values()
    ]
    made = f"Study {info.id} of {info.manifest['updated'][:10]}, {label}; Invariscope {core.__version__}"
    lists = [("Contenders", nets), ("Data sets and their licences", sets), ("Left out", left_out)]
    told = "".join(
        f"<h3>{name}</h3><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
        for name, lines in lists
        if lines
    )
    cited = citing.bibtex(info, pair, [metric for page in scenes.CITED.values() for metric in page])
    plan = tomli_w.dumps({key: value for key, value in info.manifest["plan"].items() if value is not None})
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><meta name="viewport" content="width=device-width"><title>{escape(info.title)}</title>'
        f"<style>{(deck.FOLDER / 'report.css').read_text(encoding='utf-8')}</style></head><body>"
        f"<h1>{escape(info.title)}</h1><p>{escape(made)}.</p>{''.join(sections)}"
        f"<section><h2>Where the numbers come from</h2>{told}<h3>The plan, which makes it again</h3>"
        f"<pre>{escape(plan)}</pre><h3>To cite</h3><pre>{escape(cited)}</pre></section>"
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>\n"
    )
