"""Accuracy of a study's encoders by data set, grouped by domain, with what each figure must be seen beside."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.study_words import DOMAIN_NAMES, capital, set_labels
from core.plots.style import GREY, StudyEncoder, Style, finish, whiskers
from core.results.info import StudyInfo

CONTROLS = {
    "majority": ("always the commonest class", GREY, 1.2),
    "random_encoder": ("random-weights encoder", GREY, 4.0),
    "best_supervised": ("best supervised figure of all studies at hand", "#a34510", 3.0),
}
"""Column of the controls' table to name, colour and width of its line."""
PATTERNS = {"solid": "", "dash": "/", "dot": ".", "dashdot": "x"}
PUBLISHED = "#7a5cc0"  # of no family and no domain: these figures were not measured here
INK = {"light": "#1b2430", "dark": "#e6eaf0"}  # by theme
MANY = 60  # bars from which on their numbers would be a thicket
PHONE = 330  # pixels of a legend's line
LINE_UNIT = 1.4  # Plotly draws a "line-ns" of size s this much longer than s
BAR, BETWEEN, OVER = 22, 18, 34  # pixels of a bar, between two sets, and above a group for its title


def encoders_of(info: StudyInfo) -> list[StudyEncoder]:
    """The encoders of a study, in its order."""
    return [StudyEncoder(id, str(about["label"]), str(about["family"])) for id, about in info.encoders.items()]


def accuracy_bars(
    table: pd.DataFrame,
    controls: pd.DataFrame,
    names: Mapping[str, str],
    look: Mapping[str, Style],
    finding: str,
    study: str,
    published: pd.DataFrame | None = None,
    ink: str = INK["light"],
) -> go.Figure:
    """Bars of accuracy in percent with 95 % intervals, one panel a domain, control lines across each set's bars.

    A bar carries (data set, encoder) as customdata, which is what a click gives back.

    Args:
        table: rows of `summary.accuracy` of the encoders to draw.
        controls: of `summary.controls`.
        study: id; where a set's best supervised figure is one of the bars, no line repeats it.
        published: rows of `published.published`; drawn as diamonds, apart from what was measured.
        ink: of the intervals, which lie on the bars as well as on the background.
    """
    table = table.assign(name=table["dataset"].map(set_labels(table)))
    groups = [(str(domain), part) for domain, part in table.groupby("domain", sort=False)]
    encoders = [id for id in names if id in set(table["encoder"])]
    across = BAR * len(encoders)
    heights = [part["dataset"].nunique() * (across + BETWEEN) for _, part in groups]
    figure = make_subplots(
        rows=len(groups),
        cols=1,
        shared_xaxes=True,
        row_heights=heights,
        vertical_spacing=OVER / (sum(heights) + OVER * (len(groups) - 1)) if len(groups) > 1 else 0,
        subplot_titles=[f"<b>{DOMAIN_NAMES[domain]}</b>" for domain, _ in groups],
    )
    shown: set[str] = set()
    numbers: list[dict[str, Any]] = []
    for row, (_, part) in enumerate(groups, start=1):
        for id in encoders:
            mine = part[part["encoder"] == id]
            if not mine.empty:
                figure.add_trace(_bars(mine, id, names[id], look[id], id not in shown, ink), row=row, col=1)
                shown.add(id)
                if len(table) < MANY:
                    numbers += _numbers(mine, BAR * (encoders.index(id) - (len(encoders) - 1) / 2), row)
        places = part.drop_duplicates("dataset")[["dataset", "name"]]
        for column in CONTROLS:
            lines = places.merge(_seen_beside(controls, column, study, encoders), on="dataset")
            if not lines.empty:
                figure.add_trace(_lines(lines, column, names, across), row=row, col=1)
        if published is not None and not published.empty:
            marks = places.merge(published, on="dataset")
            if not marks.empty:
                figure.add_trace(_marks(marks, "published" not in shown), row=row, col=1)
                shown.add("published")
        figure.update_yaxes(autorange="reversed", row=row, col=1)
    figure.update_xaxes(range=[0, 107], tickvals=[0, 20, 40, 60, 80, 100], showgrid=True)
    figure.update_xaxes(title="accuracy (%)", row=len(groups), col=1)
    figure.update_layout(barmode="group", bargap=BETWEEN / (across + BETWEEN), clickmode="event+select")
    for title in figure.layout.annotations:
        title.update(x=0, xanchor="left", font={"size": 13})
    # All at once: Plotly looks through those that are there at every one that is added.
    figure.layout.annotations = (*figure.layout.annotations, *numbers)
    # On a phone the legend breaks into lines, which Plotly makes no room for.
    second_line = 20 if sum(40 + 7 * len(names[id]) for id in encoders) > PHONE else 0
    height = sum(heights) + OVER * (len(groups) - 1) + 110 + second_line
    return finish(figure, finding, height=height, over_first_panel=26 + second_line)


