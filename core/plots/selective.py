"""What confidence is good for: telling right from wrong answers, and answering only when sure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.reliability import cell
from core.plots.style import GREY, UNSURE, Style, add_line, band, finish, panel_titles, rgba


def risk_chart(table: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Style], finding: str) -> go.Figure:
    """Share of errors among the surest answers, over the share that is answered; bands are the range over seeds.

    Args:
        table: of `abstaining.risks`.
    """
    figure = go.Figure()
    for key, part in table.groupby("encoder", sort=False):
        id = str(key)
        if (part["high"] > part["low"]).any():
            figure.add_trace(band(part["coverage"], part["low"], part["high"], look[id].colour))
        hover = "%{y:.1%} errors when %{x:.0%} are answered"
        add_line(figure, part["coverage"], part["risk"], names[id], look[id], hover)
    figure.update_xaxes(title="coverage: share answered, the surest first", tickformat=".0%", range=[0, 1.01])
    figure.update_yaxes(title="risk: share of errors", tickformat=".0%", rangemode="tozero")
    return finish(figure, finding, height=340)


def risk_finding(
    differences: pd.DataFrame, figures: pd.DataFrame, names: Mapping[str, str], encoders: Sequence[str]
) -> str:
    """Whose confidence ranks its answers better, once accuracy is taken out, and what a fifth of silence buys."""
    shown = [id for id in encoders if id in set(figures["encoder"])]
    areas = ", ".join(
        f"{names[id]} {cell(figures, id, 'aurc')['value']:.3f} (excess {cell(figures, id, 'excess_aurc')['value']:.3f})"
        for id in shown
    )
    if differences.empty:
        return f"Area under the risk–coverage curve: {areas}"
    verdicts = []
    for measure, what in (("aurc", "risk at equal coverage"), ("excess_aurc", "ranking, accuracy taken out")):
        gap = differences[differences["measure"] == measure].iloc[0]
        if gap["found"]:
            better = names[encoders[1]] if gap["difference"] < 0 else names[encoders[0]]
            verdicts.append(f"{what}: {better} is better by {abs(gap['difference']):.3f}")
        else:
            verdicts.append(f"{what}: {UNSURE}")
    said = f"{'; '.join(verdicts)}. AURC: {areas}"
    return said[:1].upper() + said[1:]


def risk_alt(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The risk–coverage curves in words."""
    parts = []
    for id, part in table.groupby("encoder", sort=False):
        at = part.set_index(part["coverage"].round(3))["risk"]
        parts.append(f"{names[str(id)]} {at[0.2]:.1%} at 20 %, {at[0.5]:.1%} at 50 %, {at[1.0]:.1%} at 100 %")
    return "Share of errors by coverage: " + "; ".join(parts) + "."


