"""The HTML of a report: sections to read and to print, and where all of it comes from. Every text in it is text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import tomli_w
from plotly.offline import get_plotlyjs

import core
from core.encoders.registry import encoders
from core.results.info import StudyInfo
from core.talk import deck
from core.talk.parts import Chart, Drag, Drawn, Part

WIDTH, HEIGHT, HIGHEST, STRIPPED = 680, 420, 740, 360  # px of charts on a page of A4; the last one below a strip
ROWS = 16
"""Of a table behind a figure; its command writes all."""
MANY = 12
"""Columns of a table that fit on a sheet in readable type; more are set smaller."""
_SCRIPT = """document.querySelectorAll(".chart").forEach((place) => {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  layout.font = { ...layout.font, color: "#1b2430" };
  Plotly.newPlot(place, data, layout, { staticPlot: true, displayModeBar: false });
});
document.documentElement.dataset.ready = "yes";"""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a report was made of: studies, encoders of its pictures by id, and what is to be cited, as BibTeX."""

    studies: tuple[StudyInfo, ...]
    encoders: tuple[str, ...]
    cited: str


def figure(heading: str, shown: Drawn, settings: Sequence[str] = (), tabled: bool = False) -> str:
    """A section with a figure, its finding and its source.

    Args:
        heading: above it.
        shown: the figure.
        settings: lines on what it is of, and how it is made again.
        tabled: whether the tables behind its charts stand below it.
    """
    charts = [each.chart if isinstance(each, Drag) else each for each in shown.parts if isinstance(each, Chart | Drag)]
    told = "".join(f'<p class="source">{escape(line)}</p>' for line in (f"{shown.note} {shown.source}", *settings))
    tables = "".join(_shortened(chart) for chart in charts) if tabled else ""
    parts = "".join(_part(part, len(shown.parts)) for part in shown.parts)
    answer = f"<p>Answer: {escape(shown.answer)}</p>" if shown.answer else ""
    return (
        f"<section><h2>{escape(heading)}</h2><p>{escape(shown.finding)}</p>{answer}"
        f'<div class="figure">{parts}</div>{told}</section>{tables}'
    )


def marked(heading: str, reason: str) -> str:
    """A section in the place of a figure that cannot be drawn here."""
    return f'<section><h2>{escape(heading)}</h2><p class="absent">Not shown: {escape(reason)}</p></section>'


def table(heading: str, found: pd.DataFrame) -> str:
    """A section with a table."""
    return f"<section><h2>{escape(heading)}</h2>{_rows(found)}</section>"


def _part(part: Part, beside: int) -> str:
    width = (WIDTH - 20) // beside if beside > 1 else WIDTH
    if isinstance(part, Chart):
        heading = f"<h3>{escape(part.heading)}</h3>" if part.heading else ""
        return f"<div>{heading}{deck.chart(part, width, _height(part))}</div>"
    if not isinstance(part, Drag):
        return deck.panel(part, beside)
    # What a speaker drags stands in a row, strength by strength.
    frames = ""
    for i, (png, strength) in enumerate(zip(part.frames, part.strengths, strict=True)):
        said = "".join(f"<br>{escape(who)}: {escape(lines[i])}" for who, lines in part.answers.items())
        at = f"{strength:g} {escape(part.unit)}"
        picture = deck.image(png, f"The picture at {strength:g} {part.unit}.")
        frames += f"<figure>{picture}<figcaption>{at}{said}</figcaption></figure>"
    return f'<div class="strip">{frames}</div>{deck.chart(part.chart, WIDTH, STRIPPED)}'


def _height(part: Chart) -> int:
    """As high as on its page, within a sheet of paper."""
    return int(min(HIGHEST, max(HEIGHT, part.figure.layout.height or HEIGHT)))


def _shortened(chart: Chart) -> str:
    """The first rows of the table behind a chart; what all of them share is said once, and lists (maps) are no text."""
    found = chart.table
    flat = found[[name for name in found if not found[name].map(pd.api.types.is_list_like).any()]]
    shared = [name for name in flat if len(flat) > 1 and flat[name].nunique(dropna=False) == 1]
    all_rows = "; ".join(f"{name} = {flat[name].iloc[0]}" for name in shared)
    told = f'<p class="source">{escape(f"In all rows: {all_rows}.")}</p>' if shared else ""
    cut = f"; the first {ROWS} of {len(flat):,} rows" if len(flat) > ROWS else ""
    heading = f"<h3>{escape(f'Table of {chart.name}{cut}')}</h3>"
    return f'<section class="behind">{heading}{told}{_rows(flat.drop(columns=shared).head(ROWS))}</section>'


def _rows(found: pd.DataFrame) -> str:
    look = "data" if len(found.columns) <= MANY else "data wide"
    return str(found.to_html(index=False, border=0, float_format=lambda value: f"{value:.3f}", na_rep="", classes=look))


def _listed(name: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f"<h3>{name}</h3><ul>{items}</ul>" if items else ""


def _nets(sources: Sources) -> Iterable[str]:
    known = encoders()
    for id, net in (each for info in sources.studies for each in info.encoders.items()):
        licence = f", {known[id].licence}" if id in known else ""
        built = f"{net['label']}: {net['method']}, {net['architecture']}, {net['data']}"
        yield f"{built}, weights {net['weights'][:8]}{licence}"
    shown = {id for info in sources.studies for id in info.encoders}
    for spec in (known[id] for id in sources.encoders if id in known and id not in shown):
        yield f"{spec.label}: {spec.method}, {spec.architecture}, {spec.pretraining.data}, {spec.licence}"


def page(title: str, made: str, sections: Iterable[str], sources: Sources, left_out: Iterable[str] = ()) -> bytes:
    """The file, which fetches nothing.

    Args:
        title: of the report.
        made: from what, in a line.
        sections: of this module.
        sources: of all of them.
        left_out: figures that could not be drawn, with the reason.
    """
    scripts = [get_plotlyjs(), _SCRIPT]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(deck.allowed, scripts))}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    sets = [
        f"{about['label']}: {about['licence']}. {about['citation'] or about['source']}"
        for info in sources.studies
        for about in info.datasets.values()
    ]
    told = _listed("Contenders", _nets(sources)) + _listed("Data sets and their licences", sets)
    told += _listed("Left out", left_out)
    for info in sources.studies:
        plan = tomli_w.dumps({key: value for key, value in info.manifest["plan"].items() if value is not None})
        of = f" of {escape(info.id)}" if len(sources.studies) > 1 else ""
        told += f"<h3>The plan{of}, which makes it again</h3><pre>{escape(plan)}</pre>"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{(deck.FOLDER / 'report.css').read_text(encoding='utf-8')}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{escape(f'{made}; Invariscope {core.__version__}')}.</p>{''.join(sections)}"
        f"<section><h2>Where the numbers come from</h2>{told}"
        f"<h3>To cite</h3><pre>{escape(sources.cited)}</pre></section>"
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>\n"
    ).encode()
