"""Charts of confidence: what they draw, and what their sentences claim."""

import numpy as np
import pandas as pd
import pytest

from core.plots import confidence_table, reliability, selective
from core.plots.style import StudyEncoder, styles
from core.results import abstaining, confidence
from core.results.confidence import Compared
from core.results.measures import MEASURES, Ranked

MEMBERS = [StudyEncoder("sl", "Net · SL", "SL"), StudyEncoder("ssl", "Net · SSL", "SSL")]
NAMES, LOOK = {m.id: m.label for m in MEMBERS}, styles(MEMBERS)
PAIR = ("sl", "ssl")
ECE = next(measure for measure in MEASURES if measure.id == "ece")


def run(shift: float, seed: int, count: int = 1500, skill: float = 1.0) -> Ranked:
    """Answers that are right with a chance of confidence − shift, or regardless of confidence without skill."""
    rng = np.random.default_rng(seed)
    sure = np.sort(0.3 + 0.7 * rng.beta(3, 1, count))[::-1]
    chance = np.clip(sure - shift, 0, 1)
    right = rng.random(count) < skill * chance + (1 - skill) * chance.mean()
    zeros = np.zeros(count)
    return Ranked(0, np.arange(count), sure, right, sure, zeros)


def answers(first: Ranked, second: Ranked) -> Compared:
    return Compared({"sl": [first], "ssl": [second]}, len(first.unit))


@pytest.fixture(scope="module")
def apart() -> Compared:
    return answers(run(0.0, 1), run(0.25, 2, skill=0.0))


@pytest.fixture(scope="module")
def alike() -> Compared:
    return answers(run(0.1, 1), run(0.1, 2))


def test_a_diagram_draws_every_bin_its_band_and_its_count(apart) -> None:
    table = abstaining.reliability(apart.seeds, apart.units)
    mine = table[table["encoder"] == "ssl"]
    chart = reliability.diagram(mine, LOOK["ssl"], "a finding")
    band, _, points, counts = chart.data
    np.testing.assert_allclose(np.array(band.base, dtype=float) + band.y, mine["perfect_high"])
    np.testing.assert_allclose(points.x, mine["confidence"])
    np.testing.assert_allclose(points.y, mine["accuracy"])
    np.testing.assert_allclose(np.array(points.y) - np.array(points.error_y.arrayminus), mine["low"])
    assert list(counts.y) == list(mine["count"])
    assert sum(counts.y) == 1500
    said = reliability.diagram_alt("Net", mine)
    outside = ((mine["accuracy"] < mine["perfect_low"]) | (mine["accuracy"] > mine["perfect_high"])).sum()
    assert f"{outside} of {len(mine)} bins lie outside" in said


def test_a_calibrated_contender_is_not_called_miscalibrated(apart) -> None:
    figures, _ = confidence.figures(apart, PAIR)
    assert "no miscalibration found" in reliability.diagram_finding("SL", figures, "sl")
    over = reliability.cell(figures, "ssl", "overconfidence")["value"]
    assert f"SSL claims {100 * over:.1f} points more than it delivers" in reliability.diagram_finding(
        "SSL", figures, "ssl"
    )
    under, _ = confidence.figures(answers(run(-0.15, 1), run(0, 2)), PAIR)
    assert "points less than it delivers" in reliability.diagram_finding("SL", under, "sl")


def test_headlines_claim_a_difference_only_when_one_is_found(apart, alike) -> None:
    figures, gaps = confidence.figures(apart, PAIR)
    assert reliability.headline(gaps, figures, NAMES, PAIR).startswith("Net · SL is better calibrated than Net · SSL")
    assert "Net · SL is better by" in selective.risk_finding(gaps, figures, NAMES, PAIR)
    assert selective.outcome_finding(gaps, figures, NAMES, PAIR).endswith("Net · SL tells them apart better")
    figures, gaps = confidence.figures(alike, PAIR)
    assert reliability.headline(gaps, figures, NAMES, PAIR).startswith("No difference found in calibration")
    assert "no difference found" in selective.risk_finding(gaps, figures, NAMES, PAIR).lower()
    assert "no difference found between" in selective.outcome_finding(gaps, figures, NAMES, PAIR)