def outcome_chart(table: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Style], finding: str) -> go.Figure:
    """Confidence of right answers upwards and of wrong ones downwards, one panel a contender, with their means.

    Args:
        table: of `abstaining.outcomes`.
    """
    encoders = list(dict.fromkeys(table["encoder"]))
    figure = make_subplots(
        rows=len(encoders),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=[_means(table[table["encoder"] == id], names[id]) for id in encoders],
    )
    for row, id in enumerate(encoders, start=1):
        reach = float(table[table["encoder"] == id]["share"].max()) * 1.3
        for outcome, sign, pattern in (("right", 1, ""), ("wrong", -1, "/")):
            part = table[(table["encoder"] == id) & (table["outcome"] == outcome)]
            if part.empty:
                continue
            figure.add_bar(
                x=(part["lower"] + part["upper"]) / 2,
                y=sign * part["share"],
                width=(part["upper"] - part["lower"]) * 0.94,
                marker={
                    "color": rgba(look[id].colour, 0.85 if sign > 0 else 0.4),
                    "pattern": {"shape": pattern, "fgcolor": look[id].colour},
                },
                name=f"{outcome} answers",
                showlegend=False,
                customdata=part["count"],
                hovertemplate=f"{outcome}: %{{customdata:,}} answers near confidence %{{x:.2f}}<extra></extra>",
                row=row,
                col=1,
            )
            figure.add_scatter(
                x=[float(part["mean"].iloc[0])],
                y=[sign * reach * 0.9],
                mode="markers",
                marker={"symbol": f"triangle-{'down' if sign > 0 else 'up'}", "size": 11, "color": look[id].colour},
                showlegend=False,
                hovertemplate=f"mean when {outcome}: %{{x:.2f}}<extra></extra>",
                row=row,
                col=1,
            )
        tick = float(f"{reach / 1.7:.1g}")
        figure.update_yaxes(
            range=[-reach, reach],
            tickvals=[-tick, 0, tick],
            ticktext=[f"{tick:.0%}", "0", f"{tick:.0%}"],
            row=row,
            col=1,
        )
        figure.add_hline(y=0, line={"color": GREY, "width": 1}, row=row, col=1)
    figure.update_yaxes(title="wrong · right", row=(len(encoders) + 1) // 2, col=1)
    figure.update_xaxes(range=[0, 1])
    figure.update_xaxes(title="confidence", row=len(encoders), col=1)
    panel_titles(figure, len(encoders))
    figure.update_layout(showlegend=False, barmode="overlay", bargap=0)
    return finish(figure, finding, height=60 + 150 * len(encoders), over_first_panel=22)


def _means(table: pd.DataFrame, name: str) -> str:
    """Title of a panel: whose it is, and where its triangles stand."""
    means = table.drop_duplicates("outcome").set_index("outcome")["mean"]
    return f"{name}: mean " + ", ".join(f"{outcome} {mean:.2f}" for outcome, mean in means.items())


def outcome_finding(
    differences: pd.DataFrame, figures: pd.DataFrame, names: Mapping[str, str], encoders: Sequence[str]
) -> str:
    """How well confidence tells right from wrong, and whether one contender is better at it."""
    parts = []
    for id in encoders:
        if id in set(figures["encoder"]):
            auroc = cell(figures, id, "auroc")["value"]
            parts.append(
                f"{names[id]} {auroc:.2f}" if auroc == auroc else f"{names[id]} undefined (all right or wrong)"
            )
    said = f"A right answer is surer than a wrong one with a chance (AUROC, ½: none) of: {', '.join(parts)}"
    if differences.empty:
        return said
    gap = differences[differences["measure"] == "auroc"].iloc[0]
    first, second = names[encoders[0]], names[encoders[1]]
    if not gap["found"]:
        return f"{said}; {UNSURE} between {first} and {second}"
    return f"{said}; {second if gap['difference'] > 0 else first} tells them apart better"


def outcome_alt(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The distributions in words."""
    parts = []
    for (id, outcome), part in table.groupby(["encoder", "outcome"], sort=False):
        row = part.iloc[0]
        parts.append(
            f"{names[str(id)]}, {outcome} answers ({int(part['count'].sum())}): mean {row['mean']:.2f}, "
            f"median {row['median']:.2f}"
        )
    return "Confidence by outcome. " + "; ".join(parts) + "."


def threshold_chart(
    table: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Style], threshold: float, finding: str
) -> go.Figure:
    """Accuracy of what is answered, and how much that is, over the threshold; a line stands at the chosen one.

    Args:
        table: of `abstaining.answered`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for key, part in table.groupby("encoder", sort=False):
        id = str(key)
        for row, column, words in ((1, "accuracy", "right of the answered"), (2, "coverage", "answered")):
            hover = f"%{{y:.1%}} {words} from %{{x:.2f}} on"
            place: dict[str, Any] = {"row": row, "col": 1, "legendgroup": id, "showlegend": row == 1}
            add_line(figure, part["threshold"], part[column], names[id], look[id], hover, **place)
    figure.add_vline(x=threshold, line={"color": GREY, "width": 2})
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03], title="accuracy", row=1, col=1)
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03], title="coverage", row=2, col=1)
    figure.update_xaxes(range=[0, 1.005])
    figure.update_xaxes(title="answered from this confidence on", row=2, col=1)
    return finish(figure, finding, height=360)


def threshold_finding(table: pd.DataFrame, names: Mapping[str, str], threshold: float) -> str:
    """What answering from a confidence on gives each contender."""
    parts = []
    for _, row in table[(table["threshold"] - threshold).abs() < 1e-9].iterrows():
        right = "nothing is answered" if row["answered"] == 0 else f"{row['accuracy']:.1%} right"
        parts.append(f"{names[row['encoder']]} answers {row['coverage']:.0%}, {right}")
    return f"From confidence {threshold:.2f} on: " + "; ".join(parts)
