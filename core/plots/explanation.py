"""Does it explain it? What the test of the paper's explanation comes to, as sentences and two charts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.metrics.domain import RankCorrelation
from core.metrics.explanation import Explained
from core.metrics.interval import Interval
from core.plots.study_words import DOMAIN_COLOURS, DOMAIN_MARKERS
from core.plots.style import GREY, UNSURE, Style, add_estimates, apart, finish, rows_axis
from core.text import signed


def verdict(found: Explained, what: str, first: str, second: str) -> str:
    """One property inside one data set: effect, interval, what would overturn it; never a bare yes."""
    counts = f"{found.only_second} images that only {second} gets right, {found.only_first} that only {first} does"
    if found.auroc.estimate != found.auroc.estimate:
        return f"{what}: too few images to say ({counts})."
    effect = _reach(found.auroc)
    if found.auroc.low > 0.5:
        beyond = (
            "and more than clean confidence says already"
            if found.beyond.low > 0.5
            else "but not beyond what clean confidence says already"
        )
        said = f"goes with who is right, {beyond}"
    elif found.auroc.high < 0.5:
        said = "goes against who is right: the steadier contender is the wrong one more often"
    else:
        said = f"does not tell who is right: {UNSURE}"
    return f"{what} {said} (AUROC {effect}; with confidence taken out {_reach(found.beyond)}; {counts})."


def headline(what: str, known: int, tells: int, beyond: int, against: int) -> str:
    """One property over the data sets on which enough images are got right by one contender alone."""
    if not known:
        return "Too few images that exactly one contender gets right: nothing can be said image by image"
    sets = "data set" if known == 1 else "data sets"
    return (
        f"{what} goes with who is right on {tells} of {known} {sets} ({beyond} of them beyond what clean confidence "
        f"says), against it on {against}"
    )


def over_sets(what: str, prop: str, found: Mapping[str, Mapping[str, Explained]]) -> str:
    """`headline` of one property.

    Args:
        found: by data set and property.
    """
    of = [each[prop] for each in found.values()]
    tells = [each for each in of if each.auroc.low > 0.5]
    return headline(
        what,
        sum(each.auroc.estimate >= 0 for each in of),
        len(tells),
        sum(each.beyond.low > 0.5 for each in tells),
        sum(each.auroc.high < 0.5 for each in of),
    )


def _reach(found: Interval) -> str:
    return f"{found.estimate:.2f}, 95 % interval {found.low:.2f} to {found.high:.2f}"


def across_verdict(found: RankCorrelation | None, sets: int, what: str, first: str, second: str) -> str:
    """One property over data sets, in a sentence."""
    if found is None:
        return f"{what}: {sets} data set{'' if sets == 1 else 's'} cannot be ranked; four can."
    if found.rho != found.rho:
        return f"{what}: the same on all {sets} sets, which ranks nothing."
    p = f"ρ = {signed(found.rho, 2)}, {'exact ' if found.exact else ''}permutation p = {found.p:.3f}"
    if found.p >= 0.05:
        return f"{what}: no relation found between it and accuracy over {sets} data sets ({p}); more sets may show one."
    way = "more accurate" if found.rho > 0 else "less accurate"
    return (
        f"{what}: where {second} has more of it than {first}, it is the {way} ({p}, {sets} data sets). A set that "
        "breaks the order would weaken this, and sets chosen otherwise may."
    )


def sets_chart(sets: pd.DataFrame, prop: str, said: str, first: str, second: str) -> go.Figure:
    """A point a data set: the accuracy advantage over the advantage in a property."""
    figure = go.Figure()
    places = _label_places(sets, prop)
    for domain, part in sets.groupby("domain", sort=False):
        figure.add_scatter(
            x=part[prop],
            y=100 * part["accuracy"],
            mode="markers+text",
            text=part["label"],
            name=str(domain),
            textposition=[places[str(id)] for id in part["dataset"]],
            # Plotly's own blue and orange are those of contenders here.
            marker={"symbol": DOMAIN_MARKERS[str(domain)], "color": DOMAIN_COLOURS[str(domain)], "size": 11},
            cliponaxis=False,
            hovertemplate="%{text}: %{x:+.3f}, %{y:+.1f} points<extra></extra>",
        )
    for add in (figure.add_hline, figure.add_vline):
        add(**({"y": 0} if add == figure.add_hline else {"x": 0}), line={"color": GREY, "width": 1.2})
    reach = max(1e-3, float(sets[prop].abs().max()) * 1.35)  # in this order: the former where nothing is known
    figure.update_xaxes(title=f"{second} minus {first}", range=[-reach, reach])
    figure.update_yaxes(title="accuracy advantage (points)")
    return finish(figure, said, height=420)


def _label_places(sets: pd.DataFrame, prop: str) -> dict[str, str]:
    """Where the name of each point goes: above, but below the lower of two that lie close."""
    width, height = np.ptp(sets[prop]) or 1.0, np.ptp(sets["accuracy"]) or 1.0
    found = {}
    for id, x, y in zip(sets["dataset"], sets[prop], sets["accuracy"], strict=True):
        beside = (sets[prop] - x).abs() < 0.4 * width
        above = (sets["accuracy"] - y).between(0, 0.2 * height, inclusive="right")
        found[str(id)] = "bottom center" if (beside & above).any() else "top center"
    return found


def within_chart(
    found: Mapping[str, Mapping[str, Explained]],
    labels: Mapping[str, str],
    properties: Mapping[str, str],
    look: Style,
    said: str,
) -> go.Figure:
    """AUROC of every property in every data set with 95 % intervals; ½ says nothing.

    Args:
        found: by data set and property.
        labels: of the data sets by id.
        properties: names by key.
        look: of the second contender.
    """
    figure = go.Figure()
    marks = ("circle", "square", "diamond", "x")
    for place, (key, name) in enumerate(properties.items()):
        rows = [(row, each[key].auroc) for row, each in enumerate(found.values()) if each[key].auroc.estimate >= 0]
        if not rows:
            continue
        row, middle, low, high = np.array([(row, *interval) for row, interval in rows]).T
        drawn = (name, marks[place % 4], look.colour if place == 0 else GREY, f"{name}, %{{text}}: %{{x:.2f}}")
        sets = [labels[id] for id in found if found[id][key].auroc.estimate >= 0]
        add_estimates(figure, middle, row + apart(place, len(properties)), low, high, *drawn, text=sets)
    figure.add_vline(x=0.5, line={"color": GREY, "width": 1.5})
    figure.update_xaxes(title="AUROC: ½ says nothing, 1 tells every image", range=[0, 1])
    rows_axis(figure, [labels[id] for id in found])
    return finish(figure, said, height=150 + 60 * len(found))