def _bars(mine: pd.DataFrame, id: str, name: str, style: Style, first: bool, ink: str) -> go.Bar:
    value = 100 * mine["accuracy"]
    return go.Bar(
        x=value,
        y=mine["name"],
        orientation="h",
        name=name,
        legendgroup=id,
        offsetgroup=id,
        showlegend=first,
        marker={
            "color": style.colour,
            "pattern": {
                "shape": PATTERNS[style.dash],
                "fillmode": "overlay",
                "fgcolor": "#ffffff",
                "fgopacity": 0.35,
                "size": 7,
                "solidity": 0.25,
            },
        },
        # A bar that is not chosen stays as legible as one that is.
        unselected={"marker": {"opacity": 0.75}},
        error_x=whiskers(value, 100 * mine["low"], 100 * mine["high"], thickness=1.4, width=3, color=ink),
        customdata=[
            [dataset, id, f"{100 * low:.1f} to {100 * high:.1f}", f"{samples:,}", seeds]
            for dataset, low, high, samples, seeds in zip(
                mine["dataset"], mine["low"], mine["high"], mine["samples"], mine["seeds"], strict=True
            )
        ],
        hovertemplate="%{y}: %{x:.1f} % (%{customdata[2]}), %{customdata[3]} test samples, "
        "%{customdata[4]} seed(s)<extra>%{fullData.name}</extra>",
    )


def controls_note(controls: pd.DataFrame, datasets: Sequence[str], study: str, encoders: Sequence[str]) -> str:
    """What the lines across the bars are, as far as there are any.

    Args:
        controls: of `summary.controls`.
        datasets: ids of the sets drawn.
        encoders: ids of the encoders drawn.
    """
    shapes = {"majority": "thin grey line", "random_encoder": "thick grey line", "best_supervised": "brown line"}
    drawn = controls[controls["dataset"].isin(list(datasets))]
    said = [
        f"{shape}: {CONTROLS[column][0]}"
        for column, shape in shapes.items()
        if not _seen_beside(drawn, column, study, encoders).empty
    ]
    own = len(drawn.dropna(subset=["best_supervised"])) - len(_seen_beside(drawn, "best_supervised", study, encoders))
    if own:
        said.append(f"on {own} of {len(drawn)} sets the best supervised figure at hand is one of the bars")
    return f"{capital('; '.join(said))}." if said else ""


def _numbers(mine: pd.DataFrame, below: float, row: int) -> list[dict[str, Any]]:
    """The accuracies, each behind the interval of its bar, `below` pixels under the middle of the group."""
    panel = "" if row == 1 else row
    return [
        {
            "text": f"{100 * value:.1f}",
            "x": 100 * high,
            "y": name,
            "xref": f"x{panel}",
            "yref": f"y{panel}",
            "xshift": 5,
        }
        | {"yshift": -below, "xanchor": "left", "showarrow": False, "font": {"size": 12}}
        for name, value, high in zip(mine["name"], mine["accuracy"], mine["high"], strict=True)
    ]


def _seen_beside(controls: pd.DataFrame, column: str, study: str, encoders: Sequence[str]) -> pd.DataFrame:
    """The sets that have a control line of a kind."""
    known = controls.dropna(subset=[column])
    if column == "best_supervised":
        own = (known["best_supervised_study"] == study) & known["best_supervised_encoder"].isin(list(encoders))
        return known[~own]
    return known


def _lines(lines: pd.DataFrame, column: str, names: Mapping[str, str], across: int) -> go.Scatter:
    name, colour, width = CONTROLS[column]
    said = [name] * len(lines)
    if column == "best_supervised":
        said = [
            f"{name}: {names.get(encoder, encoder)}, study {study}"
            for encoder, study in zip(lines["best_supervised_encoder"], lines["best_supervised_study"], strict=True)
        ]
    return go.Scatter(
        x=100 * lines[column],
        y=lines["name"],
        mode="markers",
        name=name,
        showlegend=False,
        marker={
            "symbol": "line-ns",
            "size": (across + 6) / LINE_UNIT,
            "color": colour,
            "line": {"width": width, "color": colour},
        },
        text=said,
        # A line is of a set and of no contender; whoever clicks it means the bars beneath.
        customdata=[[dataset, ""] for dataset in lines["dataset"]],
        hovertemplate="%{y}: %{x:.1f} %<extra>%{text}</extra>",
    )


def _marks(marks: pd.DataFrame, first: bool) -> go.Scatter:
    return go.Scatter(
        x=100 * marks["accuracy"],
        y=marks["name"],
        mode="markers",
        name="published, not measured here",
        legendgroup="published",
        showlegend=first,
        marker={"symbol": "diamond-open", "size": 11, "color": PUBLISHED, "line": {"width": 2.5}},
        # Not the keys of a measured bar: there are no samples behind these.
        text=[f"{model}<br>{source}" for model, source in zip(marks["model"], marks["source"], strict=True)],
        hovertemplate="%{y}: %{x:.1f} %<extra>%{text}</extra>",
    )
