"""Charts and sentences of a study: what they say is true in every case, and what they draw is the table."""

import numpy as np
import pandas as pd
import pytest
from study_tables import LOOK, MIXED, NAMES, SETS, accuracies, controls, verdicts

from core.plots import study, study_words, style


def bars(**changes):
    arguments = {
        "table": accuracies(),
        "controls": controls(),
        "names": {id: NAMES[id] for id in ("sl", "ssl")},
        "look": LOOK,
        "finding": "Found",
        "study": "mine",
    }
    return study.accuracy_bars(**{**arguments, **changes})


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


# Bars


def test_bars_are_the_table_in_percent_by_domain_and_carry_what_a_click_needs():
    figure = bars()
    assert [a.text for a in figure.layout.annotations[:3]] == [
        "<b>Source</b>",
        "<b>Similar to the source</b>",
        "<b>Different from the source</b>",
    ]
    mine = named(figure, "SimCLR")
    assert [list(trace.y) for trace in mine] == [["Birds"], ["Cars", "Dogs"], ["Scans"]]
    assert mine[1].x == pytest.approx([65, 70])
    assert mine[1].error_x.array == pytest.approx([6, 6])
    assert mine[1].error_x.arrayminus == pytest.approx([5, 5])
    assert [entry[:2] for entry in mine[1].customdata] == [["cars", "ssl"], ["dogs", "ssl"]]
    assert style.finding_of(figure) == "Found"


def test_pattern_repeats_what_colour_says_and_each_contender_is_in_the_legend_once():
    figure = bars()
    kinds = {name: named(figure, name) for name in ("Supervised", "SimCLR")}
    for name, id in (("Supervised", "sl"), ("SimCLR", "ssl")):
        assert {trace.marker.color for trace in kinds[name]} == {LOOK[id].colour}
        assert [trace.showlegend for trace in kinds[name]] == [True, False, False]
    assert kinds["Supervised"][0].marker.pattern.shape != kinds["SimCLR"][0].marker.pattern.shape


def test_control_lines_stand_where_the_table_has_them():
    figure = bars()
    majority = named(figure, "always the commonest class")
    assert np.concatenate([trace.x for trace in majority]) == pytest.approx([10, 20, 30, 40])
    untrained = named(figure, "random-weights encoder")
    assert np.concatenate([trace.x for trace in untrained]) == pytest.approx([20, 35, 45])


def test_a_best_supervised_figure_that_is_a_bar_gets_no_line_of_its_own():
    name = study.CONTROLS["best_supervised"][0]
    (line,) = named(bars(), name)
    assert (list(line.y), list(line.x)) == (["Scans"], [70])
    assert "study other" in line.text[0]
    everywhere = named(bars(controls=controls(where="another")), name)
    assert np.concatenate([trace.x for trace in everywhere]) == pytest.approx([80, 90, 70])


def test_the_note_speaks_of_the_lines_that_are_there():
    said = study.controls_note(controls(), list(SETS), "mine", ["sl", "ssl"])
    assert said.startswith("Thin grey line: always the commonest class; thick grey line: random-weights encoder;")
    assert said.endswith("on 2 of 4 sets the best supervised figure at hand is one of the bars.")
    bare = controls().assign(random_encoder=np.nan, best_supervised=np.nan)
    assert study.controls_note(bare, list(SETS), "mine", ["sl"]) == "Thin grey line: always the commonest class."
    assert study.controls_note(bare, [], "mine", ["sl"]) == ""


def test_published_figures_are_drawn_apart_and_cannot_be_taken_for_bars():
    published = pd.DataFrame(
        {"dataset": ["cars", "elsewhere"], "model": "ResNet", "accuracy": [0.91, 0.5], "source": "A 2021, Table 1"}
    )
    (marks,) = named(bars(published=published), "published, not measured here")
    assert (list(marks.y), list(marks.x)) == (["Cars"], [91])
    assert marks.customdata is None
    assert "A 2021, Table 1" in marks.text[0]
    assert marks.marker.color not in {style_.colour for style_ in LOOK.values()}