def test_one_contender_alone_is_described_without_a_comparison(apart) -> None:
    alone = Compared({"sl": apart.seeds["sl"]}, apart.units)
    figures, gaps = confidence.figures(alone, ("sl",))
    assert "difference" not in selective.risk_finding(gaps, figures, NAMES, ("sl",))
    assert "difference" not in selective.outcome_finding(gaps, figures, NAMES, ("sl",))
    table = confidence_table.figures_table(figures, gaps, NAMES, ("sl",))
    assert list(table.columns) == ["figure", "Net · SL", "what it is", "formula"]


def test_the_table_of_figures_names_who_is_better_or_that_none_is(apart, alike) -> None:
    table = confidence_table.figures_table(*confidence.figures(apart, PAIR), NAMES, PAIR).set_index("figure")
    assert len(table) == len(MEASURES)
    assert table.loc["ECE", "verdict"] == "Net · SL better"
    assert table.loc["AUROC of errors", "verdict"] == "Net · SL better"
    assert table.loc["Overconfidence", "verdict"] == "Net · SL nearer to 0"
    assert "perfect 0." in table.loc["ECE", "Net · SSL"]
    figures, gaps = confidence.figures(alike, PAIR)
    table = confidence_table.figures_table(figures, gaps, NAMES, PAIR).set_index("figure")
    assert table.loc["ECE", "verdict"] == "no difference found"
    assert confidence_table.ranged(float("nan"), 0, 1) == "not defined"
    assert confidence_table.ranged(-0.5, float("nan"), 1) == "−0.500"
    assert "Net · SSL: Top-1 accuracy" in confidence_table.figures_alt(figures, NAMES)


def test_risk_curves_end_at_the_error_rate_in_chart_and_words(apart) -> None:
    table = abstaining.risks(apart.seeds)
    chart = selective.risk_chart(table, NAMES, LOOK, "a finding")
    assert [line.name for line in chart.data] == list(NAMES.values())
    errors = 1 - apart.seeds["ssl"][0].correct.mean()
    assert chart.data[1].y[-1] == pytest.approx(errors)
    assert f"{errors:.1%} at 100 %" in selective.risk_alt(table, NAMES)
    two = {"sl": [run(0, 1), run(0, 5)]}
    assert len(selective.risk_chart(abstaining.risks(two), NAMES, LOOK, "a finding").data) == 2  # band and line


def test_outcomes_point_up_for_right_and_down_for_wrong(apart) -> None:
    table = abstaining.outcomes(apart.seeds)
    chart = selective.outcome_chart(table, NAMES, LOOK, "a finding")
    bars = [trace for trace in chart.data if trace.type == "bar"]
    assert len(bars) == 4
    assert all(min(bar.y) >= 0 for bar in bars if bar.name == "right answers")
    assert all(max(bar.y) <= 0 for bar in bars if bar.name == "wrong answers")
    assert {bar.marker.pattern.shape for bar in bars} == {"", "/"}
    mean = table[(table["encoder"] == "sl") & (table["outcome"] == "right")]["mean"].iloc[0]
    assert f"mean right {mean:.2f}, wrong " in chart.layout.annotations[0].text
    assert f"mean {mean:.2f}" in selective.outcome_alt(table, NAMES)


def test_only_right_answers_have_no_downward_bars_and_no_auroc() -> None:
    certain = run(-1, 1, count=60)
    found = Compared({"sl": [certain]}, 60)
    figures, gaps = confidence.figures(found, ("sl",))
    chart = selective.outcome_chart(abstaining.outcomes(found.seeds), NAMES, LOOK, "a finding")
    assert len([trace for trace in chart.data if trace.type == "bar"]) == 1
    assert "undefined" in selective.outcome_finding(gaps, figures, NAMES, ("sl",))


