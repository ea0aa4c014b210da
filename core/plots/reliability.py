"""Whether confidence means what it says: reliability diagrams, and calibration set by set."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.study_words import capital
from core.plots.style import GREY, UNSURE, Style, finish, line, rgba, whiskers
from core.results.measures import Measure
from core.text import signed


def cell(figures: pd.DataFrame, encoder: str, measure: str) -> pd.Series:
    """The row of `confidence.figures` of one contender and measure."""
    return figures[(figures["encoder"] == encoder) & (figures["measure"] == measure)].iloc[0]


def diagram(table: pd.DataFrame, style: Style, finding: str) -> go.Figure:
    """Accuracy over confidence of one contender, the band of a perfect model behind it, and counts below.

    Args:
        table: rows of `abstaining.reliability` of one contender.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.74, 0.26], vertical_spacing=0.06)
    width = table["upper"] - table["lower"]
    middle = (table["upper"] + table["lower"]) / 2
    figure.add_bar(
        x=middle,
        y=table["perfect_high"] - table["perfect_low"],
        base=table["perfect_low"],
        width=width,
        marker={"color": rgba(GREY, 0.28), "line": {"width": 0}},
        name="a perfect model, 95 %",
        hovertemplate="perfect: %{base:.2f} to %{customdata:.2f}<extra></extra>",
        customdata=table["perfect_high"],
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=table["confidence"],
        y=table["accuracy"],
        mode="markers+lines",
        line=line(style, 2),
        marker={"color": style.colour, "symbol": style.marker, "size": 8},
        error_y=whiskers(table["accuracy"], table["low"], table["high"]),
        name="measured, 95 %",
        customdata=table["count"],
        hovertemplate="confidence %{x:.2f}, right %{y:.2f}, %{customdata:,} answers<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_bar(
        x=middle,
        y=table["count"],
        width=width * 0.92,
        marker={"color": rgba(style.colour, 0.75)},
        showlegend=False,
        hovertemplate="%{y:,} answers<extra></extra>",
        row=2,
        col=1,
    )
    figure.update_yaxes(range=[-0.02, 1.03], title="share right", row=1, col=1)
    figure.update_yaxes(title="answers", nticks=3, row=2, col=1)
    figure.update_xaxes(range=[0, 1], row=1, col=1)
    figure.update_xaxes(range=[0, 1], title="confidence", row=2, col=1)
    # What is what stands below all diagrams of a page; three narrow legends would say it three times.
    figure.update_layout(bargap=0, barmode="overlay", showlegend=False)
    return finish(figure, finding, height=380)


def diagram_finding(name: str, figures: pd.DataFrame, encoder: str) -> str:
    """What a reliability diagram shows, and whether it is more than a perfect model would show by chance."""
    ece, over = cell(figures, encoder, "ece"), cell(figures, encoder, "overconfidence")
    amount = f"ECE {ece['value']:.3f} ({ece['low']:.3f} to {ece['high']:.3f}), a perfect model {ece['null']:.3f}"
    if ece["value"] <= ece["null_high"]:
        return f"{name}: no miscalibration found. {amount}, up to {ece['null_high']:.3f} by chance"
    points = abs(100 * over["value"])
    if over["low"] > 0:
        return f"{name} claims {points:.1f} points more than it delivers. {amount}"
    if over["high"] < 0:
        return f"{name} claims {points:.1f} points less than it delivers. {amount}"
    return f"{name} is off in both directions, right on average. {amount}"


def diagram_alt(name: str, table: pd.DataFrame) -> str:
    """A reliability diagram in words."""
    parts = ", ".join(f"{r['confidence']:.2f}: {r['accuracy']:.2f} ({int(r['count'])})" for _, r in table.iterrows())
    outside = int(((table["accuracy"] < table["perfect_low"]) | (table["accuracy"] > table["perfect_high"])).sum())
    return (
        f"Reliability of {name}. Share right by mean confidence, with the number of answers: {parts}. "
        f"{outside} of {len(table)} bins lie outside what a perfect model would show."
    )


def headline(differences: pd.DataFrame, figures: pd.DataFrame, names: Mapping[str, str], pair: Sequence[str]) -> str:
    """Which of two contenders is better calibrated, in one sentence that claims no more than the interval does."""
    first, second = (names[id] for id in pair)
    values = [cell(figures, id, "ece")["value"] for id in pair]
    gap = differences[differences["measure"] == "ece"].iloc[0]
    interval = f"95 % interval of the difference {signed(gap['low'], 3)} to {signed(gap['high'], 3)}"
    if not gap["found"]:
        # An interval without 0 beside "no difference" is no contradiction, and reads like one until this is said.
        if gap["low"] > 0 or gap["high"] < 0:
            interval += f"; two training runs of one method lie {gap['noise']:.3f} apart"
        return (
            f"{UNSURE.capitalize()} in calibration between {first} (ECE {values[0]:.3f}) and {second} "
            f"(ECE {values[1]:.3f}); {interval}."
        )
    better, worse = (second, first) if gap["difference"] < 0 else (first, second)
    low, high = sorted(values)
    return f"{better} is better calibrated than {worse}: ECE {low:.3f} against {high:.3f}; {interval}."


