"""The invariance of two contenders on whole data sets: the fingerprint, its curves, and which answers flip when."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.augmentations.spec import Augmentation
from core.plots.style import GREY, UNSURE, Style, add_estimates, add_line, band, finish, line, whiskers
from core.results.steadiness import Overall
from core.text import signed

ROW = 26  # pixels of an augmentation
MARK = " †"
"""After the name of an augmentation that a contender was pre-trained with."""


def finding(table: pd.DataFrame, whole: Overall, names: Mapping[str, str], first: str, second: str) -> str:
    """Who keeps more, under how many augmentations, and by how much on the whole.

    Args:
        table: of `steadiness.fingerprint`.
        whole: of `steadiness.overall`.
    """
    found = table[table["found"]]
    more, less = int((found["difference"] > 0).sum()), int((found["difference"] < 0).sum())
    mean, noise = whole.difference, whole.noise
    limits = f"{signed(mean.estimate, 2)} (95 % interval {signed(mean.low, 2)} to {signed(mean.high, 2)})"
    ahead = names[second if mean.estimate > 0 else first]
    verdict = f"{ahead} is the more invariant on the whole" if whole.found else f"On the whole {UNSURE}"
    runs = f"; two training runs of one method lie {noise:.2f} apart" if noise == noise else ""
    return (
        f"{verdict}: {names[second]} minus {names[first]} {limits}{runs}. {names[second]} keeps more under {more}, "
        f"{names[first]} under {less} of {len(table)} augmentations; {UNSURE} in {len(table) - more - less}."
    )


def fingerprint(
    table: pd.DataFrame,
    names: Mapping[str, str],
    look: Mapping[str, Style],
    first: str,
    second: str,
    said: str,
    unit: str,
) -> go.Figure:
    """Augmentations × contenders: what each keeps, and the paired difference, sorted by it.

    A row carries its augmentation as customdata, which is what a click gives back.
    """
    rows = table.sort_values("difference", ignore_index=True)
    labels = [
        row["label"] + (MARK if row["trained_first"] or row["trained_second"] else "")
        for row in rows.to_dict("records")
    ]
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        column_widths=[0.6, 0.4],
    )
    for role, id in (("first", first), ("second", second)):
        place: dict[str, Any] = {"customdata": rows[["augmentation"]], "row": 1, "col": 1}
        drawn = (names[id], look[id].marker, look[id].colour, f"{names[id]}, %{{y}}: %{{x:.2f}}")
        add_estimates(figure, rows[role], labels, rows[f"{role}_low"], rows[f"{role}_high"], *drawn, **place)
    colours = [
        (look[second] if row["difference"] > 0 else look[first]).colour if row["found"] else GREY
        for row in rows.to_dict("records")
    ]
    figure.add_bar(
        x=rows["difference"],
        y=labels,
        orientation="h",
        row=1,
        col=2,
        showlegend=False,
        marker={"color": colours, "opacity": 0.75},
        error_x=whiskers(rows["difference"], rows["low"], rows["high"], color=GREY, thickness=1.5),
        customdata=rows[["augmentation"]],
        hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.2}, row=1, col=2)
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dot"}, row=1, col=1)
    figure.update_xaxes(title=unit, row=1, col=1)
    figure.update_xaxes(title=f"{names[second]} minus {names[first]}", row=1, col=2)
    figure.update_yaxes(automargin=True, tickfont={"size": 12})
    return finish(figure, said, height=150 + ROW * len(rows))


def radar(
    table: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Style], first: str, second: str, said: str
) -> go.Figure:
    """The same as two outlines around one centre: what is kept, without intervals, from 0 outwards."""
    rows = table.sort_values("difference", ignore_index=True)
    labels = [*rows["label"], rows["label"].iloc[0]]  # closed
    figure = go.Figure()
    for role, id in (("first", first), ("second", second)):
        figure.add_scatterpolar(
            r=[*rows[role], rows[role].iloc[0]],
            theta=labels,
            mode="lines+markers",
            name=names[id],
            line=line(look[id]),
            marker={"symbol": look[id].marker, "size": 6},
            hovertemplate=f"{names[id]}, %{{theta}}: %{{r:.2f}}<extra></extra>",
        )
    figure.update_polars(
        radialaxis={"range": [min(0.0, float(rows[["first", "second"]].to_numpy().min())), 1], "gridcolor": GREY},
        angularaxis={"tickfont": {"size": 11}, "gridcolor": GREY},
        bgcolor="rgba(0,0,0,0)",
        domain={"x": [0.2, 0.8], "y": [0.04, 0.96]},  # room for the names, on a phone too
    )
    return finish(figure, said, height=560)


def alt(table: pd.DataFrame, names: Mapping[str, str], first: str, second: str) -> str:
    """The fingerprint in words."""
    parts = [
        f"{row['label']}: {names[first]} {row['first']:.2f}, {names[second]} {row['second']:.2f}"
        for row in table.to_dict("records")
    ]
    return "Invariance by augmentation. " + "; ".join(parts) + "."


def curves(
    table: pd.DataFrame, augmentation: Augmentation, names: Mapping[str, str], look: Mapping[str, Style], unit: str
) -> go.Figure:
    """What is kept over strength: mean over images with its 95 % interval; 0 is as of another image.

    Args:
        table: of `curves.curve`.
        unit: of the axis upwards.
    """
    figure = go.Figure()
    for id, part in table.groupby("encoder", sort=False):
        figure.add_trace(band(part["strength"], part["low"], part["high"], look[str(id)].colour))
        of = names[str(id)], look[str(id)]
        add_line(figure, part["strength"], part["mean"], *of, "%{y:.2f} at %{x:g}", 7)
    figure.add_hline(y=0, line={"color": GREY, "dash": "dot", "width": 1.2})
    figure.update_xaxes(title=augmentation.unit)
    figure.update_yaxes(title=unit)
    ends = table[table["strength"] == table["strength"].iloc[-1]].set_index("encoder")["mean"]
    said = ", ".join(f"{names[str(id)]} {value:.2f}" for id, value in ends.items())
    return finish(figure, f"{augmentation.label} at its strongest: kept {said}", height=340)


def survival(
    table: pd.DataFrame, augmentation: Augmentation, names: Mapping[str, str], look: Mapping[str, Style]
) -> go.Figure:
    """Share of answers that have not flipped yet, over strength.

    Args:
        table: of `curves.survival`.
    """
    figure = go.Figure()
    halves = []
    for key, part in table.groupby("encoder", sort=False):
        id = str(key)
        stepped = line(look[id]) | {"shape": "hv"}
        hover = "%{y:.0%} at %{x:g}"
        add_line(figure, part["strength"], part["share"], names[id], look[id], hover, line=stepped)
        below = part[part["share"] <= 0.5]
        halves.append(f"{names[id]} {below['strength'].iloc[0]:.3g}" if len(below) else f"{names[id]} never")
    figure.update_xaxes(title=augmentation.unit)
    figure.update_yaxes(title="answers that stay", tickformat=".0%", range=[-0.02, 1.02])
    return finish(figure, f"Half of the answers have flipped at: {', '.join(halves)}", height=340)
