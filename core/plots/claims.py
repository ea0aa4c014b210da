"""What a study says of the paper's claims: a verdict in words, and the specification curve it rests on."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.style import GREY, UNSURE, finish, whiskers
from core.results.claim_ways import ON
from core.results.claims import FAILS, HOLDS, MIXED, NOTHING, UNKNOWN, Judged
from core.text import signed

WORDS = {
    HOLDS: "holds however one asks",
    FAILS: "does not hold: the opposite does, however one asks",
    MIXED: "depends on how one asks",
    NOTHING: UNSURE,
    UNKNOWN: "cannot be judged here",
}
COLOURS = {1: "#0f8a5f", 0: GREY, -1: "#c2410c"}
NAMES = {1: "for the claim", 0: UNSURE, -1: "against it"}
MARKS = {1: "circle", 0: "circle-open", -1: "x"}
PANEL, ROW = 230, 19  # pixels of the curve, and of a choice below it
UNITS = {"accuracy": 100.0, "surer": 100.0}
"""Claims whose estimates are shares and read as percentage points."""


def sentence(judged: Judged, first: str, second: str) -> str:
    """The claim with the contenders' names, as a sentence begins."""
    text = judged.claim.sentence.format(first=first, second=second)
    return text[:1].upper() + text[1:]


def amount(judged: Judged, value: float) -> str:
    """A signed estimate in the claim's own unit: percentage points, or two decimals."""
    scale = UNITS.get(judged.claim.id)
    return signed(value, 2) if scale is None else signed(scale * value)


def _apart(judged: Judged, noise: float) -> str:
    """A distance in the claim's own unit; of one that rounds to nothing, what it is less than."""
    text = amount(judged, noise).lstrip("+")
    return text if float(text) else f"less than {'0.1' if judged.claim.id in UNITS else '0.01'}"


def _unit(judged: Judged) -> str:
    return f"{judged.claim.unit} (percentage points)" if judged.claim.id in UNITS else judged.claim.unit


def asked(judged: Judged, labels: Mapping[str, str]) -> str:
    """How the default asks, such as `linear probe, accuracy, different sets`."""
    row = judged.ways.iloc[judged.default]
    return ", ".join(labels.get(str(row[name]), str(row[name])) for name in judged.choices if row[name] != "every one")


def verdict(judged: Judged, labels: Mapping[str, str]) -> str:
    """Effect with interval by the default way, what the other ways say, on which sets; never a bare yes."""
    pro, contra, total = judged.counts
    if not total:
        if judged.claim.id == "elsewhere":
            return (
                "The study measured no maps, or holds no second training run of a method: how far two maps of one "
                "method differ is known only from one, so no difference between methods can be told from it."
            )
        return "The study did not measure what this takes."
    at = judged.estimate
    limits = f"{amount(judged, at.estimate)} (95 % interval {amount(judged, at.low)} to {amount(judged, at.high)})"
    noise = float(judged.ways["noise"].iloc[judged.default])
    runs = (
        f" Two training runs of one recipe lie {_apart(judged, noise)} apart."
        if noise == noise
        else " There is one training run of each, so how far two runs of a method differ is not known."
    )
    sets = judged.sets["on"].str.removeprefix(ON)
    sides = {side: ", ".join(sets[judged.sets["says"] == side]) for side in (1, -1)}
    where = "; ".join(f"{word} on {sides[side]}" for side, word in ((1, "for it"), (-1, "against it")) if sides[side])
    return (
        f"{judged.claim.unit[:1].upper()}{judged.claim.unit[1:]} {limits}, asked by {asked(judged, labels)}. Of "
        f"{total} ways to ask, {pro} speak for it, {contra} against, {total - pro - contra} say nothing."
        + (f" Set by set: {where}." if where else " No single set decides it.")
        + runs
    )


def finding(judged: Judged, first: str, second: str) -> str:
    """The chart's own sentence."""
    pro, contra, total = judged.counts
    return (
        f"{sentence(judged, first, second)}: {WORDS[judged.verdict]} ({pro} of {total} ways for it, {contra} against)"
    )


def curve(judged: Judged, labels: Mapping[str, str], said: str) -> go.Figure:
    """The specification curve: every way's estimate with its interval, sorted, above the choices that make it.

    Args:
        judged: a claim with at least one way.
    """
    ways = judged.ways.sort_values("estimate", kind="stable")
    default = ways.index.get_loc(judged.default)
    ways = ways.reset_index(drop=True)
    scale = UNITS.get(judged.claim.id, 1.0)
    choices = [
        (name, str(value)) for name in judged.choices for value in pd.unique(ways[name]) if ways[name].nunique() > 1
    ]
    lower = max(60, ROW * len(choices))
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=24 / (PANEL + lower + 24),
        row_heights=[PANEL, lower],
    )
    for says in (1, 0, -1):
        part = ways[ways["says"] == says]
        figure.add_scatter(
            x=part.index,
            y=scale * part["estimate"],
            mode="markers",
            name=NAMES[says],
            marker={"color": COLOURS[says], "symbol": MARKS[says], "size": 8},
            error_y=whiskers(scale * part["estimate"], scale * part["low"], scale * part["high"], color=COLOURS[says]),
            customdata=[_way(judged, row, labels) for row in part.to_dict("records")],
            hovertemplate="%{customdata}: %{y:+.3g}<extra></extra>",
            row=1,
            col=1,
        )
    for row in (1, 2):
        figure.add_vline(x=default, line={"color": GREY, "dash": "dot", "width": 1.5}, row=row, col=1)
    figure.add_hline(y=0, line={"color": GREY, "width": 1.2}, row=1, col=1)
    names = [_choice(name, value, labels) for name, value in choices]
    for (name, value), label in zip(choices, names, strict=True):
        for says in (1, 0, -1):
            part = ways[(ways[name].astype(str) == value) & (ways["says"] == says)]
            figure.add_scatter(
                x=part.index,
                y=[label] * len(part),
                mode="markers",
                marker={"color": COLOURS[says], "symbol": "line-ns-open", "size": 11, "line": {"width": 2}},
                showlegend=False,
                hoverinfo="skip",
                row=2,
                col=1,
            )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False, range=[-1, len(ways)])
    figure.update_yaxes(title=_unit(judged), row=1, col=1)
    figure.update_yaxes(
        row=2, col=1, autorange="reversed", categoryorder="array", categoryarray=names, tickfont={"size": 11}
    )
    figure.update_xaxes(title="ways to ask, by estimate<br>(dotted: the verdict's own)", row=2, col=1)
    return finish(figure, said, height=PANEL + lower + 120)


def _choice(name: str, value: str, labels: Mapping[str, str]) -> str:
    return f"{name}: {value}" if name == "sets" else labels.get(value, value)


def _way(judged: Judged, row: Mapping[Any, Any], labels: Mapping[str, str]) -> str:
    return ", ".join(labels.get(str(row[name]), str(row[name])) for name in judged.choices)