def domain_chart(
    sets: pd.DataFrame, measure: Measure, names: Mapping[str, str], look: Mapping[str, Style], finding: str
) -> go.Figure:
    """A figure of every set: open marker raw, filled after temperature, grey tick the 95 % end of a perfect model.

    Args:
        sets: of `confidence.by_domain` for that measure, sets by domain.
        names: of the contenders by id, in the order of their lines.
    """
    figure = go.Figure()
    encoders = [id for id in names if id in set(sets["encoder"])]
    places = list(dict.fromkeys(sets["dataset"]))
    between = len(encoders) + 1.0
    row = {(d, e): i * between + j for i, d in enumerate(places) for j, e in enumerate(encoders)}
    sets = sets.assign(
        value=sets[measure.id], row=[row[key] for key in zip(sets["dataset"], sets["encoder"], strict=True)]
    )
    for id in encoders:
        mine = sets[sets["encoder"] == id]
        raw, scaled = mine[~mine["scaled"]], mine[mine["scaled"]]
        both = raw.merge(scaled, on="dataset", suffixes=("", "_scaled"))
        figure.add_scatter(
            x=[x for ends in zip(both["value"], both["value_scaled"], strict=True) for x in (*ends, None)],
            y=[y for row in both["row"] for y in (row, row, None)],
            mode="lines",
            line=line(look[id], 1.5),
            hoverinfo="skip",
            showlegend=False,
        )
        symbol = look[id].marker.replace("-open", "").replace("-dot", "")
        outline = {"width": 1.8, "color": look[id].colour}
        for part, name, shape in ((raw, names[id], f"{symbol}-open"), (scaled, f"{names[id]}, scaled", symbol)):
            if not part.empty:
                figure.add_scatter(
                    x=part["value"],
                    y=part["row"],
                    mode="markers",
                    name=name,
                    marker={"color": look[id].colour, "symbol": shape, "size": 9, "line": outline},
                    error_x=whiskers(part["value"], part["low"], part["high"]),
                    customdata=part["label"],
                    hovertemplate=f"%{{customdata}}: {measure.label} %{{x:.3f}}<extra>%{{fullData.name}}</extra>",
                )
    perfect = sets[~sets["scaled"] & sets["null_high"].notna()]
    if not perfect.empty:
        figure.add_scatter(
            x=perfect["null_high"],
            y=perfect["row"],
            mode="markers",
            name="perfect model, 95 % end",
            marker={"symbol": "line-ns-open", "size": 14, "color": GREY, "line": {"width": 2}},
            hovertemplate="a perfect model stays below %{x:.3f} in 95 %<extra></extra>",
        )
    about = sets.drop_duplicates("dataset").set_index("dataset")
    figure.update_yaxes(
        tickvals=[i * between + (len(encoders) - 1) / 2 for i in range(len(places))],
        ticktext=[f"{about.loc[d, 'label']}<br><sub>{about.loc[d, 'domain']}</sub>" for d in places],
        range=[sets["row"].max() + 1, -1],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title=measure.axis, rangemode="tozero")
    for i in range(1, len(places)):
        if about.loc[places[i], "domain"] != about.loc[places[i - 1], "domain"]:
            figure.add_hline(y=i * between - 1, line={"color": GREY, "width": 1}, opacity=0.6)
    return finish(figure, finding, height=110 + 20 * int(sets["row"].max() + 2))


def domain_finding(sides: pd.DataFrame, measure: Measure, names: Mapping[str, str], pair: Sequence[str]) -> str:
    """What leaving the domain does to a figure of the chosen contenders, raw and after temperature."""
    said = []
    for scaled, state in ((False, f"Raw {measure.label}"), (True, "After temperature")):
        parts = []
        for id in dict.fromkeys(pair):
            for _, r in sides[(sides["encoder"] == id) & (sides["scaled"] == scaled)].iterrows():
                verdict = signed(r["gap"], 3) if r["found"] else UNSURE
                change = f"{r['inside']:.3f} in the domain, {r['outside']:.3f} away from it"
                parts.append(f"{names[id]} {change} ({verdict})")
        if parts:
            said.append(f"{state}: {'; '.join(parts)}")
    return ". ".join(said) or f"{measure.label} of every set; the study has no sets on both sides of its domain"


def domain_alt(sets: pd.DataFrame, measure: Measure, names: Mapping[str, str]) -> str:
    """The chart of all sets in words."""
    parts = []
    for (label, domain), group in sets.groupby(["label", "domain"], sort=False):
        values = []
        for id, mine in group.groupby("encoder", sort=False):
            raw, scaled = (mine[mine["scaled"] == state][measure.id] for state in (False, True))
            after = f", {scaled.iloc[0]:.3f} after temperature" if len(scaled) else ""
            values.append(f"{names[str(id)]} {raw.iloc[0]:.3f}{after}")
        highest = group["null_high"].max()
        perfect = f"; a perfect model up to {highest:.3f}" if highest == highest else ""
        parts.append(f"{label} ({domain}): {'; '.join(values)}{perfect}")
    return f"{capital(measure.axis)} by set. " + ". ".join(parts) + "."
