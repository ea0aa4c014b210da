"""How the packaged encoders were trained: loss and online k-NN over the epochs."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from core.plots.style import Style, finish, line


def curves_table(logs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The logs of several encoders in one table, with the share of training done; untrained ones have no rows.

    Columns: encoder, epoch, size, learning_rate, loss, views_per_second, knn_top1, seconds, done (0 to 1).
    """
    parts = []
    for encoder, log in logs.items():
        trained = log[log["epoch"] > 0]
        if not trained.empty:
            parts.append(trained.assign(encoder=encoder, done=trained["epoch"] / trained["epoch"].max()))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def curves(table: pd.DataFrame, labels: Mapping[str, str], styles: Mapping[str, Style]) -> go.Figure:
    """Online k-NN top-1 over the share of training done; losses have no common unit, so they are hover text."""
    figure = go.Figure()
    for key, part in table.groupby("encoder", sort=False):
        encoder = str(key)
        style = styles[encoder]
        figure.add_scatter(
            x=part["done"],
            y=part["knn_top1"],
            customdata=part[["epoch", "loss", "size"]],
            mode="lines+markers",
            name=labels[encoder],
            line=line(style, 2),
            marker={"symbol": style.marker, "size": 5},
            hovertemplate="epoch %{customdata[0]:.0f}, %{customdata[2]:.0f} px: %{y:.1f} %, "
            "loss %{customdata[1]:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="share of training", tickformat=".0%")
    figure.update_yaxes(title="online k-NN top-1 (%)", rangemode="tozero")
    return finish(figure, finding(table, labels), height=300)


def finding(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Where each encoder's pulse ended."""
    last = table.sort_values("epoch").groupby("encoder", sort=False).last()
    ends = ", ".join(f"{labels[str(encoder)]} at {row['knn_top1']:.0f} %" for encoder, row in last.iterrows())
    return f"During training, k-NN on 1,000 held-out images ended with {ends}"


def curves_alt(table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """The curves in words."""
    parts = []
    for key, part in table.groupby("encoder", sort=False):
        encoder = str(key)
        parts.append(
            f"{labels[encoder]} from {part['knn_top1'].iloc[0]:.0f} to {part['knn_top1'].iloc[-1]:.0f} % "
            f"in {len(part)} epochs"
        )
    return "Online k-NN top-1 during training: " + "; ".join(parts) + "."
