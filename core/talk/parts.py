"""What a scene is made of, before it is a slide: finished figures with their finding, words and source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A Plotly figure with the table that it was drawn from.

    Attributes:
        figure: its finding is in its layout (`core.plots.style.finding_of`).
        alt: the same in words.
        table: what is drawn.
        name: of its files and its place on a page.
        heading: of its own, where several stand side by side.
    """

    figure: go.Figure
    alt: str
    table: pd.DataFrame
    name: str
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG with a heading above it, lines below it, and markup of the house below those (`core.plots.bars`)."""

    png: bytes
    alt: str
    heading: str = ""
    lines: tuple[str, ...] = ()
    markup: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table to read: names of columns, and rows whose first cell names them; `marked` rows stand out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences, one below the other."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drag:
    """An axis of strength that the speaker drags, every frame of it at hand.

    Attributes:
        unit: of the strengths.
        strengths: N of them.
        frames: N PNGs.
        answers: what each contender says, N lines by its name.
        chart: with the strengths on its x axis, along which a line goes.
    """

    unit: str
    strengths: Sequence[float]
    frames: Sequence[bytes]
    answers: Mapping[str, Sequence[str]]
    chart: Chart


Part = Chart | Picture | Grid | Points | Drag


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A scene's figure.

    Attributes:
        finding: what it shows, in a sentence; may be empty.
        parts: side by side.
        source: study or sample, weights, versions.
        note: what else must be said to read it; may be empty.
        answer: what is told after the audience thought about it; empty where nothing is asked.
    """

    finding: str
    parts: tuple[Part, ...]
    source: str
    note: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A scene that cannot be shown here, and why."""

    reason: str