def test_two_sets_of_one_label_stay_apart_and_another_metric_is_named():
    table = accuracies(sets={"a": "similar", "b": "similar"}).assign(label="Same")
    assert study_words.set_labels(table) == {"a": "Same [a]", "b": "Same [b]"}
    assert list(named(bars(table=table), "SimCLR")[0].y) == ["Same [a]", "Same [b]"]
    per_class = accuracies(sets={"a": "similar"}, metric="mean-per-class")
    assert study_words.set_labels(per_class) == {"a": "A (mean per class)"}


@pytest.mark.parametrize("encoders", [("sl",), ("sl", "ssl", "rnd")])
@pytest.mark.parametrize("sets", [{"birds": "unknown"}, {f"set{i}": "similar" for i in range(40)}])
def test_any_number_of_sets_and_encoders_has_a_chart(encoders, sets):
    table = accuracies(encoders, sets)
    figure = bars(table=table, names={id: NAMES[id] for id in encoders}, controls=controls())
    assert sum(len(trace.y) for trace in figure.data if trace.type == "bar") == len(table)
    assert figure.layout.height > 22 * len(table)


# Sentences


def said_of(paired: pd.DataFrame) -> str:
    return study_words.accuracy_finding(accuracies(), paired, NAMES, "sl", "ssl", "linear probe")


def test_finding_says_who_is_ahead_by_domain():
    assert said_of(MIXED) == (
        "Linear probe, paired tests. Source: Supervised ahead on 1 of 1; similar: Supervised ahead on 1 of 2, "
        "no difference found on 1; different: SimCLR ahead on 1 of 1"
    )


def test_finding_of_ties_claims_nothing():
    said = said_of(verdicts(dict.fromkeys(SETS, "no difference found")))
    assert "ahead" not in said
    assert said.count("no difference found") == 3


def test_finding_of_one_encoder_gives_its_range_and_of_one_set_its_figure():
    nobody = MIXED.iloc[:0]
    assert said_of(nobody) == "Linear probe: Supervised reaches 50.0% (Birds) to 65.0% (Scans) on 4 sets"
    single = accuracies(sets={"cars": "similar"})
    found = study_words.accuracy_finding(single, nobody, NAMES, "sl", "sl", "k-NN")
    assert found == "k-NN: Supervised reaches 50.0% on Cars"
    absent = study_words.accuracy_finding(single, nobody, NAMES, "rnd", "rnd", "k-NN")
    assert absent == "k-NN: accuracy by data set"


def test_points_carry_a_true_minus_and_zero_no_sign():
    assert [study_words.signed(value) for value in (1.25, -3.0, 0.0, -0.04)] == ["+1.2", "−3.0", "0.0", "0.0"]


def test_card_gives_the_verdict_and_the_range():
    similar = MIXED[MIXED["domain"] == "similar"]
    assert study_words.card(similar, "supervised", "SimCLR") == (
        "Mixed",
        "Supervised ahead on 1 of 2, no difference found on 1. SimCLR minus supervised on 2 sets: −3.0 to +1.0 points",
    )
    source = MIXED[MIXED["domain"] == "source"]
    assert study_words.card(source, "supervised", "SimCLR") == (
        "Supervised ahead",
        "SimCLR minus supervised on 1 set: −5.0 points",
    )
    ties = verdicts({"cars": "no difference found", "dogs": "no difference found"})
    assert study_words.card(ties, "a", "b")[0] == "No difference found"


def test_alt_and_tables_hold_the_numbers():
    alt = study_words.accuracy_alt(accuracies(), NAMES, controls())
    assert "Cars, similar: Supervised 55.0%, SimCLR 65.0% (commonest class 20.0%)" in alt
    table = study_words.accuracy_table(accuracies(), controls(), ["ssl"])
    assert table["accuracy"].tolist() == [60.0, 65.0, 70.0, 75.0]
    assert table["majority"].tolist() == [10.0, 20.0, 30.0, 40.0]
    tests = study_words.tests_table(MIXED, "A", "B")
    assert tests["verdict"].tolist() == ["A ahead", "A ahead", "no difference found", "B ahead"]
    assert tests["difference (points)"].tolist() == [-5.0, -3.0, 1.0, 4.0]
