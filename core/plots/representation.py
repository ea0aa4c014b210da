"""Feature spaces beside each other: which are alike, what geometry they have, and their images as points."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.style import finish

MANY = 12  # classes from which on a legend would be a thicket


def matrix(
    table: pd.DataFrame, measure: str, names: Mapping[str, str], encoders: Sequence[str], said: str
) -> go.Figure:
    """How alike each two encoders are, in one square; the diagonal is 1 by definition.

    Args:
        table: of `geometry.kinship`.
        measure: `cka` or `neighbours`.
        names: of the encoders by id.
        encoders: ids, in order.
        said: the finding.
    """
    values = np.eye(len(encoders))
    words = [["1" if i == j else "" for j in range(len(encoders))] for i in range(len(encoders))]
    for row in table[table["measure"] == measure].to_dict("records"):
        i, j = encoders.index(row["first"]), encoders.index(row["second"])
        values[i, j] = values[j, i] = row["value"]
        words[i][j] = words[j][i] = f"{row['value']:.2f}<br>±{row['high'] - row['value']:.2f}"
    labels = [names[id] for id in encoders]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=labels,
            y=labels,
            zmin=0,
            zmax=1,
            colorscale="Blues",
            text=words,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.2f}<extra></extra>",
            colorbar={"thickness": 12},
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(showlegend=False)
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


def points(table: pd.DataFrame, colour: pd.Series, said: str, key: str) -> go.Figure:
    """Images as points, drawn by WebGL; each carries its sample as customdata.

    Args:
        table: of `geometry.projection`.
        colour: a word a point.
        said: the finding.
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
