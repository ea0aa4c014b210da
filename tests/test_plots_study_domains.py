"""Distance and what it does: charts and sentences that claim no more than the tables hold."""

from math import nan

import pandas as pd
import pytest
from study_tables import LOOK, MIXED, NAMES, SETS, verdicts

from core.plots import study_domains, study_gap, study_words
from core.plots.style import GREY
from core.results import distances, pairs


def far(values: dict[str, float], encoder="sl", floor: float | None = 2.0) -> pd.DataFrame:
    known = {**({"birds": floor} if floor is not None else {}), **values}
    return pd.DataFrame(
        {
            "encoder": encoder,
            "dataset": list(known),
            "reference": "birds",
            "measure": "frechet",
            "value": list(known.values()),
            "samples": 500,
        }
    )


DISTANCES = far({"cars": 5.0, "dogs": 4.0, "scans": 20.0})


def test_points_outside_the_noise_have_the_colour_of_their_domain_and_others_are_grey():
    table = distances.by_distance(MIXED, DISTANCES, "sl", "frechet")
    figure = study_domains.advantage_chart(table, 2.0, "frechet", "A", "B", "Found")
    drawn = {
        trace.customdata[i][0]: (trace.marker.color, trace.marker.symbol, trace.y[i], trace.error_y.array[i])
        for trace in figure.data
        if trace.customdata is not None
        for i in range(len(trace.x))
    }
    similar, circle = study_domains.DOMAIN_COLOURS["similar"], study_words.DOMAIN_MARKERS["similar"]
    assert drawn["Cars"][:2] == (similar, circle)
    assert drawn["Dogs"][:2] == (GREY, circle)
    assert drawn["Scans"][0] == study_domains.DOMAIN_COLOURS["different"]
    assert drawn["Cars"][2:] == pytest.approx((-3, 2))
    assert len({colour for colour, _, _, _ in drawn.values()}) == 4
    assert any(shape.x0 == shape.x1 == 2.0 for shape in figure.layout.shapes)
    texts = [note.text for note in figure.layout.annotations]
    assert {"Cars", "Dogs", "Scans", "Birds", "↑ B ahead", "↓ A ahead"} == set(texts)


def test_without_a_floor_no_line_is_drawn_and_a_single_set_has_a_chart():
    table = distances.by_distance(MIXED, far({"cars": 5.0}, floor=None), "sl", "frechet")
    figure = study_domains.advantage_chart(table, float("nan"), "frechet", "A", "B", "Found")
    assert [shape for shape in figure.layout.shapes if shape.x0 == shape.x1] == []
    low, high = figure.layout.xaxis.range
    assert low < 5 < high
    assert study_domains.advantage_finding(distances.trend(table, "frechet"), "A", "B") == (
        "B minus A on Cars: −3.0 points; one set shows no trend"
    )


def five(differences: list[float]) -> pd.DataFrame:
    sets = {"birds": "source", **{f"set{i}": "different" for i in range(len(differences))}}
    paired = verdicts(dict.fromkeys(sets, "second ahead"), [0.0, *differences], sets)
    known = far({f"set{i}": 3.0 + i for i in range(len(differences))})
    return distances.by_distance(paired, known, "sl", "frechet")


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([0.01, 0.02, 0.03, 0.04], "4 sets are too few to speak of a trend"),
        ([0.01, 0.02, 0.03, 0.04, 0.05], "the difference rises with distance over 5 sets (Spearman ρ = +1.00, exact"),
        ([0.05, 0.04, 0.03, 0.02, 0.01], "the difference falls with distance over 5 sets (Spearman ρ = −1.00, exact"),
        ([0.01, 0.05, 0.02, 0.04, 0.03], "no trend with distance found over 5 sets (Spearman ρ = +0.30, exact p = "),
        ([0.02] * 5, "all 5 sets have the same difference or the same distance, so nothing can be correlated"),
    ],
)
def test_a_trend_is_claimed_by_exact_p_of_five_sets_or_more(differences, said):
    found = study_domains.advantage_finding(distances.trend(five(differences), "frechet"), "A", "B")
    assert said in found
    assert found.startswith("B minus A, from the nearest set to the farthest: Set0 ")


