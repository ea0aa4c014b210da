"""Bars of class probabilities as HTML.

They are the first thing that a page shows of an image, and the last that a person waits for. A Plotly figure is put
together, sent and drawn from nothing for every new image, which costs many times what the answer itself does.
"""

from html import escape

import pandas as pd

from core.plots.style import GREY, Style, rgba

ROW = 30  # pixels, of a class
FAR = 20  # ranks beyond this are told
STEPS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
MOST_TICKS = 3


def bars(table: pd.DataFrame, style: Style, alt: str, highlight: str | None = None) -> str:
    """Horizontal bars of one contender's classes: calibrated probability, with a tick at the raw softmax.

    Colours of text and ground are the page's, so that the bars stand on a light and on a dark one.

    Args:
        table: rows of one encoder from `answers_table`.
        style: of the encoder.
        alt: the bars in words, for who cannot see them.
        highlight: a class to draw in full colour; by default all are.
    """
    reach = float(table[["probability", "raw"]].to_numpy().max())
    # Room for a number behind the longest bar.
    span = reach * 1.22 + 0.02
    ticks = _ticks(span)
    lines = "".join(_at(tick / span, f"top:0;bottom:0;width:1px;background:{rgba(GREY, 0.25)}") for tick in ticks)
    rows = zip(table["class"], table["rank"], table["probability"], table["raw"], strict=True)
    drawn = []
    for name, rank, probability, raw in rows:
        colour = rgba(style.colour, 1.0 if highlight in (None, name) else 0.45)
        told = name if rank <= FAR else f"{name} (rank {rank})"
        drawn.append(_row(told, probability, raw, span, lines, colour))
    labels = "".join(_at(tick / span, "transform:translateX(-50%)", f"{tick * 100:.3g}%") for tick in ticks)
    return (
        f'<div role="img" aria-label="{escape(alt)}" style="display:grid;grid-template-columns:fit-content(45%) 1fr;'
        f'column-gap:8px;align-items:center;font-size:13px;line-height:1.2">{"".join(drawn)}'
        f'<div></div><div style="position:relative;height:18px;opacity:.8">{labels}</div>'
        '<div></div><div style="text-align:center;opacity:.8">probability</div></div>'
    )


def _ticks(span: float) -> list[float]:
    """A few round numbers from 0 up to `span`."""
    step = next((step for step in STEPS if span / step <= MOST_TICKS), STEPS[-1])
    return [number * step for number in range(int(span / step) + 1)]


def _share(value: float) -> str:
    """A probability for people; its bar may be longer than nothing and its number still round to it."""
    return f"{value:.0%}" if value >= 0.005 else "<1%"


def _at(place: float, style: str, words: str = "") -> str:
    """A mark or words at a share of the axis."""
    return f'<div style="position:absolute;left:{place:.2%};white-space:nowrap;{style}">{escape(words)}</div>'


def _row(name: str, probability: float, raw: float, span: float, lines: str, colour: str) -> str:
    """One class: its name, its bar, the tick, and the number behind whichever of the two reaches further."""
    words = escape(f"{name}: {probability:.1%}; {raw:.1%} before temperature")
    bar = _at(0, f"top:15%;bottom:15%;width:{probability / span:.2%};background:{colour}")
    tick = _at(raw / span, f"top:25%;bottom:25%;width:2px;margin-left:-1px;background:{GREY}")
    number = _at(
        max(probability, raw) / span, "top:50%;transform:translateY(-50%);margin-left:6px", _share(probability)
    )
    return (
        f'<div title="{escape(name)}" style="text-align:right;overflow-wrap:anywhere">{escape(name)}</div>'
        f'<div title="{words}" style="position:relative;height:{ROW}px">{lines}{bar}{tick}{number}</div>'
    )
