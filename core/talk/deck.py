"""A story as one HTML file on reveal.js that fetches nothing: opened from a disk, served by the dashboard, printed.

The page plays this very file, so that what was rehearsed is what is given away.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import Any

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

import core
from core.errors import InvalidRequest
from core.paths import ASSETS
from core.talk import scenes
from core.talk.parts import Chart, Drag, Drawn, Grid, Marked, Part, Picture, Points
from core.talk.stories import Scene, Story
from core.talk.view import asked_once

FOLDER = ASSETS / "deck"
MAX_BYTES = 15 << 20
SMALLEST = 12  # px of a chart's type, which is seen at twice its size
WIDTH, HEIGHT, GAP = 600, 480, 20  # of the place for charts, in their own pixels
DRAGGED = (350, 380)
LONG = 190  # characters of a finding that has to be set smaller
KEYS = "← → space: scenes · ↑ ↓: strength · b: black · s: speaker's window · t: light or dark · f: full screen · .: end"


def fitted(figure: go.Figure, width: int, height: int) -> dict[str, Any]:
    """A page's chart at another size, as JSON: what is placed in pixels of its height moves along, type stays legible.

    Args:
        figure: of `core.plots`.
        width: px.
        height: px.
    """
    chart = json.loads(plotly.io.to_json(figure, remove_uids=True))
    layout = chart["layout"]
    frame = layout["margin"]["t"] + layout["margin"]["b"]
    share = min(1.0, (height - frame) / max(1, layout["height"] - frame))
    for note in layout.get("annotations", ()):
        if not str(note.get("yref", "y")).startswith("paper") and "domain" not in str(note.get("yref", "")):
            note["yshift"] = note.get("yshift", 0) * share
    for trace in chart["data"]:
        if str(trace.get("marker", {}).get("symbol")) == "line-ns":
            trace["marker"]["size"] *= share
        if trace["type"] == "scattergl":  # points for a cursor, which no slide or sheet has: as SVG, and no more
            trace["type"] = "scatter"
            trace |= {"customdata": None, "hovertemplate": None, "hoverinfo": "skip"}
    for name in [key for key in layout if key.startswith("yaxis")]:
        _all_rows(chart["data"], layout[name], name)
    layout.pop("template", None)
    layout |= {"width": width, "height": height, "autosize": False}
    return json.loads(re.sub("</?sub>", "", json.dumps(_legible(chart))))


def _all_rows(traces: Sequence[dict[str, Any]], axis: dict[str, Any], name: str) -> None:
    """Let an axis of names show each of them, however near they come."""
    mine = [t.get("y") for t in traces if t.get("yaxis", "y") == name.replace("axis", "")]
    if "tickvals" not in axis and any(isinstance(y, list) and isinstance([*y, 0][0], str) for y in mine):
        axis["dtick"] = 1


def _legible(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: {**_legible(value), "size": max(SMALLEST, value["size"])}
            if key.endswith("font") and isinstance(value, dict) and "size" in value
            else _legible(value)
            for key, value in part.items()
        }
    return [_legible(each) for each in part] if isinstance(part, list) else part


def _data(value: Any, name: str = "") -> str:
    """A value for a script to read; it can end no element."""
    text = json.dumps(value).replace("<", "\\u003c")
    return f'<script type="application/json" class="{name}">{text}</script>'


def image(png: bytes, alt: str, name: str = "", hidden: bool = False) -> str:
    """A PNG as an element that holds it."""
    data = base64.b64encode(png).decode()
    return f'<img class="{name}" alt="{escape(alt)}" src="data:image/png;base64,{data}"{" hidden" if hidden else ""}>'


def chart(part: Chart, width: int, height: int) -> str:
    """A place of that size in pixels, with the chart that a script draws there."""
    size = f"width:{width}px;height:{height}px;margin:0 {width}px {height}px 0"
    drawn = _data(fitted(part.figure, width, height))
    return f'<div class="chart" role="img" aria-label="{escape(part.alt)}" style="{size}">{drawn}</div>'


def panel(part: Part, beside: int) -> str:
    """One part as HTML, where so many stand side by side."""
    match part:
        case Chart():
            heading = f"<h3>{escape(part.heading)}</h3>" if part.heading else ""
            room = HEIGHT - (30 if heading else 0)
            return f"<div>{heading}{chart(part, (WIDTH - GAP * (beside - 1)) // beside, room)}</div>"
        case Picture():
            lines = "".join(f"<p>{escape(line)}</p>" for line in part.lines)
            picture = image(part.png, part.alt) if part.png else ""
            bars = f'<div class="bars">{part.markup}</div>' if part.markup else ""
            heading = f"<h3>{escape(part.heading)}</h3>"
            return f'<div class="panel">{heading}{picture}<div class="lines">{lines}</div>{bars}</div>'
        case Grid():
            head = "".join(f"<th>{escape(name)}</th>" for name in part.columns)
            rows = "".join(
                f'<tr class="{"marked" if i in part.marked else ""}"><th>{escape(row[0])}</th>'
                + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
                + "</tr>"
                for i, row in enumerate(part.rows)
            )
            return f'<table class="grid"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        case Points():
            return f'<ul class="points">{"".join(f"<li>{escape(line)}</li>" for line in part.lines)}</ul>'
        case Drag():
            return _drag(part)


def _figure(parts: Sequence[Part]) -> str:
    """The parts side by side; answers, which are bars of words, one below the other beside their picture."""
    drawn = [panel(part, len(parts)) for part in parts]
    barred = [isinstance(part, Picture) and bool(part.markup) for part in parts]
    if not any(barred):
        return "".join(drawn)
    answers = "".join(each for each, bars in zip(drawn, barred, strict=True) if bars)
    others = "".join(each for each, bars in zip(drawn, barred, strict=True) if not bars)
    return f'{others}<div class="several {"many" if sum(barred) > 2 else ""}">{answers}</div>'


def _drag(part: Drag) -> str:
    frames = "".join(
        image(png, f"The picture at {strength:g} {part.unit}.", "frame", i > 0)
        for i, (png, strength) in enumerate(zip(part.frames, part.strengths, strict=True))
    )
    said = "".join(
        f'<div><b>{escape(name)}</b><span class="said">{escape(lines[0])}</span></div>'
        for name, lines in part.answers.items()
    )
    facts = {"unit": part.unit, "strengths": list(part.strengths), "answers": list(part.answers.values())}
    last = len(part.strengths) - 1
    slider = f'<input type="range" min="0" max="{last}" step="1" value="0" aria-label="Strength ({escape(part.unit)})">'
    return (
        f'<div class="drag"><div>{frames}<div class="answers">{said}</div></div>{chart(part.chart, *DRAGGED)}'
        f'<div class="slider">{slider}<output></output></div>'
        f"{_data(facts, 'frames')}</div>"
    )


def _slide(sentence: str, shown: Drawn | Marked, notes: str, question: int | None) -> str:
    """A scene; `question` is its number where it is one that a vote can be about."""
    if isinstance(shown, Marked):
        words, source = "", ""
        figure = f'<div class="marked-scene">This scene cannot be shown here. {escape(shown.reason)}</div>'
    else:
        size = "finding long" if len(shown.finding) > LONG else "finding"
        words, source = f'<p class="{size}">{escape(shown.finding)}</p>', escape(f"{shown.note} {shown.source}")
        figure = _figure(shown.parts)
        if shown.answer:
            words += f'<p class="{size} fragment">{escape(shown.answer)}</p>'
    voted = "" if question is None else f' data-question="{question}"'
    return (
        f'<section data-notes="{escape(notes)}"{voted}><div class="scene"><div class="words">'
        f"<h2>{escape(sentence)}</h2>"
        f'{words}<p class="source">{source}</p></div><div class="figure">{figure}</div></div></section>'
    )


def allowed(script: str) -> str:
    """How a page's policy names a script that may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def assets() -> list[str]:
    """The texts of the files that every deck holds, for who wants to know whether one is of this version."""
    return [_file(name) for name in ("reveal.css", "deck.css", "reveal.js", "notes.js", "deck.js", "NOTICE")]


