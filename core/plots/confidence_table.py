"""The figures of confidence as a table for people, and in words."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core.plots.reliability import cell
from core.plots.style import UNSURE
from core.results.measures import MEASURES


def figures_table(
    figures: pd.DataFrame, differences: pd.DataFrame, names: Mapping[str, str], pair: Sequence[str]
) -> pd.DataFrame:
    """One row a figure: each contender's value with its interval, the paired difference, and what it comes to.

    Args:
        figures: of `confidence.figures`.
        differences: likewise; may be empty.
        pair: the two contenders that differences are between.
    """
    shown = [id for id in names if id in set(figures["encoder"])]
    rows = []
    for measure in MEASURES:
        row: dict[str, str] = {"figure": measure.title}
        row |= {names[id]: _value(figures, id, measure.id) for id in shown if id in pair}
        if not differences.empty:
            gap = differences[differences["measure"] == measure.id].iloc[0]
            row[f"{names[pair[1]]} minus {names[pair[0]]}"] = ranged(gap["difference"], gap["low"], gap["high"], "+")
            row["verdict"] = (
                verdict(gap, measure.better, figures, names, pair) if gap["low"] == gap["low"] else "unknown"
            )
        row |= {names[id]: _value(figures, id, measure.id) for id in shown if id not in pair}
        row["what it is"] = measure.help + {"lower": " Lower is better.", "higher": " Higher is better."}.get(
            measure.better, ""
        )
        row["formula"] = measure.source
        rows.append(row)
    return pd.DataFrame(rows)


def _value(figures: pd.DataFrame, encoder: str, measure: str) -> str:
    found = cell(figures, encoder, measure)
    said = ranged(found["value"], found["low"], found["high"])
    return said if pd.isna(found["null"]) else f"{said}; perfect {found['null']:.3f}"


def ranged(value: float, low: float, high: float, sign: str = "") -> str:
    """A value with its interval; what is not defined says so."""
    if value != value:
        return "not defined"
    said = f"{value:{sign}.3f}" if low != low else f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
    return said.replace("-", "−")


def verdict(gap: pd.Series, better: str, figures: pd.DataFrame, names: Mapping[str, str], pair: Sequence[str]) -> str:
    """What a difference comes to: whose figure is better or higher, or that none was found."""
    if not gap["found"]:
        return UNSURE
    first, second = (names[id] for id in pair)
    if better == "zero":
        sizes = [abs(cell(figures, id, str(gap["measure"]))["value"]) for id in pair]
        return f"{first if sizes[0] < sizes[1] else second} nearer to 0"
    ahead = gap["difference"] > 0
    if better == "lower":
        ahead = not ahead
    return f"{second if ahead else first} {'better' if better else 'higher'}"


def figures_alt(figures: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The table in words: the figures that are quoted most."""
    parts = []
    for id in names:
        if id in set(figures["encoder"]):
            said = ", ".join(
                f"{m.title} {cell(figures, id, m.id)['value']:.3f}"
                for m in MEASURES
                if m.id in ("accuracy", "ece", "overconfidence", "auroc", "aurc")
            )
            parts.append(f"{names[id]}: {said}")
    return "Figures of confidence. " + "; ".join(parts) + "."
