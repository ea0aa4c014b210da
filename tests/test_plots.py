"""Answers and the common look of figures, against numbers worked out by hand."""

import ast
import re

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import toys
from plot_specs import OTHER, RANDOM, SL, SSL

from core import confidence
from core.paths import ROOT
from core.plots import answers, style
from core.plots.bars import bars

CLASSES = ("cat", "dog", "fox", "owl")


def says(*probabilities: float, temperature: float = 1.0) -> confidence.Prediction:
    """What logits with this softmax at temperature 1 give."""
    logits = np.log(np.array(probabilities, dtype=np.float32))
    return confidence.predict(logits, temperature, temperature != 1)


# Answers


def test_the_answers_table_has_the_top_classes_of_each():
    table = answers.answers_table(
        [SSL, SL], [says(0.5, 0.3, 0.15, 0.05), says(0.1, 0.2, 0.3, 0.4, temperature=2)], CLASSES, top=2
    )
    assert list(table["encoder"]) == ["ssl", "ssl", "sl", "sl"]
    assert list(table["class"]) == ["cat", "dog", "owl", "fox"]
    assert list(table["rank"]) == [1, 2, 1, 2]
    # A temperature of 2 takes square roots of the odds.
    roots = np.sqrt([0.1, 0.2, 0.3, 0.4])
    tempered = roots / roots.sum()
    assert list(table["probability"]) == pytest.approx([0.5, 0.3, tempered[3], tempered[2]], abs=1e-4)
    assert list(table["raw"]) == pytest.approx([0.5, 0.3, 0.4, 0.3], abs=1e-4)
    assert list(table["temperature"]) == [1, 1, 2, 2]
    assert list(table["calibrated"]) == [False, False, True, True]


def test_a_chosen_class_is_added_with_its_own_rank_and_once():
    prediction = says(0.5, 0.3, 0.15, 0.05)
    table = answers.answers_table([SSL], [prediction], CLASSES, top=2, chosen=3)
    assert list(table["class"]) == ["cat", "dog", "owl"]
    assert list(table["rank"]) == [1, 2, 4]
    assert len(answers.answers_table([SSL], [prediction], CLASSES, top=2, chosen=1)) == 2


def test_bars_draw_the_table_from_the_top():
    table = answers.answers_table([SSL], [says(0.5, 0.3, 0.15, 0.05)], CLASSES, top=3)
    look = style.styles([SSL])["ssl"]
    drawn = bars(table, look, "the bars in words")
    assert re.findall(r"text-align:right[^>]*>(\w+)<", drawn) == ["cat", "dog", "fox"]
    # One axis for all contenders: a bar is as long as its probability, and the tick stands at the raw softmax.
    expected = [pytest.approx(value * 100, abs=0.01) for value in (0.5, 0.3, 0.15)]
    assert [float(width) for width in re.findall(r"width:([\d.]+)%;background", drawn)] == expected
    assert [float(left) for left in re.findall(r"left:([\d.]+)%;[^>]*width:2px", drawn)] == expected
    assert re.findall(r"<div>(\d+%)</div>", drawn) == ["50%", "30%", "15%"]
    assert re.findall(r"translateX[^>]*>([^<]+)<", drawn) == ["0%", "50%", "100%"]
    assert drawn.count(style.rgba(look.colour, 1.0)) == 3
    assert 'role="img" aria-label="the bars in words"' in drawn
    highlighted = bars(table, look, "", highlight="dog")
    assert (highlighted.count(style.rgba(look.colour, 1.0)), highlighted.count(style.rgba(look.colour, 0.45))) == (1, 2)


def test_bars_tell_far_ranks_and_tiny_shares_and_take_names_as_text():
    table = pd.DataFrame({"class": ["<b>&"], "rank": [21], "probability": [0.004], "raw": [0.0]})
    drawn = bars(table, style.styles([SSL])["ssl"], '"quoted"')
    assert "&lt;b&gt;&amp; (rank 21)" in drawn
    assert "&lt;1%" in drawn
    assert "<b>" not in drawn
    assert "&quot;quoted&quot;" in drawn


