"""The packaged family's measured accuracy: the one study that ships with the app."""

import pandas as pd
import plotly.graph_objects as go

from core.encoders.registry import card, encoders
from core.metrics.accuracy import wilson_interval
from core.plots.style import finish, short_labels, styles
from core.tasks import tasks

COLUMNS = ("encoder", "label", "task", "task_label", "domain", "linear_top1", "low", "high", "knn_top1", "test_images")


def accuracy_table() -> pd.DataFrame:
    """Linear-probe and k-NN top-1 in percent of each packaged encoder on each packaged task, with Wilson intervals.

    Rows in the order of domains, from the source to far; a number that was not measured has no row.
    """
    rows = []
    for task in tasks().values():
        for id, spec in encoders().items():
            found = card(id).get("measured", {}).get(task.id)
            if found is None:
                continue
            total = found["test_images"]
            interval = wilson_interval(round(found["linear_top1"] / 100 * total), total)
            rows.append(
                {
                    "encoder": id,
                    "label": spec.label,
                    "task": task.id,
                    "task_label": task.label,
                    "domain": task.domain,
                    "linear_top1": found["linear_top1"],
                    "low": round(100 * interval.low, 2),
                    "high": round(100 * interval.high, 2),
                    "knn_top1": found["knn_top1"],
                    "test_images": total,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def accuracy_finding(table: pd.DataFrame) -> str:
    """One sentence on the supervised and the SimCLR member over the tasks.

    "Ahead" means that the two 95 % intervals do not touch. That is no paired test: overlapping intervals leave open
    whether there is a difference, and the sentence says no more.
    """
    wide = table.pivot_table(index="task_label", columns="encoder", values=["linear_top1", "low", "high"], sort=False)
    pair = ("supervised", "simclr")
    if not all(("linear_top1", id) in wide.columns for id in pair):
        return "Linear-probe accuracy of the packaged encoders"
    wide = wide.dropna()
    ssl_ahead = int((wide[("low", "simclr")] > wide[("high", "supervised")]).sum())
    sl_ahead = int((wide[("low", "supervised")] > wide[("high", "simclr")]).sum())
    return (
        f"Linear probe on {len(wide)} sets: supervised ahead on {sl_ahead}, SimCLR on {ssl_ahead}; "
        f"the 95 % intervals overlap on {len(wide) - ssl_ahead - sl_ahead}"
    )


def accuracy_bars(table: pd.DataFrame) -> go.Figure:
    """Grouped bars of linear-probe top-1 by task, with 95 % intervals; the random encoder is the floor."""
    figure = go.Figure()
    specs = [encoders()[id] for id in table["encoder"].unique()]
    look, names = styles(specs), short_labels(specs)
    for key, part in table.groupby("encoder", sort=False):
        id = str(key)
        figure.add_bar(
            x=part["task_label"],
            y=part["linear_top1"],
            name=names[id],
            marker={
                "color": look[id].colour,
                "pattern": {"shape": "" if look[id].dash == "solid" else "/" if look[id].dash == "dash" else "."},
            },
            error_y={
                "type": "data",
                "array": part["high"] - part["linear_top1"],
                "arrayminus": part["linear_top1"] - part["low"],
                "thickness": 1.2,
            },
            hovertemplate="%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(title="top-1 (%)", range=[0, 100])
    figure.update_layout(barmode="group")
    return finish(figure, accuracy_finding(table), height=300)


def accuracy_alt(table: pd.DataFrame) -> str:
    """The bars in words."""
    parts = []
    for name, group in table.groupby("task_label", sort=False):
        values = ", ".join(f"{row['label']} {row['linear_top1']:.1f} %" for _, row in group.iterrows())
        parts.append(f"{name}: {values}")
    return "Linear-probe top-1. " + "; ".join(parts) + "."
