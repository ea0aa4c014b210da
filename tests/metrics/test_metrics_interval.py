"""Intervals of means, against SciPy and cases worked by hand."""

import numpy as np
import pytest
from scipy import stats

from core.metrics.interval import Interval, difference_of_means, normal_interval, student_interval, z_test

VALUES = np.random.default_rng(0).normal(0.3, 1, size=12)


def test_student_interval_is_that_of_scipy() -> None:
    found = student_interval(VALUES)
    expected = stats.ttest_1samp(VALUES, 0).confidence_interval(0.95)
    assert found.estimate == pytest.approx(VALUES.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_what_cannot_be_told_is_nan() -> None:
    one, none = student_interval([0.4]), student_interval([])
    assert one.estimate == 0.4
    assert np.isnan([one.low, one.high, none.estimate, none.low, none.high]).all()
    single = normal_interval([0.4])
    assert single.estimate == 0.4
    assert np.isnan([single.low, single.high]).all()
    assert z_test(single) == 1.0


def test_normal_interval_and_its_p_are_those_of_the_standard_error() -> None:
    found = normal_interval(VALUES)
    error = stats.sem(VALUES)
    assert found.high - found.estimate == pytest.approx(1.96 * error)
    assert z_test(found) == pytest.approx(2 * stats.norm.sf(abs(VALUES.mean()) / error))
    assert z_test(Interval(0.5, 0.5, 0.5)) == 0.0
    assert z_test(Interval(0.0, 0.0, 0.0)) == 1.0


@pytest.mark.parametrize(("low", "high", "found"), [(0.1, 0.3, True), (-0.3, -0.1, True), (0.0, 0.2, False)])
def test_a_difference_is_found_when_the_interval_leaves_0_out(low: float, high: float, found: bool) -> None:
    assert Interval((low + high) / 2, low, high).found is found
    assert not Interval(0.2, float("nan"), float("nan")).found


def test_variances_of_independent_estimates_add_up() -> None:
    first, second = [Interval(1, 0, 2), Interval(3, 2, 4)], [Interval(4, 2, 6)]
    half = np.sqrt(1**2 / 4 + 1**2 / 4 + 2**2)  # of half-widths 1, 1 and 2
    found = difference_of_means(first, second)
    assert (found.estimate, found.low, found.high) == pytest.approx((-2, -2 - half, -2 + half))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="values: expected at least one value"):
        normal_interval([])
