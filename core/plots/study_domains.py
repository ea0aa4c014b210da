"""What distance from the source does to the advantage of one contender over another."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.plots.study_words import DOMAIN_COLOURS, DOMAIN_MARKERS, DOMAIN_NAMES, DOMAIN_WORDS, named
from core.plots.style import GREY, UNSURE, finish, whiskers
from core.results.distances import Trend
from core.text import signed

LEVEL = 0.05
MEASURES = {
    "frechet": "Fréchet distance",
    "auroc": "two-sample AUROC",
    "knn": "k-NN distance",
}
NOTES = {
    "frechet": "squared Fréchet distance of the pooled features, shrunk covariances; in the encoder's own unit, so it "
    "ranks sets and does not compare encoders",
    "auroc": "AUROC of a cross-validated linear classifier that tells the set from the source; .5 is no difference, "
    "and sets at 1 cannot be ranked",
    "knn": "mean distance to the 10th nearest source image, features scaled to length 1",
}


def advantage_chart(
    table: pd.DataFrame, floor: float, measure: str, first: str, second: str, finding: str
) -> go.Figure:
    """Difference of two contenders in points with its interval, by distance from the source.

    Colour and marker are the declared domain; grey is a difference inside the noise.

    Args:
        table: of `distances.by_distance`.
        floor: of `distances.floor_of`.
        measure: a key of `MEASURES`.
    """
    figure = go.Figure()
    reach = float(table["distance"].max() - min(table["distance"].min(), floor if np.isfinite(floor) else np.inf))
    for domain in [domain for domain in DOMAIN_NAMES if domain in set(table["domain"])]:
        marker = {"symbol": DOMAIN_MARKERS[domain], "size": 13}
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=DOMAIN_WORDS[domain],
            legendgroup=domain,
            marker=marker | {"color": DOMAIN_COLOURS[domain]},
        )
        for found in (True, False):
            colour = DOMAIN_COLOURS[domain] if found else GREY
            part = table[(table["domain"] == domain) & ((table["verdict"] != UNSURE) == found)]
            if not part.empty:
                figure.add_trace(_points(part, colour, marker | {"color": colour}, domain))
    if (table["verdict"] == UNSURE).any():
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=UNSURE,
            marker={"symbol": "circle", "size": 13, "color": GREY},
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5})
    if np.isfinite(floor):
        figure.add_vline(x=floor, line={"color": GREY, "width": 1.5, "dash": "dot"})
    # A tenth of room at the sides for names, and as much above and below as keeps zero in sight.
    left = min(float(table["distance"].min()), floor) if np.isfinite(floor) else float(table["distance"].min())
    room = 0.12 * reach or 0.1 * abs(left) or 0.1
    figure.update_xaxes(title=f"{MEASURES[measure]} from the source", range=[left - room, left + reach + room])
    low, high = min(0.0, float(table["low"].min())), max(0.0, float(table["high"].max()))
    margin = 0.24 * (high - low) or 1.0
    figure.update_yaxes(title=f"{second} minus {first} (points)", range=[low - margin, high + margin], zeroline=False)
    _name_points(figure, table, left, reach)
    for y, text, anchor in ((1.0, f"↑ {second} ahead", "top"), (0.0, f"↓ {first} ahead", "bottom")):
        figure.add_annotation(
            text=text, xref="paper", yref="paper", x=1, y=y, xanchor="right", yanchor=anchor, showarrow=False
        )
    return finish(figure, finding, height=450, over_first_panel=22)


def _name_points(figure: go.Figure, table: pd.DataFrame, left: float, reach: float) -> None:
    """Names of the sets at the ends of their intervals, above and below in turns so that neighbours do not collide."""
    for i, (_, row) in enumerate(table.iterrows()):
        above = i % 2 == 0
        place = (row["distance"] - left) / reach if reach else 0.5
        figure.add_annotation(
            text=row["label"],
            x=row["distance"],
            y=row["high"] if above else row["low"],
            xanchor="left" if place < 0.15 else "right" if place > 0.85 else "center",
            yanchor="bottom" if above else "top",
            yshift=4 if above else -4,
            showarrow=False,
            font={"size": 12},
        )


def _points(part: pd.DataFrame, colour: str, marker: Mapping[str, object], domain: str) -> go.Scatter:
    return go.Scatter(
        x=part["distance"],
        y=part["difference"],
        mode="markers",
        marker=marker,
        legendgroup=domain,
        showlegend=False,
        error_y=whiskers(part["difference"], part["low"], part["high"], color=colour, thickness=2, width=5),
        customdata=part[["label", "low", "high", "p_holm", "images", "verdict"]],
        hovertemplate="%{customdata[0]}: %{y:+.1f} points (%{customdata[1]:.1f} to %{customdata[2]:.1f}), "
        "Holm p = %{customdata[3]:.3g}<br>%{customdata[5]}; distance %{x:.3g} from %{customdata[4]} images of either "
        "side<extra></extra>",
    )


def advantage_finding(trend: Trend, first: str, second: str) -> str:
    """What the differences do with distance: a rank correlation when there are sets enough, else their number.

    Args:
        trend: of `distances.trend`.
    """
    sets, count, found = trend.sets, len(trend.sets), trend.correlation
    if trend.apart > 1 and 2 * trend.apart >= count:
        return (
            f"{second} minus {first}: the classifier tells {trend.apart} of {count} sets from the source without error "
            "(AUROC 1.00), so this distance cannot rank them"
        )
    if count == 0:
        return f"{second} minus {first}: no set but the source has a measured distance"
    nearest, farthest = sets.iloc[0], sets.iloc[-1]
    if count == 1:
        points = signed(nearest["difference"])
        return f"{second} minus {first} on {nearest['label']}: {points} points; one set shows no trend"
    ends = (
        f"{second} minus {first}, from the nearest set to the farthest: {nearest['label']} "
        f"{signed(nearest['difference'])} points, {farthest['label']} {signed(farthest['difference'])}"
    )
    if found is None:
        return f"{ends}; {count} sets are too few to speak of a trend"
    if np.isnan(found.rho):
        return f"{ends}; all {count} sets have the same difference or the same distance, so nothing can be correlated"
    said = "no trend with distance found"
    if found.p < LEVEL:
        said = f"the difference {'rises' if found.rho > 0 else 'falls'} with distance"
    kind = "exact" if found.exact else "permutation"
    return f"{ends}; {said} over {count} sets (Spearman ρ = {signed(found.rho, 2)}, {kind} p = {found.p:.2g})"


def advantage_alt(table: pd.DataFrame, floor: float, measure: str, first: str, second: str) -> str:
    """The points in words, nearest first."""
    parts = [
        f"{row['label']} ({row['domain']}) at {row['distance']:.3g}: {signed(row['difference'])} points, "
        f"{named(row['verdict'], first, second)}"
        for _, row in table.iterrows()
    ]
    base = f" Two halves of the source are {floor:.3g} apart." if np.isfinite(floor) else ""
    return f"{second} minus {first} by {MEASURES[measure]} from the source. {'; '.join(parts)}.{base}"
