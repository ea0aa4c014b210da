"""Two contenders on the same samples, against hand-computed studies and other implementations."""

import itertools

import numpy as np
import pandas as pd
import pytest
from plain_bootstrap import plain_bootstrap
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from study_rows import invent
from study_tables import MIXED
from toy_studies import toy

from core.errors import InvalidRequest
from core.plots import study_words
from core.results import pairs
from core.results.pairs import CELLS
from core.results.store import study

LABELS = [0] * 12
BOTH, FIRST, SECOND, NEITHER = 5, 1, 4, 2


@pytest.fixture
def info(tmp_path):
    """One seed: five samples both get right, one only the first, four only the second, two neither."""
    first = [0] * (BOTH + FIRST) + [1] * (SECOND + NEITHER)
    second = [0] * BOTH + [2] * FIRST + [0] * SECOND + [1, 2]
    return toy(tmp_path, {("a", "x", 0): first, ("b", "x", 0): second}, {"x": LABELS}, families={"b": "SSL"})


def test_paired(info):
    (row,) = pairs.paired(info, "linear", "a", "b").to_dict("records")
    assert (row["both"], row["only_first"], row["only_second"], row["neither"]) == (BOTH, FIRST, SECOND, NEITHER)
    assert row["samples"] == 12
    assert row["difference"] == pytest.approx(3 / 12)
    assert row["p"] == row["p_holm"] == pytest.approx(stats.binomtest(FIRST, FIRST + SECOND).pvalue)
    assert row["verdict"] == "no difference found"
    (turned,) = pairs.paired(info, "linear", "b", "a").to_dict("records")
    assert turned["difference"] == pytest.approx(-row["difference"])
    assert (turned["only_first"], turned["only_second"]) == (SECOND, FIRST)
    assert turned["low"] == pytest.approx(-row["high"], abs=0.1)


def test_interval_agrees_with_a_bootstrap_of_pairs(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=150)
    said = {}
    for encoder, skill in (("a", 0.5), ("b", 0.6)):
        for seed in range(3):
            said[encoder, "x", seed] = np.where(rng.random(150) < skill, truth, (truth + 1) % 4)
    (row,) = pairs.paired(toy(tmp_path, said, {"x": truth}), "linear", "a", "b").to_dict("records")
    first, second = (np.mean([said[e, "x", s] == truth for s in range(3)], axis=0) for e in "ab")
    slow = plain_bootstrap(lambda a, b: (b - a).mean(), first, second, draws=4000, rng=rng)
    assert row["difference"] == pytest.approx(slow.estimate)
    assert (row["low"], row["high"]) == (pytest.approx(slow.low, abs=0.01), pytest.approx(slow.high, abs=0.01))


def test_most_seeds_decide_and_of_a_tie_the_lowest(tmp_path):
    said = {
        ("a", "x", 0): [0, 1, 0],  # two seeds: the tie of the first sample goes to seed 0, which is right
        ("a", "x", 1): [1, 0, 0],
        ("b", "x", 2): [0, 1, 1],  # three seeds: two of three
        ("b", "x", 0): [1, 1, 0],
        ("b", "x", 1): [0, 0, 0],
    }
    info = toy(tmp_path, said, {"x": [0, 0, 0]})
    (row,) = pairs.paired(info, "linear", "a", "b").to_dict("records")
    assert (row["both"], row["only_first"], row["only_second"], row["neither"]) == (2, 0, 0, 1)
    assert row["difference"] == pytest.approx((2 / 3 + 1 / 3 + 2 / 3) / 3 - (0.5 + 0.5 + 1) / 3)
    found = pairs.samples(info, "linear", "a", "b", "x", order="sample")
    assert list(found["first_correct"]) == [True, False, True]
    assert list(found["first_prediction"]) == [0, 1, 0]
    assert list(found["first_share"]) == [0.5, 0.5, 1]
    assert list(found["second_prediction"]) == [1, 1, 0]
    assert list(found["second_correct"]) == [True, False, True]