def test_bars_in_words():
    plain = answers.answers_table([SSL], [says(0.5, 0.3, 0.15, 0.05)], CLASSES, top=2)
    assert answers.bars_alt(plain) == "Net · SSL: cat 50%, dog 30%. Uncalibrated softmax probabilities."
    # A temperature of 2 takes square roots of the odds: .8, .4, .4, .2 of 1.8.
    fitted = answers.answers_table([SSL], [says(0.64, 0.16, 0.16, 0.04, temperature=2)], CLASSES, top=1)
    assert answers.bars_alt(fitted) == "Net · SSL: cat 44%. Calibrated probabilities."


@pytest.mark.parametrize(
    ("specs", "predictions", "sentence"),
    [
        ([SSL], [says(0.5, 0.3, 0.15, 0.05)], "Net · SSL answers cat, 50% sure."),
        (
            [SSL, SL],
            [says(0.5, 0.3, 0.15, 0.05), says(0.8, 0.1, 0.05, 0.05)],
            "Both answer cat; SL is surer (80%) than SSL (50%).",
        ),
        (
            [SSL, SL],
            [says(0.52, 0.3, 0.13, 0.05), says(0.5, 0.3, 0.15, 0.05)],
            "Both answer cat, about equally sure (52% and 50%).",
        ),
        (
            [SSL, SL, RANDOM],
            [says(0.5, 0.3, 0.15, 0.05), says(0.1, 0.2, 0.3, 0.4), says(0.6, 0.2, 0.1, 0.1)],
            "They disagree: SSL answers cat (50%); SL answers owl (40%); random answers cat (60%).",
        ),
    ],
)
def test_the_finding_of_an_image(specs, predictions, sentence):
    assert answers.finding(specs, predictions, CLASSES) == sentence


@pytest.mark.parametrize("file", sorted((ROOT / "core" / "plots").glob("*.py")), ids=lambda file: file.stem)
def test_charts_compute_no_statistics(file):
    nodes = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    imported = {node.module or "" for node in nodes}
    assert not [name for name in imported if name.split(".")[0] in ("scipy", "sklearn")]
    names = {alias.name for node in nodes if (node.module or "").startswith("core.metrics") for alias in node.names}
    assert names <= {"Explained", "Interval", "Overlap", "RankCorrelation", "SharedNeighbours"}, (
        "a chart may name what was found; it finds nothing itself"
    )


# The common look


def test_families_differ_in_colour_dash_and_marker():
    look = style.styles([SSL, SL, RANDOM, OTHER])
    for field in ("colour", "dash"):
        assert len({getattr(s, field) for s in look.values()}) == 4
    assert len({s.marker for s in look.values()}) >= 3


def test_members_of_one_family_differ_in_shade_and_marker_but_not_dash():
    specs = [toys.spec(f"ssl{i}", regime="self-supervised") for i in range(3)]
    look = list(style.styles(specs).values())
    assert len({s.colour for s in look}) == len({s.marker for s in look}) == 3
    assert len({s.dash for s in look}) == 1


def test_a_style_does_not_depend_on_the_other_family():
    assert style.styles([SL, SSL])["ssl"] == style.styles([SSL])["ssl"]


def test_colours_with_an_opacity():
    assert style.rgba("#1f86c9", 0.15) == "rgba(31,134,201,0.15)"


@pytest.mark.parametrize("hue", [hue for hues in style.HUES.values() for hue in hues[:1]])
@pytest.mark.parametrize("background", ["#ffffff", "#11161d"])
def test_the_first_hue_of_each_family_can_be_told_from_both_backgrounds(hue, background):
    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(hue), luminance(background)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_short_labels_leave_out_what_all_share():
    assert style.short_labels([SSL, SL]) == {"ssl": "SSL", "sl": "SL"}
    assert style.short_labels([SSL]) == {"ssl": "Net · SSL"}
    other = toys.spec("big", label="Big net · SL")
    assert style.short_labels([SSL, other]) == {"ssl": "Net · SSL", "big": "Big net · SL"}


def test_a_chart_that_leaves_the_page_carries_its_finding():
    figure = style.finish(go.Figure(), "a long sentence " * 12, height=300)
    alone = style.titled(figure)
    assert figure.layout.title.text is None
    assert alone.layout.title.text.replace("<br>", " ") == ("a long sentence " * 12).strip()
    assert alone.layout.height > figure.layout.height