def build(
    story: Story,
    seen: Callable[[int, int], None] = lambda done, total: None,
    show: Callable[[Scene], Drawn | Marked] | None = None,
) -> tuple[bytes, list[tuple[int, str]]]:
    """The story as an HTML file, and which of its scenes are marked, with the reason.

    Args:
        story: to be told.
        seen: told how many scenes of how many are drawn.
        show: gives a scene's figure; without it each is drawn here.

    Returns:
        The file; and (number of the scene from 1, reason) of each that names what is not here.

    Raises:
        InvalidRequest: the story has no scene, or the file would be larger than `MAX_BYTES`.
    """
    if not story.scenes:
        raise InvalidRequest("The story has no scene yet: add views to it.")
    show = show or partial(scenes.show, ask=asked_once())
    drawn = []
    for scene in story.scenes:
        drawn.append(show(scene))
        seen(len(drawn), len(story.scenes))
    pairs = list(zip(story.scenes, drawn, strict=True))
    numbers = iter(range(len(pairs)))
    slides = "".join(
        _slide(scene.sentence, shown, scene.notes, next(numbers) if scene.figure == scenes.ASKS else None)
        for scene, shown in pairs
    )
    sources = dict.fromkeys(shown.source for shown in drawn if isinstance(shown, Drawn))
    page = _page(story.title, slides, list(sources)).encode()
    if len(page) > MAX_BYTES:
        raise InvalidRequest(f"The file would have {len(page) >> 20} MB, and {MAX_BYTES >> 20} fit: leave scenes out.")
    marked = [(i, shown.reason) for i, shown in enumerate(drawn, 1) if isinstance(shown, Marked)]
    return page, marked


def _page(title: str, slides: str, sources: Sequence[str]) -> str:
    reveal_css, deck_css, reveal, notes, deck, notice = assets()
    # The plugin writes the speaker's window itself; its script is one of those that may run.
    window = notes.partition("<script>")[2].partition("<\\/script>")[0].replace("\\\\", "\\")
    scripts = [get_plotlyjs(), reveal, notes, deck]
    running = " ".join(map(allowed, [*scripts, window]))
    policy = (
        f"default-src 'none'; script-src {running}; style-src 'unsafe-inline'; img-src data:; frame-src 'self' file:; "
        "base-uri 'none'; form-action 'none'"
    )
    made = f"Invariscope {core.__version__}, {datetime.now(UTC):%Y-%m-%d}"
    listed = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><!--\n{notice}-->'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(title)}</title>'
        # What reveal.js would do to a printed page is undone by what is printed here.
        f"<style>{reveal_css.partition('@media print')[0]}</style><style>{deck_css}</style></head>"
        f'<body><div class="reveal"><div class="slides"><section><div class="cover"><h1>{escape(title)}</h1>'
        f'<p>{made}</p><p class="keys">{KEYS}</p></div></section>{slides}<section><div class="cover">'
        f"<h2>Where the numbers come from</h2><ul>{listed}</ul><p>{made}. Slides: reveal.js (MIT). Charts: Plotly "
        "(MIT).</p></div></section></div></div>"
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>\n"
    )
