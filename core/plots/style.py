"""One look for every figure: a hue a regime family, and dash and marker that repeat what colour says."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from core.encoders.spec import EncoderSpec

# Okabe and Ito's blue and vermilion, told apart by colour-blind eyes and at 3:1 on both backgrounds; lighter and
# darker steps for a second and third contender of the same family.
HUES = {
    "SSL": ("#1f86c9", "#58b0e8", "#0d5a94"),
    "SL": ("#d9651f", "#f09a5e", "#a34510"),
    "random": ("#868c95", "#a3a9b1", "#6a7078"),
    "other": ("#2f9e77", "#63c39f", "#1c6f52"),
}
DASHES = {"SSL": "solid", "SL": "dash", "random": "dot", "other": "dashdot"}
MARKERS = {"SSL": ("circle", "circle-open", "circle-dot"), "SL": ("square", "square-open", "square-dot")}
FAMILY_NAMES = {"SSL": "self-supervised", "SL": "supervised", "random": "random weights", "other": "other supervision"}


@dataclass(frozen=True, slots=True)
class Style:
    """How one contender is drawn everywhere."""

    colour: str
    dash: str
    marker: str


def styles(specs: Sequence[EncoderSpec]) -> dict[str, Style]:
    """The style of each encoder by id; the second of a family gets another shade and marker."""
    seen: dict[str, int] = {}
    found = {}
    for spec in specs:
        number = seen.get(spec.family, 0)
        seen[spec.family] = number + 1
        hues, markers = HUES[spec.family], MARKERS.get(spec.family, ("diamond", "diamond-open", "x"))
        found[spec.id] = Style(hues[number % 3], DASHES[spec.family], markers[number % 3])
    return found


def rgba(colour: str, alpha: float) -> str:
    """`#rrggbb` with an opacity in [0, 1], as CSS."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    """The common frame: a title that states the finding, room for labels, no decoration."""
    figure.update_layout(
        title={"text": _wrap(title), "font": {"size": 15}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        height=height,
        margin={"l": 8, "r": 12, "t": 66, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "xanchor": "left", "title": None},
        hoverlabel={"namelength": -1},
        font={"size": 13},
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def _wrap(text: str, width: int = 78) -> str:
    """Break a long title into lines, since Plotly does not."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])
