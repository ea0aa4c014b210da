"""Invariance curves: similarity with its floor, confidence and flips over one strength axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.augmentations.spec import Augmentation
from core.plots.style import UNSURE, Style, add_line, band, finish, panel_titles
from core.sweeps import RANGES, AtStrength

PANELS = {
    "cosine": "cosine to the clean image",
    "kept": "probability of the clean answer",
    "flipped": "share of changed answers",
    "map_stability": "map stability (Spearman)",
}
"""Columns of the points table and what a panel calls them; their ranges are `sweeps.RANGES`."""


def stacked(
    curves: pd.DataFrame,
    augmentation: Augmentation,
    labels: Mapping[str, str],
    styles: Mapping[str, Style],
    floors: Mapping[str, float],
    title: str,
    corrected: bool = False,
    measures: Sequence[str] = tuple(PANELS),
    turning: Mapping[str, float] = {},
) -> go.Figure:
    """The curves of several encoders over one strength axis, one panel a measure, with intervals and floors; an
    upright line where an encoder's answer turns (`strip.turning`)."""
    panels = [column for column in PANELS if column in measures]
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.07,
        subplot_titles=[_panel_title(p, corrected) for p in panels],
    )
    for row, panel in enumerate(panels, start=1):
        for encoder, style in styles.items():
            part = curves[(curves["encoder"] == encoder) & (curves["measure"] == panel)]
            if part.empty:
                continue
            sure = part.dropna(subset=["low", "high"])
            if (sure["high"] > sure["low"]).any():
                figure.add_trace(band(sure["strength"], sure["low"], sure["high"], style.colour), row=row, col=1)
            hover = f"%{{y:.2f}} at %{{x:g}} {augmentation.unit}"
            place: dict[str, Any] = {"row": row, "col": 1, "legendgroup": encoder, "showlegend": row == 1}
            add_line(figure, part["strength"], part["mean"], labels[encoder], style, hover, 7, **place)
            if panel == "cosine" and encoder in floors:
                level = 0.0 if corrected else floors[encoder]
                figure.add_hline(
                    y=level, line={"color": style.colour, "dash": "dot", "width": 1.2}, opacity=0.8, row=row, col=1
                )
        figure.update_yaxes(range=[RANGES[panel][0] - 0.03, RANGES[panel][1] + 0.03], row=row, col=1)
    for encoder, strength in turning.items():
        look = {"color": styles[encoder].colour, "dash": "dash", "width": 1.2}
        figure.add_vline(x=strength, line=look, opacity=0.7)
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
    if panels[0] == "cosine" and corrected:
        drawn = curves.loc[curves["measure"] == "cosine", ["mean", "low"]]
        lowest = float(np.nanmin(drawn.to_numpy(dtype=np.float64), initial=-0.05))
        figure.update_yaxes(range=[lowest - 0.02, 1.03], row=1, col=1)
    reverse = augmentation.strengths[0] > augmentation.strengths[-1]
    figure.update_xaxes(autorange="reversed" if reverse else True)
    figure.update_xaxes(title=f"{augmentation.label.lower()} ({augmentation.unit})", row=len(panels), col=1)
    figure.update_annotations(font={"size": 13})
    panel_titles(figure, len(panels))
    return finish(figure, title, height=80 + 170 * len(panels), over_first_panel=22)


def _panel_title(panel: str, corrected: bool) -> str:
    return f"chance-corrected {PANELS[panel]}" if corrected and panel == "cosine" else PANELS[panel]


def finding(at: AtStrength, augmentation: Augmentation, labels: Mapping[str, str]) -> str:
    """What the chance-corrected cosines say at the strongest strength measured, in one sentence.

    Args:
        at: of `sweeps.at_strength`.
    """
    values = ", ".join(f"{labels[id]} keeps {value:.2f}" for id, value in at.kept.items())
    where = "For this image" if at.images == 1 else f"Over {at.images} images"
    amount = f"{augmentation.label.lower()} {at.strength:g} {augmentation.unit}"
    said = f"{where}, at {amount} (0: as another image, 1: unchanged): {values}"
    if at.gap is None:
        return said
    pair, gap = " and ".join(labels[id] for id in at.apart), at.gap
    if not gap.found:
        return f"{said}; {UNSURE} between {pair}"
    return f"{said}; {pair} differ by {gap.estimate:.2f} (95 % interval {gap.low:.2f} to {gap.high:.2f})"


def curves_alt(
    curves: pd.DataFrame, augmentation: Augmentation, labels: Mapping[str, str], corrected: bool = False
) -> str:
    """The stack in words: first and last value of each measure and encoder."""
    parts = []
    for panel in PANELS:
        for encoder, label in labels.items():
            part = curves[(curves["encoder"] == encoder) & (curves["measure"] == panel)]
            if not part.empty and part["mean"].notna().any():
                first, last = part["mean"].iloc[0], part["mean"].iloc[-1]
                parts.append(f"{label}, {_panel_title(panel, corrected)}: {first:.2f} to {last:.2f}")
    ends = f"from {curves['strength'].iloc[0]:g} to {curves['strength'].iloc[-1]:g} {augmentation.unit}"
    return f"{augmentation.label} {ends}. " + "; ".join(parts) + "."