def test_sets_that_are_all_told_apart_are_not_ranked():
    table = five([0.01, 0.02, 0.03, 0.04, 0.05])
    table.loc[1:, "distance"] = [0.97, 0.996, 0.9991, 0.9999, 1.0]
    said = study_domains.advantage_finding(distances.trend(table, "auroc"), "A", "B")
    assert "tells 4 of 5 sets from the source without error (AUROC 1.00), so this distance cannot rank them" in said
    table.loc[1:, "distance"] = [0.6, 0.7, 0.8, 0.9, 1.0]
    assert "rises with distance over 5 sets" in study_domains.advantage_finding(
        distances.trend(table, "auroc"), "A", "B"
    )


def test_the_source_alone_is_no_set_at_a_distance():
    table = distances.by_distance(MIXED, far({}), "sl", "frechet")
    assert "no set but the source" in study_domains.advantage_finding(distances.trend(table, "frechet"), "A", "B")
    assert study_domains.advantage_chart(table, 2.0, "frechet", "A", "B", "Found").layout.xaxis.range[0] < 2


def test_advantage_in_words_holds_sets_distances_and_the_floor():
    table = distances.by_distance(MIXED, DISTANCES, "sl", "frechet")
    alt = study_domains.advantage_alt(table, 2.0, "frechet", "A", "B")
    assert "Scans (different) at 20: +4.0 points, second ahead" not in alt
    assert "Scans (different) at 20: +4.0 points, B ahead" in alt
    assert "Two halves of the source are 2 apart." in alt


# Gap

GAPS = pd.DataFrame(
    {
        "encoder": ["sl", "ssl"],
        "similar": [0.7, 0.6],
        "different": [0.8, 0.79],
        "gap": [0.1, 0.19],
        "low": [0.08, 0.17],
        "high": [0.12, 0.21],
    }
)


def test_gap_finding_names_the_contender_that_loses_less():
    said = study_gap.gap_finding(GAPS, pairs.gap_difference(MIXED), nan, NAMES, "sl", "ssl")
    assert said == (
        "SimCLR fares relatively better on different sets: gaps are Supervised +10.0, SimCLR +19.0 points "
        "(difference +5.0, 95 % interval +2.6 to +7.4)"
    )
    ties = verdicts(dict.fromkeys(SETS, "no difference found"), [0, 0.01, 0.01, 0.01])
    said = study_gap.gap_finding(GAPS, pairs.gap_difference(ties), nan, NAMES, "sl", "ssl")
    assert said.startswith("No difference found between the generalization gaps")


def test_gap_difference_within_the_training_noise_is_none():
    difference = pairs.gap_difference(MIXED)
    said = study_gap.gap_finding(GAPS, difference, abs(difference.estimate) + 0.001, NAMES, "sl", "ssl")
    assert said.startswith("No difference found")
    assert "two training runs of one method lie" in said


def test_gap_finding_of_one_encoder_gives_values_and_no_comparison():
    said = study_gap.gap_finding(GAPS.iloc[:1], None, nan, NAMES, "sl", "sl")
    assert said == "Accuracy on different sets minus that on similar sets, in points: Supervised +10.0"


def test_gap_chart_and_words_are_the_table():
    figure = study_gap.gap_chart(GAPS, NAMES, LOOK, "Found")
    assert [(trace.y[0], trace.x[0]) for trace in figure.data] == [("Supervised", 10), ("SimCLR", 19)]
    assert figure.data[0].error_x.array[0] == pytest.approx(2)
    alt = study_gap.gap_alt(GAPS, NAMES)
    assert "SimCLR: 60.0% on similar sets, 79.0% on different ones, gap +19.0 points" in alt
