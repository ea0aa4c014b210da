"""One look for every figure: a hue a regime family, and dash and marker that repeat what colour says."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.encoders.spec import EncoderSpec

# Okabe and Ito's blue and vermilion, told apart by colour-blind eyes and at 3:1 on both backgrounds; lighter and
# darker steps for a second and third contender of the same family.
HUES = {
    "SSL": ("#1f86c9", "#58b0e8", "#0d5a94"),
    "SL": ("#d9651f", "#f09a5e", "#a34510"),
    "random": ("#868c95", "#a3a9b1", "#6a7078"),
    "other": ("#2f9e77", "#63c39f", "#1c6f52"),
}
GREY = "#868c95"  # of what is no contender, and of a difference inside the noise
UNSURE = "no difference found"
LINE, LEGEND, TITLE_WIDTH = 20, 28, 78  # pixels of a line of a title and of the legend; characters of a line
DASHES = {"SSL": "solid", "SL": "dash", "random": "dot", "other": "dashdot"}
MARKERS = {"SSL": ("circle", "circle-open", "circle-dot"), "SL": ("square", "square-open", "square-dot")}
REGIME_NAMES = {
    "supervised": "supervised",
    "self-supervised": "self-supervised",
    "self-supervised-fine-tuned": "self-supervised, fine-tuned",
    "semi-supervised": "semi-supervised",
    "semi-weakly-supervised": "semi-weakly supervised",
    "weakly-supervised": "weakly supervised",
    "vision-language": "vision-language",
    "distilled": "distilled from several teachers",
    "unknown": "regime unknown",
    "random": "random weights",
}


@dataclass(frozen=True, slots=True)
class StudyEncoder:
    """An encoder as the manifest of a study names it; it need not be in the catalog. `family` is a key of `HUES`."""

    id: str
    label: str
    family: str


Drawn = EncoderSpec | StudyEncoder
"""What a chart can draw an encoder by."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one contender is drawn everywhere."""

    colour: str
    dash: str
    marker: str


def styles(specs: Sequence[Drawn]) -> dict[str, Style]:
    """The style of each encoder by id; the second of a family gets another shade and marker."""
    seen: dict[str, int] = {}
    found = {}
    for spec in specs:
        number = seen.get(spec.family, 0)
        seen[spec.family] = number + 1
        hues, markers = HUES[spec.family], MARKERS.get(spec.family, ("diamond", "diamond-open", "x"))
        found[spec.id] = Style(hues[number % 3], DASHES[spec.family], markers[number % 3])
    return found


def whiskers(value: Any, low: Any, high: Any, **look: Any) -> dict[str, Any]:
    """Plotly's error bars from values to the limits of their intervals."""
    return {"type": "data", "array": high - value, "arrayminus": value - low, "thickness": 1, "width": 0} | look


def band(x: pd.Series, low: pd.Series, high: pd.Series, colour: str) -> go.Scatter:
    """An interval along a line, as an area."""
    return go.Scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        mode="lines",  # of few points Plotly would draw each as a dot
        fillcolor=rgba(colour, 0.15),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def apart(place: int, of: int) -> float:
    """How far the mark of one of some series lies from the middle of its row, so that none covers another."""
    return 0.17 * (place - (of - 1) / 2)


def rows_axis(figure: go.Figure, labels: Sequence[str]) -> None:
    """Name the rows 0, 1, … of a figure from above."""
    figure.update_yaxes(
        tickvals=list(range(len(labels))), ticktext=list(labels), range=[len(labels) - 0.5, -0.5], automargin=True
    )


def line(style: Style, width: float = 2.5) -> dict[str, Any]:
    """A contender's line."""
    return {"color": style.colour, "dash": style.dash, "width": width}


