"""A difference between methods counts when it exceeds the difference between two training runs of one of them."""

import math

import numpy as np
import pandas as pd
import pytest

from core.errors import DataUnavailable
from core.results import confidence, pairs, summary, training_noise
from tests.toy_studies import toy

TRUTH = [0] * 400


def _right(count: int) -> np.ndarray:
    """Answers of which the first `count` are right."""
    return np.where(np.arange(len(TRUTH)) < count, 0, 1)


@pytest.fixture
def said() -> dict:
    """By (encoder, set, seed): two supervised runs 60 of 400 apart on x and 5 on y, and an SSL run 40 ahead of one."""
    right = {"sl": (200, 200), "sl-1": (140, 205), "ssl": (240, 240)}
    return {(id, name, 0): _right(n) for id, counts in right.items() for name, n in zip("xy", counts, strict=True)}


def _verdicts(info) -> dict[str, str]:
    table = pairs.paired(info, "linear", "sl", "ssl")
    return dict(zip(table["dataset"], table["verdict"], strict=True))


@pytest.mark.parametrize("runs", [None, {"sl": 0}, {"sl": 0, "ssl": 0}])
def test_one_run_of_each_leaves_the_test_alone(tmp_path, said, runs) -> None:
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, families={"ssl": "SSL"}, runs=runs)
    assert _verdicts(info) == {"x": "second ahead", "y": "second ahead"}
    assert training_noise.of_accuracy(info, "linear", ("sl", "ssl")) == {}


def test_difference_within_the_noise_is_none(tmp_path, said) -> None:
    runs = {"sl": 0, "sl-1": 1, "ssl": 0}
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, families={"ssl": "SSL"}, runs=runs)
    assert training_noise.runs_of(info, "sl-1") == ["sl", "sl-1"]
    assert training_noise.runs_of(info, "ssl") == ["ssl"]
    noise = training_noise.of_accuracy(info, "linear", ("sl", "ssl"))
    assert noise == {"x": pytest.approx(60 / 400), "y": pytest.approx(5 / 400)}
    assert _verdicts(info) == {"x": "no difference found", "y": "second ahead"}


def test_what_is_damaged_matters_to_whom_it_concerns_and_also_after_a_first_reading(tmp_path, said) -> None:
    said |= {("other", name, 0): _right(9) for name in "xy"}
    runs = {"sl": 0, "sl-1": 1, "ssl": 0}
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, families={"ssl": "SSL", "other": "random"}, runs=runs)
    (other,) = tmp_path.rglob("x.linear.other.0.parquet")
    other.write_bytes(other.read_bytes()[:50])
    before = _verdicts(info)
    assert before == {"x": "no difference found", "y": "second ahead"}
    (mine,) = tmp_path.rglob("x.linear.sl-1.0.parquet")
    mine.write_bytes(mine.read_bytes()[:50])
    with pytest.raises(DataUnavailable, match=r"x\.linear\.sl-1\.0\.parquet"):
        _verdicts(info)


def test_untrained_encoders_have_no_runs(tmp_path, said) -> None:
    families = {"sl": "random", "sl-1": "random", "ssl": "SSL"}
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, families=families, runs={"sl": 0, "sl-1": 1})
    assert training_noise.runs_of(info, "sl") == ["sl"]


def test_noise_of_the_gap_is_the_range_over_runs(tmp_path, said) -> None:
    domains = {"x": "similar", "y": "different"}
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, domains=domains, runs={"sl": 0, "sl-1": 1, "ssl": 7})
    gaps = summary.generalization_gap(info, "linear")
    # All three are of one recipe here: gaps of 0, 65 and 0 of 400.
    assert training_noise.of_gap(info, gaps, ("sl",)) == pytest.approx(65 / 400)


def test_spread_needs_two_runs() -> None:
    values = pd.Series({"a": 0.5, "b": 0.75, "c": 0.0})
    assert training_noise.spread(values, [["a", "b"], ["c"]]) == 0.25
    assert math.isnan(training_noise.spread(values, [["a"], ["c", "gone"]]))


def test_confidence_differences_carry_the_noise_of_their_own_measure(tmp_path, said) -> None:
    runs = {"sl": 0, "sl-1": 1, "ssl": 0}
    info = toy(tmp_path, said, {"x": TRUTH, "y": TRUTH}, families={"ssl": "SSL"}, runs=runs)
    for dataset, sure in (("x", False), ("y", True)):
        gaps = confidence.tables(info, "linear", ("sl", "ssl"), dataset, scaled=False).differences.set_index("measure")
        both = confidence.tables(info, "linear", ("sl", "sl-1"), dataset, scaled=False).differences
        assert list(gaps["noise"]) == pytest.approx(list(both["difference"].abs()), nan_ok=True)
        assert gaps.loc["accuracy", "found"] == sure
        assert not both["found"].any()
