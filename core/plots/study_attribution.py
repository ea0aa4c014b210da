"""Maps of whole data sets: how far two contenders' agree, how concentrated they are, and what speaks for them."""

import io
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from core.plots.overlay import colour
from core.plots.style import GREY, UNSURE, Style, add_estimates, apart, finish, rows_axis
from core.text import signed

MAP_SIDE = 168


def agreement_finding(table: pd.DataFrame, first: str, second: str) -> str:
    """How alike two contenders' maps are, in the middle and at both ends.

    Args:
        table: of `attribution.agreement`, not empty.
    """
    low, middle, high = table["spearman"].quantile([0.1, 0.5, 0.9])
    overlap, chance = table["iou"].mean(), table["chance"].iloc[0]
    said = (
        f"Maps of {first} and {second} agree by Spearman {middle:.2f} in the median ({low:.2f} to {high:.2f} for the "
        f"middle 80 % of images; chance 0); their strongest fifths overlap by {overlap:.0%} (chance {chance:.0%})"
    )
    return re.sub(r"-(?=\d)", "−", said)


def agreement_chart(table: pd.DataFrame, said: str) -> go.Figure:
    """The distribution of the rank correlation over images."""
    figure = go.Figure()
    figure.add_histogram(x=table["spearman"], xbins={"start": -1, "end": 1, "size": 0.1}, marker={"color": GREY})
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title="Spearman of the two maps of the true class", range=[-1, 1])
    figure.update_yaxes(title="images")
    figure.update_layout(showlegend=False, bargap=0.05)
    return finish(figure, said, height=280)


def map_png(values: NDArray[np.float32]) -> bytes:
    """A map on its own grid as a PNG: evidence for the class in warm, against it in cold colours, one scale a map."""
    reach = float(np.abs(values).max()) or 1.0
    image = Image.fromarray(colour(values, reach, signed=True)).resize((MAP_SIDE, MAP_SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def concentration_finding(table: pd.DataFrame, what: str, names: Mapping[str, str], pair: tuple[str, str]) -> str:
    """One figure of both contenders when right and when wrong, as means over data sets.

    Args:
        table: of `attribution.means` by data set, encoder and outcome, of one figure.
    """
    parts = []
    for id in pair:
        mine = table[table["encoder"] == id]
        said = [
            f"{mine[mine['right'] == right]['mean'].mean():.2f} when {word}"
            for right, word in ((True, "right"), (False, "wrong"))
            if (mine["right"] == right).any()
        ]
        parts.append(f"{names[id]} {', '.join(said)}")
    return f"{what[:1].upper()}{what[1:]}: {'; '.join(parts)}"


def concentration_chart(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    names: Mapping[str, str],
    look: Mapping[str, Style],
    pair: tuple[str, str],
    what: str,
    said: str,
) -> go.Figure:
    """A figure by data set: filled where the contender is right, hollow where it is wrong, with 95 % intervals."""
    figure = go.Figure()
    rows = {id: row for row, id in enumerate(dict.fromkeys(table["dataset"]))}
    series = [(id, right) for id in pair for right in (True, False)]
    for place, (id, right) in enumerate(series):
        mine = table[(table["encoder"] == id) & (table["right"] == right)]
        word = "right" if right else "wrong"
        place_of = mine["dataset"].map(rows).astype(float) + apart(place, len(series))
        symbol = look[id].marker if right else f"{look[id].marker.split('-')[0]}-open"
        drawn = (f"{names[id]}, {word}", symbol, look[id].colour, f"{names[id]}, {word}, %{{text}}: %{{x:.3f}}")
        text = mine["dataset"].map(labels)
        add_estimates(figure, mine["mean"], place_of, mine["low"], mine["high"], *drawn, text=text)
    figure.update_xaxes(title=what)
    rows_axis(figure, [labels[str(id)] for id in rows])
    return finish(figure, said, height=150 + 62 * table["dataset"].nunique())


def objects_finding(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """How much of each contender's evidence lies on the object, against what a blind map would have there.

    Args:
        table: of `attribution.on_objects`, not empty.
    """
    parts = []
    for row in table[table["figure"] == "in_mask"].to_dict("records"):
        word = "more than" if row["low"] > 0 else "less than" if row["high"] < 0 else "not told apart from"
        parts.append(f"{names[row['encoder']]} has {row['mean']:.0%} of its evidence on the object, {word} chance")
    return f"{'; '.join(parts)} ({table['chance'].mean():.0%}, its share of the picture)"


def objects_chart(
    table: pd.DataFrame, figures: Mapping[str, str], names: Mapping[str, str], look: Mapping[str, Style], said: str
) -> go.Figure:
    """Each contender's gain over chance by figure, with 95 % intervals over images.

    Args:
        table: of `attribution.on_objects`, not empty.
    """
    figure = go.Figure()
    rows = {id: row for row, id in enumerate(figures)}
    encoders = list(dict.fromkeys(table["encoder"]))
    for place, id in enumerate(encoders):
        mine = table[table["encoder"] == id]
        place_of = mine["figure"].map(rows).astype(float) + apart(place, len(encoders))
        hover = f"{names[id]}: %{{text}}, %{{x:+.1%}} beyond chance"
        drawn, text = (names[id], look[id].marker, look[id].colour, hover), mine["mean"].map("{:.0%}".format)
        add_estimates(figure, mine["gain"], place_of, mine["low"], mine["high"], *drawn, text=text)
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title="share beyond chance", tickformat="+.0%")
    rows_axis(figure, list(figures.values()))
    return finish(figure, said, height=250)


def trust_lines(table: pd.DataFrame) -> list[str]:
    """What speaks for and against one contender's maps on one data set, a sentence each.

    Args:
        table: of `attribution.means`, of one contender and data set.
    """
    rows = {str(row["figure"]): row for _, row in table.iterrows()}
    lines = []
    for key, what in (
        ("deletion_gain", "covering what the map marks takes more from the answer than a random order does"),
        ("insertion_gain", "showing what the map marks brings the answer back sooner than a random order does"),
        ("centre_gain", "showing what the map marks brings the answer back sooner than an order from the centre does"),
    ):
        if key in rows:
            row = rows[key]
            mean, low, high = (signed(row[end], 3) for end in ("mean", "low", "high"))
            reach = f"{mean}, 95 % interval {low} to {high}"
            word = "Yes" if row["low"] > 0 else "No, the opposite" if row["high"] < 0 else UNSURE.capitalize()
            lines.append(f"{what[:1].upper()}{what[1:]}: {word} ({reach}, {int(row['images'])} images).")
    for key, what in (("sanity_head", "a random head"), ("sanity_stage", "a random last stage")):
        if key in rows:
            row = rows[key]
            found = f"{row['mean']:.2f}".replace("-", "−")
            lines.append(f"Likeness to its map under {what}: Spearman {found} (0 is as it should be).")
    return lines
