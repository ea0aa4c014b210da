"""The generalization gap: accuracy on the sets far from the source minus that on those near it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.interval import Interval
from core.plots.style import GREY, Style, finish, whiskers
from core.text import signed


def gap_finding(
    table: pd.DataFrame, difference: Interval | None, noise: float, names: Mapping[str, str], first: str, second: str
) -> str:
    """Whether the two contenders' gaps differ; without two of them, what the gaps are.

    Args:
        table: of `summary.generalization_gap`, not empty.
        difference: of `pairs.gap_difference`.
        noise: of `training_noise.of_gap`.
    """
    gaps = dict(zip(table["encoder"], 100 * table["gap"], strict=True))
    if difference is None or np.isnan(difference.low) or first not in gaps or second not in gaps:
        said = ", ".join(f"{names[id]} {signed(gap)}" for id, gap in gaps.items())
        return f"Accuracy on different sets minus that on similar sets, in points: {said}"
    both = f"{names[first]} {signed(gaps[first])}, {names[second]} {signed(gaps[second])} points"
    limits = f"{signed(100 * difference.low)} to {signed(100 * difference.high)}"
    reach = f"difference {signed(100 * difference.estimate)}, 95 % interval {limits}"
    if abs(difference.estimate) <= noise:
        runs = f"two training runs of one method lie {100 * noise:.1f} apart"
        return f"No difference found between the generalization gaps: {both} ({reach}; {runs})"
    if not difference.found:
        return f"No difference found between the generalization gaps: {both} ({reach})"
    better = second if difference.estimate > 0 else first
    return f"{names[better]} fares relatively better on different sets: gaps are {both} ({reach})"


def gap_chart(table: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Style], finding: str) -> go.Figure:
    """Each encoder's mean accuracy on different sets minus that on similar ones, in points, with its interval."""
    figure = go.Figure()
    for _, row in table.iterrows():
        id, gap = str(row["encoder"]), 100 * row["gap"]
        figure.add_scatter(
            x=[gap],
            y=[names[id]],
            mode="markers+text",
            text=[f"{signed(gap)}"],
            textposition="top center",
            marker={"symbol": look[id].marker, "size": 13, "color": look[id].colour},
            error_x=whiskers(
                *(np.array([value]) for value in (gap, 100 * row["low"], 100 * row["high"])),
                color=look[id].colour,
                thickness=2,
                width=5,
            ),
            customdata=[[100 * row["similar"], 100 * row["different"], 100 * row["low"], 100 * row["high"]]],
            hovertemplate="%{y}: %{x:+.1f} points (%{customdata[2]:.1f} to %{customdata[3]:.1f})<br>similar "
            "%{customdata[0]:.1f} %, different %{customdata[1]:.1f} %<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(title="different minus similar (points)", zeroline=False)
    figure.update_yaxes(range=[len(table) - 0.5, -0.75])
    figure.update_layout(showlegend=False)
    return finish(figure, finding, height=110 + 62 * len(table))


def gap_alt(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The gaps in words."""
    parts = [
        f"{names[str(row['encoder'])]}: {row['similar']:.1%} on similar sets, {row['different']:.1%} on different "
        f"ones, gap {signed(100 * row['gap'])} points (95 % interval {signed(100 * row['low'])} to "
        f"{signed(100 * row['high'])})"
        for _, row in table.iterrows()
    ]
    return "Generalization gap by encoder. " + "; ".join(parts) + "."
