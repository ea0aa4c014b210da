import numpy as np
import pytest

from core.metrics import aurc, calibration_error, calibration_null, misclassification_auroc, overconfidence
from core.metrics.accuracy import paired_bootstrap
from core.metrics.resampling import (
    BLOCKS,
    basic_interval,
    resampled_calibration_error,
    resampled_mean,
    resampled_ranking,
    resamples,
)


def answers(count: int, seed: int = 0, shift: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sure = 0.3 + 0.7 * rng.beta(3, 1, count)
    return sure, rng.random(count) < sure - shift


def plain(statistic, sure: np.ndarray, right: np.ndarray, draws: int = 600) -> np.ndarray:
    rng = np.random.default_rng(99)
    picks = (rng.integers(len(sure), size=len(sure)) for _ in range(draws))
    return np.array([statistic(sure[pick], right[pick]) for pick in picks])


FIGURES = {
    "ece": (calibration_error, lambda drawn, unit, c, k: resampled_calibration_error(drawn, unit, c, k)),
    "mass": (
        lambda c, k: calibration_error(c, k, scheme="mass"),
        lambda drawn, unit, c, k: resampled_calibration_error(drawn, unit, c, k, scheme="mass"),
    ),
    "aurc": (aurc, lambda drawn, unit, c, k: resampled_ranking(drawn, unit, c, k)[0]),
    "auroc": (
        lambda c, k: misclassification_auroc(c, k).value,
        lambda drawn, unit, c, k: resampled_ranking(drawn, unit, c, k)[1],
    ),
    "overconfidence": (overconfidence, lambda drawn, unit, c, k: resampled_mean(drawn, unit, c - k)),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("count", [300, 6000])
def test_is_the_plain_bootstrap_within_sampling_error(name: str, count: int) -> None:
    statistic, fast = FIGURES[name]
    sure, right = answers(count)
    unit = np.arange(count)
    drawn = fast(resamples(count, 1500, rng=np.random.default_rng(1)), unit, sure, right)
    expected = plain(statistic, sure, right, draws=400 if count > BLOCKS else 800)
    spread = expected.std(ddof=1)
    # Means of 400 and 1500 draws differ by .056 spreads (one sigma), standard deviations by about 5 %.
    assert drawn.mean() == pytest.approx(expected.mean(), abs=0.25 * spread)
    assert drawn.std(ddof=1) == pytest.approx(spread, rel=0.2)


def test_without_repetition_the_figures_are_those_of_the_sample() -> None:
    sure, right = answers(300)
    drawn = resamples(300, 1, rng=np.random.default_rng(0))
    drawn.weights[:] = 1
    unit = np.arange(300)
    area, auroc = resampled_ranking(drawn, unit, sure, right)
    assert area[0] == pytest.approx(aurc(sure, right), abs=1e-12)
    assert auroc[0] == pytest.approx(misclassification_auroc(sure, right).value, abs=1e-12)
    assert resampled_calibration_error(drawn, unit, sure, right)[0] == pytest.approx(calibration_error(sure, right))


def test_ties_and_cells_move_the_areas_little() -> None:
    sure, right = answers(50_000)
    drawn = resamples(50_000, 1, rng=np.random.default_rng(0))
    drawn.weights[:] = 1
    area, auroc = resampled_ranking(drawn, np.arange(50_000), sure, right)
    assert area[0] == pytest.approx(aurc(sure, right), abs=1e-3 * (1 - right.mean()))
    assert auroc[0] == pytest.approx(misclassification_auroc(sure, right).value, abs=1e-4)
    tied = np.round(sure, 1)
    area, auroc = resampled_ranking(drawn, np.arange(50_000), tied, right)
    assert area[0] == pytest.approx(aurc(tied, right), abs=1e-12)
    assert auroc[0] == pytest.approx(misclassification_auroc(tied, right).value, abs=1e-12)


def test_rows_of_a_unit_are_drawn_together() -> None:
    """A sample under two equal seeds counts once: the spread is that of one seed, not less."""
    _, right = answers(500)
    unit = np.arange(500)
    drawn = resamples(500, 800, rng=np.random.default_rng(0))
    once = resampled_mean(drawn, unit, right)
    twice = resampled_mean(drawn, np.tile(unit, 2), np.tile(right, 2))
    np.testing.assert_allclose(once, twice)
    assert once.std() == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / 500), rel=0.1)


def test_a_difference_is_paired_as_in_the_paired_bootstrap() -> None:
    _, right = answers(400)
    other = np.where(np.arange(400) % 10 == 0, ~right, right)  # nine in ten samples are the same
    drawn = resamples(400, 2000, rng=np.random.default_rng(0))
    unit = np.arange(400)
    gap = resampled_mean(drawn, unit, other) - resampled_mean(drawn, unit, right)
    expected = paired_bootstrap(lambda a, b: float(b.mean() - a.mean()), right, other, rng=np.random.default_rng(5))
    low, high = np.quantile(gap, [0.025, 0.975])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_basic_interval_takes_the_bias_of_an_ece_out() -> None:
    """Of a calibrated model: percentile limits lie above the truth, which is 0; basic ones reach down to it."""
    rng = np.random.default_rng(0)
    held = percentile = 0
    for _ in range(60):
        sure = 0.3 + 0.7 * rng.beta(3, 1, 1000)
        right = rng.random(1000) < sure - 0.02
        draws = resampled_calibration_error(resamples(1000, 300, rng=rng), np.arange(1000), sure, right)
        interval = basic_interval(calibration_error(sure, right), draws, low=0, high=1)
        held += interval.low <= 0.02 <= interval.high
        percentile += np.quantile(draws, 0.025) <= 0.02 <= np.quantile(draws, 0.975)
    assert held >= 48
    assert percentile <= 12


def test_basic_limits_stay_in_range_and_hold_the_estimate() -> None:
    inside = basic_interval(0.02, np.array([0.03, 0.05, 0.06]), low=0, high=1)
    assert (inside.estimate, inside.low) == (0.02, 0.0)
    assert inside.high == 0.02
    assert np.isnan(basic_interval(0.5, np.array([np.nan, 0.4, 0.6])).low)
    assert np.isnan(basic_interval(float("nan"), np.array([0.4, 0.6])).high)


def test_the_null_of_many_samples_is_that_of_one_draw_a_sample() -> None:
    sure, _ = answers(6000)
    fast = calibration_null(sure, draws=1500, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    slow = np.array([calibration_error(sure, rng.random(6000) < sure) for _ in range(500)])
    assert fast.mean() == pytest.approx(slow.mean(), rel=0.03)
    assert fast.std() == pytest.approx(slow.std(), rel=0.12)


def test_a_draw_repeats_with_its_seed_and_refuses_what_makes_no_sense() -> None:
    first, second = (resamples(50, 3, rng=np.random.default_rng(7)).weights for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first.sum(axis=1) == 50).all()
    with pytest.raises(ValueError, match="units: expected a whole number of at least 1"):
        resamples(0, rng=np.random.default_rng(0))
    drawn = resamples(2, 3, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="confidence: expected finite numbers"):
        resampled_ranking(drawn, np.arange(2), [np.nan, 0.5], [1, 0])
    with pytest.raises(ValueError, match="correct: expected shape"):
        resampled_calibration_error(drawn, np.arange(2), [0.2, 0.5], [1])
