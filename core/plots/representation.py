"""Feature spaces beside each other: which are alike, what geometry they have, and their images as points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.representation import SharedNeighbours
from core.plots.style import finish, square

MANY = 12  # classes from which on a legend would be a thicket
LEVEL = 0.05  # below which the probability by chance alone is called small


def matrix(
    table: pd.DataFrame, measure: str, names: Mapping[str, str], encoders: Sequence[str], said: str
) -> go.Figure:
    """How alike each two encoders are, in one square; the diagonal is 1 by definition.

    Args:
        table: of `geometry.kinship`.
        measure: `cka` or `neighbours`.
        encoders: ids, in order.
    """
    values = np.eye(len(encoders))
    words = [["1" if i == j else "" for j in range(len(encoders))] for i in range(len(encoders))]
    for row in table[table["measure"] == measure].to_dict("records"):
        i, j = encoders.index(row["first"]), encoders.index(row["second"])
        values[i, j] = values[j, i] = row["value"]
        words[i][j] = words[j][i] = f"{row['value']:.2f}<br>±{row['high'] - row['value']:.2f}"
    labels = [names[id] for id in encoders]
    look: dict[str, Any] = {"texttemplate": "%{text}", "hovertemplate": "%{y}, %{x}: %{z:.2f}<extra></extra>"}
    # The cells say their values, so no bar of colours takes their room; names over narrow columns would slant.
    figure = square(values, labels, 1, text=words, showscale=False, **look)
    numbers = [str(i) for i in range(1, len(labels) + 1)]
    figure.update_xaxes(tickvals=labels, ticktext=numbers, tickangle=0, side="top")
    figure.update_yaxes(tickvals=labels, ticktext=[f"{i} · {label}" for label, i in zip(labels, numbers, strict=True)])
    return finish(figure, said, height=150 + 70 * len(encoders))


def kinship_finding(table: pd.DataFrame, measure: str, names: Mapping[str, str], first: str, second: str) -> str:
    """How alike two contenders are, against chance."""
    wanted = {first, second}
    mine = table[table["measure"] == measure]
    pair = mine[[{row["first"], row["second"]} == wanted for row in mine.to_dict("records")]]
    if pair.empty:
        return "One contender alone has nothing to be compared with"
    row = pair.iloc[0]
    what = "Linear CKA (debiased)" if measure == "cka" else "Nearest neighbours in common"
    return (
        f"{what} of {names[first]} and {names[second]}: {row['value']:.2f}, 95 % interval {row['low']:.2f} to "
        f"{row['high']:.2f} (chance {row['chance']:.2f})"
    )


def nearest_finding(
    first: pd.DataFrame,
    second: pd.DataFrame,
    shared: SharedNeighbours,
    names: tuple[str, str],
    classes: Sequence[str],
) -> str:
    """Whether two contenders name the same neighbours of an image, against chance, and of which classes they are.

    Args:
        first: of `geometry.nearest`, not empty.
        second: likewise, of the same images.
        shared: of `geometry.shared`.
        classes: of the data set.
    """
    of, images = min(len(first), len(second)), int(first["images"].iloc[0])
    beyond = "more than" if shared.p < LEVEL else "not more than"
    tail = "p < .001" if shared.p < 0.001 else f"p = {shared.p:.3f}".replace("0.", ".")
    kinds = []
    for name, table in zip(names, (first, second), strict=True):
        counted = table["label"].value_counts()
        kinds.append(f"{classes[int(counted.index[0])]} ({counted.iloc[0]}) for {name}")
    return (
        f"{shared.count} of the {of} nearest are the same for both, {beyond} chance ({shared.chance:.1f} among "
        f"{images:,} images, {tail}); their commonest class is {', and '.join(kinds)}"
    )


def points(table: pd.DataFrame, colour: pd.Series, said: str, key: str) -> go.Figure:
    """Images as points, drawn by WebGL; each carries its sample as customdata.

    Args:
        table: of `geometry.projection`.
        colour: a word a point.
        key: what the words are.
    """
    figure = go.Figure()
    for word, part in table.assign(word=colour).groupby("word", sort=True):
        figure.add_scattergl(
            x=part["x"],
            y=part["y"],
            mode="markers",
            name=str(word),
            marker={"size": 6, "opacity": 0.8},
            customdata=part[["sample_id"]],
            hovertemplate=f"{key}: {word}<br>%{{customdata[0]}}<extra></extra>",
        )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, scaleanchor="x")
    figure.update_layout(showlegend=colour.nunique() <= MANY)
    return finish(figure, said, height=430)