def test_holm_over_data_sets_and_the_verdicts(tmp_path):
    truth = [0] * 40
    wrong = {"clear": 12, "less": 7, "none": 0}  # samples that only the second gets right
    said = {}
    for dataset, count in wrong.items():
        said["a", dataset, 0] = [1] * count + [0] * (40 - count)
        said["b", dataset, 0] = truth
    info = toy(tmp_path, said, dict.fromkeys(wrong, truth))
    found = pairs.paired(info, "linear", "a", "b").set_index("dataset")
    p = [min(1, 2 * 0.5**count) for count in wrong.values()]
    assert list(found["p"]) == pytest.approx(p)
    assert list(found["p_holm"]) == pytest.approx([3 * p[0], 2 * p[1], 1])
    assert list(found["verdict"]) == ["second ahead", "second ahead", "no difference found"]
    assert set(pairs.paired(info, "linear", "b", "a")["verdict"]) == {"first ahead", "no difference found"}


def test_no_verdict_when_the_two_by_two_speaks_against_the_metric(tmp_path):
    labels = [0] * 30 + [1, 2]
    said = {("a", "x", 0): [0] * 30 + [3, 3], ("b", "x", 0): [0] * 20 + [3] * 10 + [1, 2]}
    info = toy(tmp_path, said, {"x": labels}, metrics={"x": "mean-per-class"})
    (row,) = pairs.paired(info, "linear", "a", "b").to_dict("records")
    assert row["difference"] == pytest.approx((20 / 30 + 2) / 3 - 1 / 3)
    assert row["p_holm"] < 0.05
    assert row["verdict"] == "no difference found"


def test_only_shared_samples_count(tmp_path):
    said = {("a", "x", 0): [0, 0], ("b", "x", 0): [1, 0], ("a", "y", 0): [0]}
    info = toy(tmp_path, said, {"x": [0, 0], "y": [0]})
    assert list(pairs.paired(info, "linear", "a", "b")["dataset"]) == ["x"]
    apart = toy(tmp_path, {("a", "x", 0): [0], ("b", "y", 0): [0]}, {"x": [0], "y": [0]}, "apart")
    found = pairs.paired(apart, "linear", "a", "b")
    assert found.empty
    assert list(found.columns) == list(pairs.PAIRED)


def test_few_shot_is_tested_over_episodes(tmp_path):
    labels = [0, 1] * 6
    episodes = [i // 4 for i in range(12)]
    first = [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]
    info = toy(tmp_path, {("a", "x", 0): first, ("b", "x", 0): labels}, {"x": labels}, episodes={"x": episodes})
    (row,) = pairs.paired(info, "linear", "a", "b").to_dict("records")
    differences = np.array([0.25, 0.5, 0.25])
    z = differences.mean() / (differences.std(ddof=1) / np.sqrt(3))
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["p"] == pytest.approx(2 * stats.norm.sf(z))
    assert row["verdict"] == "second ahead"


def test_confusion(info):
    found = pairs.agreement(info, "linear", "a", "b", "x")[0]
    assert list(found["cell"]) == ["both", "only first", "only second", "neither"]
    assert list(found["samples"]) == [BOTH, FIRST, SECOND, NEITHER]
    assert found["share"].sum() == pytest.approx(1)


def test_cells_of_samples_are_those_of_the_confusion(info):
    counts = pairs.agreement(info, "linear", "a", "b", "x")[0].set_index("cell")["samples"]
    for cell, count in counts.items():
        found = pairs.samples(info, "linear", "a", "b", "x", cell)
        assert len(found) == count
        assert set(found["cell"]) == {cell}
        assert set(found["total"]) == {count}
    everything = pairs.samples(info, "linear", "a", "b", "x")
    assert dict(everything["cell"].value_counts()) == dict(counts)


def test_pages_of_samples_join_to_all_of_them(info):
    whole = pairs.samples(info, "linear", "a", "b", "x")
    pieces = [pairs.samples(info, "linear", "a", "b", "x", limit=5, offset=offset) for offset in (0, 5, 10, 15)]
    assert [len(piece) for piece in pieces] == [5, 5, 2, 0]
    joined = list(itertools.chain.from_iterable(piece["sample_id"] for piece in pieces))
    assert joined == list(whole["sample_id"])
    assert set(pieces[0]["total"]) == {12}


def test_orders_of_samples(info):
    surest = pairs.samples(info, "linear", "a", "b", "x")
    assert list(surest["sample_id"]) == [f"x/{i:03d}.png" for i in range(11, -1, -1)]
    least = pairs.samples(info, "linear", "a", "b", "x", order="uncertain")
    assert list(least["sample_id"]) == list(surest["sample_id"])[::-1]
    assert pairs.samples(info, "linear", "a", "b", "x", order="difference")["sample_id"].iloc[0] == "x/000.png"


def test_filters_of_samples(tmp_path):
    said = {("a", "x", 0): [0, 1, 2, 3], ("b", "x", 0): [0, 0, 2, 1]}
    info = toy(tmp_path, said, {"x": [0, 1, 2, 2]})

    def ids(**wanted):
        return list(pairs.samples(info, "linear", "a", "b", "x", order="sample", **wanted)["sample_id"].str[2:5])

    assert ids(label=2) == ["002", "003"]
    assert ids(predicted=1) == ["001", "003"]
    assert ids(disagree=True) == ["001", "003"]
    assert ids(disagree=False) == ["000", "002"]
    assert ids(label=2, disagree=False, cell="both") == ["002"]
    sure = pairs.samples(info, "linear", "a", "b", "x", order="sample")["first_confidence"]
    assert ids(confidence=(float(sure[2]), 1.0)) == ["002", "003"]
    assert ids(confidence=(0.0, 0.1)) == []


@pytest.mark.parametrize("wanted", [{"order": "sample_id; DROP TABLE"}, {"cell": "first"}])
def test_unknown_order_or_cell(info, wanted):
    with pytest.raises(InvalidRequest, match="Known: "):
        pairs.samples(info, "linear", "a", "b", "x", **wanted)


def test_a_contender_is_not_compared_with_itself(info):
    for compare in (
        lambda: pairs.paired(info, "linear", "a", "a"),
        lambda: pairs.samples(info, "linear", "a", "a", "x"),
    ):
        with pytest.raises(InvalidRequest, match="two different contenders"):
            compare()


def test_the_difference_of_gaps_by_hand():
    found = pairs.gap_difference(MIXED)
    # Different: 4; similar: (−3 + 1) / 2 = −1. Standard errors of 2/1.96 points each: half-width √(2·4/4 + 4).
    half = np.sqrt(0.02**2 / 2 + 0.02**2)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.05, 0.05 - half, 0.05 + half))
    assert pairs.gap_difference(MIXED[MIXED["domain"] != "similar"]) is None


