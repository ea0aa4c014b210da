"""Invariance curves: similarity with its floor, confidence and flips over one strength axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from scipy import stats

from core.augmentations.spec import Augmentation
from core.metrics.invariance import chance_corrected
from core.plots.style import Style, finish, rgba


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve of the stack: a column of the points table and how it is named and bounded."""

    column: str
    title: str
    low: float
    high: float


PANELS = (
    Panel("cosine", "cosine to the clean image", 0.0, 1.0),
    Panel("kept", "probability of the clean answer", 0.0, 1.0),
    Panel("flipped", "share of changed answers", 0.0, 1.0),
    Panel("map_stability", "map stability (Spearman)", -1.0, 1.0),
)
LEVEL = 0.95


def mean_interval(values: NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Mean of (N,) values and its 95 % Student interval; nan where there is nothing to tell it from."""
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    reach = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, mean - float(reach), mean + float(reach)


def summary(table: pd.DataFrame, floors: Mapping[str, float], corrected: bool = False) -> pd.DataFrame:
    """Mean and 95 % interval of each measure at each strength, over images and seeds.

    Intervals are Student's, nan where there is a single value. Seeds of one image are not independent, so with several
    images the interval is that of the image means; with one image it spans its seeds and says nothing of other images.

    Args:
        table: rows of `pipeline.points_table`, of one augmentation.
        floors: cosine between different images, by encoder id.
        corrected: rescale the cosine so that 0 is "no more alike than strangers".

    Returns:
        Columns encoder, strength, measure, mean, low, high, images, seeds.
    """
    data = table.copy()
    if corrected:
        for id, floor in floors.items():
            mine = data["encoder"] == id
            data.loc[mine, "cosine"] = chance_corrected(data.loc[mine, "cosine"].to_numpy(), floor)
    rows = []
    for (encoder, strength), group in data.groupby(["encoder", "strength"], sort=False):
        images, seeds = group["image"].nunique(), group["seed"].nunique()
        for panel in PANELS:
            values = group.groupby("image")[panel.column].mean() if images > 1 else group[panel.column]
            values = values.astype(float).dropna()
            mean, low, high = mean_interval(values.to_numpy(dtype=np.float64))
            rows.append(
                {
                    "encoder": encoder,
                    "strength": strength,
                    "measure": panel.column,
                    "mean": mean,
                    # A share cannot leave its range; a chance-corrected cosine has no lower end.
                    "low": low if panel.column == "cosine" else float(np.maximum(low, panel.low)),
                    "high": float(np.minimum(high, panel.high)),
                    "images": images,
                    "seeds": seeds,
                }
            )
    return pd.DataFrame(rows)


def stacked(
    curves: pd.DataFrame,
    augmentation: Augmentation,
    labels: Mapping[str, str],
    styles: Mapping[str, Style],
    floors: Mapping[str, float],
    title: str,
    corrected: bool = False,
    measures: Sequence[str] = ("cosine", "kept", "flipped", "map_stability"),
) -> go.Figure:
    """The curves of several encoders over one strength axis, one panel a measure, with intervals and floors."""
    panels = [panel for panel in PANELS if panel.column in measures]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=[_panel_title(p, corrected) for p in panels],
    )
    for row, panel in enumerate(panels, start=1):
        for encoder, style in styles.items():
            part = curves[(curves["encoder"] == encoder) & (curves["measure"] == panel.column)]
            if part.empty:
                continue
            _band(figure, part, style, row)
            figure.add_scatter(
                x=part["strength"],
                y=part["mean"],
                mode="lines+markers",
                name=labels[encoder],
                legendgroup=encoder,
                showlegend=row == 1,
                line={"color": style.colour, "dash": style.dash, "width": 2.5},
                marker={"symbol": style.marker, "size": 7},
                hovertemplate=f"{labels[encoder]}: %{{y:.2f}} at %{{x:g}} {augmentation.unit}<extra></extra>",
                row=row,
                col=1,
            )
            if panel.column == "cosine" and encoder in floors:
                level = 0.0 if corrected else floors[encoder]
                figure.add_hline(
                    y=level, line={"color": style.colour, "dash": "dot", "width": 1.2}, opacity=0.8, row=row, col=1
                )
        figure.update_yaxes(range=[panel.low - 0.03, panel.high + 0.03], row=row, col=1)
    if "cosine" in measures and floors:
        text = "dotted: different images" if not corrected else "0: as alike as different images"
        figure.add_annotation(
            text=text,
            xref="x domain",
            yref="y domain",
            x=0.01,
            y=0.0,
            yshift=14,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 11},
        )
    if panels[0].column == "cosine" and corrected:
        drawn = curves.loc[curves["measure"] == "cosine", ["mean", "low"]]
        lowest = float(np.nanmin(drawn.to_numpy(dtype=np.float64), initial=-0.05))
        figure.update_yaxes(range=[lowest - 0.02, 1.03], row=1, col=1)
    reverse = augmentation.strengths[0] > augmentation.strengths[-1]
    figure.update_xaxes(autorange="reversed" if reverse else True)
    figure.update_xaxes(title=f"{augmentation.label.lower()} ({augmentation.unit})", row=len(panels), col=1)
    figure.update_annotations(font={"size": 13})
    # Panel titles from the left, as everything else; the note on the floor stays where it is.
    for annotation in figure.layout.annotations[: len(panels)]:
        annotation.update(x=0, xanchor="left", font={"size": 12})
    return finish(figure, title, height=80 + 170 * len(panels), over_first_panel=22)


def _panel_title(panel: Panel, corrected: bool) -> str:
    return "chance-corrected cosine to the clean image" if corrected and panel.column == "cosine" else panel.title


def _band(figure: go.Figure, part: pd.DataFrame, style: Style, row: int) -> None:
    part = part.dropna(subset=["low", "high"])
    if part.empty or (part["high"] - part["low"]).max() <= 0:
        return
    figure.add_scatter(
        x=[*part["strength"], *part["strength"][::-1]],
        y=[*part["high"], *part["low"][::-1]],
        fill="toself",
        fillcolor=rgba(style.colour, 0.15),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        row=row,
        col=1,
    )


def finding(
    points: pd.DataFrame,
    floors: Mapping[str, float],
    augmentation: Augmentation,
    labels: Mapping[str, str],
    strongest: float,
    untrained: Sequence[str] = (),
) -> str:
    """What the chance-corrected cosines say at the strongest strength measured, in one sentence.

    One image gives values and no claim about a difference. With several, the two trained encoders that are furthest
    apart are compared by the 95 % interval of their difference image by image.

    Args:
        points: rows of `pipeline.points_table`.
        floors: cosine between different images, by encoder id.
        augmentation: what was done.
        labels: of the encoders.
        strongest: the strength to speak of.
        untrained: ids that are a floor and no contender.
    """
    at = points[points["strength"] == strongest]
    by_image = at.groupby(["encoder", "image"], sort=False)["cosine"].mean()
    kept = {
        id: pd.Series(chance_corrected(by_image[id].to_numpy(), floors[id]), by_image[id].index)
        for id in labels
        if id in by_image.index
    }
    order = sorted(kept, key=lambda id: -kept[id].mean())
    values = ", ".join(f"{labels[id]} keeps {kept[id].mean():.2f}" for id in order)
    count = at["image"].nunique()
    where = "For this image" if count == 1 else f"Over {count} images"
    amount = f"{augmentation.label.lower()} {strongest:g} {augmentation.unit}"
    said = f"{where}, at {amount} (0: a stranger, 1: identical): {values}"
    trained = [id for id in order if id not in untrained]
    if count == 1 or len(trained) < 2:
        return said
    first, last = trained[0], trained[-1]
    gap, low, high = mean_interval((kept[first] - kept[last]).dropna().to_numpy())
    pair = f"{labels[first]} and {labels[last]}"
    if low <= 0 <= high:
        return f"{said}; no difference found between {pair}"
    return f"{said}; {pair} differ by {gap:.2f} (95 % interval {low:.2f} to {high:.2f})"


def curves_alt(
    curves: pd.DataFrame, augmentation: Augmentation, labels: Mapping[str, str], corrected: bool = False
) -> str:
    """The stack in words: first and last value of each measure and encoder."""
    parts = []
    for panel in PANELS:
        for encoder, label in labels.items():
            part = curves[(curves["encoder"] == encoder) & (curves["measure"] == panel.column)]
            if not part.empty and part["mean"].notna().any():
                first, last = part["mean"].iloc[0], part["mean"].iloc[-1]
                parts.append(f"{label}, {_panel_title(panel, corrected)}: {first:.2f} to {last:.2f}")
    ends = f"from {curves['strength'].iloc[0]:g} to {curves['strength'].iloc[-1]:g} {augmentation.unit}"
    return f"{augmentation.label} {ends}. " + "; ".join(parts) + "."
