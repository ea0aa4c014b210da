"""Bars of class probabilities as HTML.

They are the first thing that a page shows of an image, and the last that a person waits for. A Plotly figure is put
together, sent and drawn from nothing for every new image, which costs many times what the answer itself does.
"""

from html import escape

import pandas as pd

from core.plots.style import GREY, Style, rgba

ROW = 30  # pixels, of a class
FAR = 20  # ranks beyond this are told
TICKS = (0.0, 0.5, 1.0)


def bars(table: pd.DataFrame, style: Style, alt: str, highlight: str | None = None) -> str:
    """Horizontal bars of one contender's classes: calibrated probability, with a tick at the raw softmax.

    The axis runs from 0 to 100 % for every contender, so that bars beside each other can be compared. Colours of text
    and ground are the page's: the bars stand on a light one and on a dark one.

    Args:
        table: rows of one encoder from `answers_table`.
        alt: the bars in words, for who cannot see them.
        highlight: a class to draw in full colour; by default all are.
    """
    rows = zip(table["class"], table["rank"], table["probability"], table["raw"], strict=True)
    drawn = []
    for name, rank, probability, raw in rows:
        colour = rgba(style.colour, 1.0 if highlight in (None, name) else 0.45)
        drawn.append(_row(name if rank <= FAR else f"{name} (rank {rank})", probability, raw, colour))
    labels = "".join(_at(tick, f"transform:translateX({-100 * tick:.0f}%)", f"{tick:.0%}") for tick in TICKS)
    return (
        f'<div role="img" aria-label="{escape(alt)}" style="display:grid;'
        "grid-template-columns:fit-content(45%) 1fr 2.6em;column-gap:8px;align-items:center;"
        f'font-size:13px;line-height:1.2">{"".join(drawn)}'
        f'<div></div><div style="position:relative;height:18px;opacity:.8">{labels}</div><div></div>'
        '<div></div><div style="text-align:center;opacity:.8">probability</div><div></div></div>'
    )


def _share(value: float) -> str:
    """A probability for people; its bar may be longer than nothing and its number still round to it."""
    return f"{value:.0%}" if value >= 0.005 else "<1%"


def _at(place: float, style: str, words: str = "") -> str:
    """A mark or words at a share of the axis."""
    return f'<div style="position:absolute;left:{place:.2%};white-space:nowrap;{style}">{escape(words)}</div>'


def _row(name: str, probability: float, raw: float, colour: str) -> str:
    """One class: its name, its bar, the tick, and the number."""
    words = escape(f"{name}: {probability:.1%}; {raw:.1%} before temperature")
    lines = "".join(_at(tick, f"top:0;bottom:0;width:1px;background:{rgba(GREY, 0.25)}") for tick in TICKS)
    bar = _at(0, f"top:15%;bottom:15%;width:{probability:.2%};background:{colour}")
    tick = _at(raw, f"top:25%;bottom:25%;width:2px;margin-left:-1px;background:{GREY}")
    return (
        f'<div title="{escape(name)}" style="text-align:right;overflow-wrap:anywhere">{escape(name)}</div>'
        f'<div title="{words}" style="position:relative;height:{ROW}px">{lines}{bar}{tick}</div>'
        f"<div>{escape(_share(probability))}</div>"
    )