@pytest.mark.parametrize("numbers", [(40, 10, 5, 20), (1, 30, 30, 2), (25, 25, 25, 25)])
def test_consistency_is_the_kappa_of_the_columns_with_its_bootstrap(numbers):
    first, second = np.repeat(list(CELLS.values()), numbers, axis=0).T
    found = pairs.consistency(np.array(numbers))
    assert found.estimate == pytest.approx(cohen_kappa_score(first, second))
    plain = plain_bootstrap(cohen_kappa_score, first, second, draws=500, rng=np.random.default_rng(1))
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.06)


def test_consistency_of_two_that_are_always_right_is_undefined():
    found = pairs.consistency(np.array([9, 0, 0, 0]))
    assert np.isnan([found.estimate, found.low, found.high]).all()
    assert np.isnan(pairs.consistency(np.zeros(4, np.int64)).estimate)


def test_the_agreement_and_the_sentence_of_a_study(tmp_path):
    invent(tmp_path, samples=150, seeds=1, protocols=("linear",))
    info = study("invented", [str(tmp_path)])
    table, found = pairs.agreement(info, "linear", "supervised", "random", "birds")
    every = pairs.samples(info, "linear", "supervised", "random", "birds", limit=1000)
    assert found.samples == len(every) == 150
    assert found.same == pytest.approx((every["first_prediction"] == every["second_prediction"]).mean())
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(every["first_correct"], every["second_correct"]))
    counts = dict(zip(table["cell"], table["samples"], strict=True))
    assert counts == every["cell"].value_counts().reindex(list(CELLS)).to_dict()
    tested = pairs.paired(info, "linear", "supervised", "random")
    row: pd.Series = tested[tested["dataset"] == "birds"].iloc[0]
    said = study_words.agreement_finding(counts, row, 4, "SL", "none")
    assert f"none alone is right on {counts['only second']}, SL alone on {counts['only first']} of 150 images" in said
    assert said.endswith("SL is ahead (p < .001, adjusted for 4 data sets)")
    row = row.copy()
    row["verdict"], row["p_holm"] = "no difference found", 0.2
    said = study_words.agreement_finding(counts, row, 1, "SL", "none")
    assert said.endswith("no difference found (p = 0.200)")