def test_a_threshold_stands_in_chart_and_sentence(apart) -> None:
    table = abstaining.answered(apart.seeds)
    chart = selective.threshold_chart(table, NAMES, LOOK, 0.9, "a finding")
    assert {shape.x0 for shape in chart.layout.shapes} == {0.9}
    row = table[(table["encoder"] == "sl") & np.isclose(table["threshold"], 0.9)].iloc[0]
    said = selective.threshold_finding(table, NAMES, 0.9)
    assert f"Net · SL answers {row['coverage']:.0%}, {row['accuracy']:.1%} right" in said
    assert "nothing is answered" in selective.threshold_finding(table, NAMES, 1.0)


def sets() -> pd.DataFrame:
    rows = []
    for dataset, domain, ece in (("near", "similar", 0.05), ("far", "different", 0.2)):
        for encoder in PAIR:
            for scaled in (False, True):
                value = ece / (2 if scaled else 1)
                rows.append(
                    {
                        "dataset": dataset,
                        "label": dataset.title(),
                        "domain": domain,
                        "encoder": encoder,
                        "scaled": scaled,
                        "ece": value,
                        "low": value - 0.01,
                        "high": value + 0.02,
                        "null_high": 0.03,
                    }
                )
    return pd.DataFrame(rows)


def test_the_chart_of_all_sets_keeps_raw_and_scaled_apart_by_shape() -> None:
    chart = reliability.domain_chart(sets(), ECE, NAMES, LOOK, "a finding")
    named = {trace.name: trace for trace in chart.data if trace.mode == "markers"}
    assert named["Net · SL"].marker.symbol == "square-open"
    assert named["Net · SL, scaled"].marker.symbol == "square"
    assert list(named["Net · SSL"].x) == [0.05, 0.2]
    assert list(named["Net · SSL, scaled"].x) == [0.025, 0.1]
    assert set(named["perfect model, 95 % end"].x) == {0.03}
    assert len(chart.layout.shapes) == 1  # the line between the domains
    said = reliability.domain_alt(sets(), ECE, NAMES)
    assert "Far (different): Net · SL 0.200, 0.100 after temperature" in said
    raw = sets()[~sets()["scaled"]]
    assert [t.name for t in reliability.domain_chart(raw, ECE, NAMES, LOOK, "x").data if t.mode == "markers"] == [
        "Net · SL",
        "Net · SSL",
        "perfect model, 95 % end",
    ]


def test_the_chart_of_all_sets_draws_any_measure() -> None:
    nll = next(measure for measure in MEASURES if measure.id == "nll")
    table = sets().rename(columns={"ece": "nll"}).assign(null_high=np.nan)
    chart = reliability.domain_chart(table, nll, NAMES, LOOK, "a finding")
    assert chart.layout.xaxis.title.text == "negative log-likelihood of the true class (nats)"
    assert "perfect model, 95 % end" not in {trace.name for trace in chart.data}
    assert "perfect" not in reliability.domain_alt(table, nll, NAMES)
    assert reliability.domain_alt(table, nll, NAMES).startswith("Negative log-likelihood of the true class (nats) by")


def test_the_sentence_on_domains_claims_what_was_found() -> None:
    row = {"scaled": False, "inside": 0.05, "outside": 0.2, "low": 0.1, "high": 0.2}
    sides = pd.DataFrame(
        [
            row | {"encoder": "sl", "gap": 0.15, "found": True},
            row | {"encoder": "ssl", "gap": 0.01, "found": False},
        ]
    )
    said = reliability.domain_finding(sides, ECE, NAMES, PAIR)
    assert "Net · SL 0.050 in the domain, 0.200 away from it (+0.150)" in said
    assert "(no difference found)" in said
    assert "no sets on both sides" in reliability.domain_finding(sides.iloc[:0], ECE, NAMES, PAIR)