def add_line(
    figure: go.Figure,
    x: Any,
    y: Any,
    name: str,
    style: Style,
    hover: str,
    marks: int = 0,
    width: float = 2.5,
    **more: Any,
) -> None:
    """Draw a contender's line through (N,) points, with its marker at each where `marks` is that one's size in pixels.

    Its hover text begins with the contender's name; `more` is Plotly's.
    """
    look = {"mode": "lines+markers", "marker": {"symbol": style.marker, "size": marks}} if marks else {"mode": "lines"}
    hover = f"{name}: {hover}<extra></extra>"
    figure.add_scatter(
        **{"x": x, "y": y, "name": name, "line": line(style, width), "hovertemplate": hover} | look | more
    )


def add_estimates(
    figure: go.Figure, x: Any, y: Any, low: Any, high: Any, name: str, symbol: str, colour: str, hover: str, **more: Any
) -> None:
    """Draw (N,) estimates along x with their intervals, a mark each in rows y; `more` is Plotly's."""
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 9, "color": colour},
        error_x=whiskers(x, low, high, color=colour),
        hovertemplate=f"{hover}<extra></extra>",
        **more,
    )


def square(
    values: NDArray[np.float64], names: Sequence[str], high: float, signed: bool = False, **more: Any
) -> go.Figure:
    """An (N, N) table in colours, from above and from the left as `names`, up to `high`; `signed` around 0."""
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            zmin=-high if signed else 0,
            zmax=high,
            colorscale="RdBu" if signed else "Blues",
            **more,
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(showlegend=False)
    return figure


def panel_titles(figure: go.Figure, panels: int) -> None:
    """Set the titles of a figure's panels from the left, as everything else is."""
    for annotation in figure.layout.annotations[:panels]:
        annotation.update(x=0, xanchor="left", font={"size": 12})


def rgba(colour: str, alpha: float) -> str:
    """`#rrggbb` with an opacity in [0, 1], as CSS."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def short_labels(specs: Sequence[Drawn]) -> dict[str, str]:
    """Names by id without what all of them share: `supervised` and `SimCLR` when both are a ResNet-18 S."""
    heads = {spec.label.split(" · ")[0] for spec in specs}
    shared = len(heads) == 1 and len(specs) > 1
    return {spec.id: spec.label.split(" · ", 1)[-1] if shared else spec.label for spec in specs}


def finish(figure: go.Figure, finding: str, height: int, over_first_panel: int = 0) -> go.Figure:
    """The common frame of a chart.

    The finding is kept in `figure.layout.meta`: a page prints it as text, which wraps on a phone; `titled` draws it
    into a chart that leaves the page.

    Args:
        figure: to be framed, in place.
        finding: what the chart shows, as a sentence.
        height: of the whole, in pixels.
        over_first_panel: pixels kept free below the legend for the title of a first panel.
    """
    legend = 0 if figure.layout.showlegend is False else LEGEND
    figure.update_layout(
        meta={"finding": finding},
        height=height,
        margin={"l": 8, "r": 12, "t": 6 + legend + over_first_panel, "b": 8},
        legend={
            "orientation": "h",
            "yref": "container",
            "yanchor": "top",
            "y": 1,
            "x": 0,
            "xanchor": "left",
            "title": None,
        },
        hoverlabel={"namelength": -1},
        font={"size": 13},
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def finding_of(figure: go.Figure) -> str:
    """The sentence that `finish` attached."""
    return str(figure.layout.meta["finding"])


def titled(figure: go.Figure) -> go.Figure:
    """A copy that stands alone: the finding as its title, broken into lines since Plotly does not."""
    lines = textwrap.wrap(finding_of(figure), TITLE_WIDTH)
    room = 12 + LINE * len(lines)
    alone = go.Figure(figure)
    alone.update_layout(
        title={"text": "<br>".join(lines), "font": {"size": 15}, "x": 0.01, "xanchor": "left"},
        height=figure.layout.height + room,
        margin={"t": figure.layout.margin.t + room},
    )
    alone.update_layout(legend={"y": 1 - room / (figure.layout.height + room)})
    return alone
