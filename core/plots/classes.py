"""Which classes are taken for which, as a square of shares."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.plots.style import finish, square

NAMED = 30  # classes; of more, names would overlap


def matrix(shares: NDArray[np.float64], classes: Sequence[str], said: str, signed: bool = False) -> go.Figure:
    """Rows: true classes; columns: answers.

    Args:
        shares: of `results.classes.confusion`, or the difference of two.
        signed: whether it is a difference, drawn around 0.
    """
    names = list(classes)
    reach = float(np.nanmax(np.abs(shares), initial=0.01)) if signed else 1.0
    hover, bar = "%{y}, answered %{x}: %{z:.0%}<extra></extra>", {"thickness": 12, "tickformat": ".0%"}
    figure = square(shares, names, reach, signed, hovertemplate=hover, colorbar=bar)
    shown = len(names) <= NAMED
    figure.update_xaxes(title="answer", showticklabels=shown, automargin=True, constrain="domain")
    figure.update_yaxes(title="class", showticklabels=shown)
    return finish(figure, said, height=520)
