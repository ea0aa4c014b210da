import numpy as np
import pytest
from plain_bootstrap import plain_bootstrap

from core.metrics.calibration import calibration_error, calibration_error_draws, calibration_null, overconfidence
from core.metrics.resampling import BLOCKS, Bootstrapped, mean_of, resampled_counts, resamples
from core.metrics.selective import aurc, coverage_at_risk, misclassification_auroc, ranking_draws


def answers(count: int, seed: int = 0, shift: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sure = 0.3 + 0.7 * rng.beta(3, 1, count)
    return sure, rng.random(count) < sure - shift


def plain(statistic, sure: np.ndarray, right: np.ndarray, draws: int = 600) -> np.ndarray:
    rng = np.random.default_rng(99)
    picks = (rng.integers(len(sure), size=len(sure)) for _ in range(draws))
    return np.array([statistic(sure[pick], right[pick]) for pick in picks])


FIGURES = {
    "ece": (calibration_error, lambda drawn, unit, c, k: calibration_error_draws(drawn, unit, c, k)),
    "mass": (
        lambda c, k: calibration_error(c, k, scheme="mass"),
        lambda drawn, unit, c, k: calibration_error_draws(drawn, unit, c, k, scheme="mass"),
    ),
    "aurc": (aurc, lambda drawn, unit, c, k: ranking_draws(drawn, unit, c, k).aurc),
    "auroc": (
        lambda c, k: misclassification_auroc(c, k).value,
        lambda drawn, unit, c, k: ranking_draws(drawn, unit, c, k).auroc,
    ),
    "coverage": (
        lambda c, k: coverage_at_risk(c, k, 0.2),
        lambda drawn, unit, c, k: ranking_draws(drawn, unit, c, k, 0.2).coverage,
    ),
    "overconfidence": (overconfidence, lambda drawn, unit, c, k: drawn.mean(unit, c - k)),
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
    found = ranking_draws(drawn, unit, sure, right, 0.2)
    assert found.aurc[0] == pytest.approx(aurc(sure, right), abs=1e-12)
    assert found.coverage[0] == pytest.approx(coverage_at_risk(sure, right, 0.2))
    assert found.auroc[0] == pytest.approx(misclassification_auroc(sure, right).value, abs=1e-12)
    assert calibration_error_draws(drawn, unit, sure, right)[0] == pytest.approx(calibration_error(sure, right))


def test_ties_and_cells_move_the_areas_little() -> None:
    sure, right = answers(50_000)
    drawn = resamples(50_000, 1, rng=np.random.default_rng(0))
    drawn.weights[:] = 1
    found = ranking_draws(drawn, np.arange(50_000), sure, right)
    assert found.aurc[0] == pytest.approx(aurc(sure, right), abs=1e-3 * (1 - right.mean()))
    assert found.auroc[0] == pytest.approx(misclassification_auroc(sure, right).value, abs=1e-4)
    tied = np.round(sure, 1)
    found = ranking_draws(drawn, np.arange(50_000), tied, right)
    assert found.aurc[0] == pytest.approx(aurc(tied, right), abs=1e-12)
    assert found.auroc[0] == pytest.approx(misclassification_auroc(tied, right).value, abs=1e-12)


def test_rows_of_a_unit_are_drawn_together() -> None:
    """A sample under two equal seeds counts once: the spread is that of one seed, not less."""
    _, right = answers(500)
    unit = np.arange(500)
    drawn = resamples(500, 800, rng=np.random.default_rng(0))
    once = drawn.mean(unit, right)
    twice = drawn.mean(np.tile(unit, 2), np.tile(right, 2))
    np.testing.assert_allclose(once, twice)
    assert once.std() == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / 500), rel=0.1)


def test_a_difference_is_paired_as_in_the_paired_bootstrap() -> None:
    _, right = answers(400)
    other = np.where(np.arange(400) % 10 == 0, ~right, right)  # nine in ten samples are the same
    drawn = resamples(400, 2000, rng=np.random.default_rng(0))
    unit = np.arange(400)
    gap = drawn.mean(unit, other) - drawn.mean(unit, right)
    expected = plain_bootstrap(lambda a, b: float(b.mean() - a.mean()), right, other, rng=np.random.default_rng(5))
    low, high = np.quantile(gap, [0.025, 0.975])
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_basic_interval_takes_the_bias_of_an_ece_out() -> None:
    """Of a calibrated model: percentile limits lie above the truth, which is 0; basic ones reach down to it."""
    rng = np.random.default_rng(0)
    held = percentile = 0
    for _ in range(60):
        sure = 0.3 + 0.7 * rng.beta(3, 1, 1000)
        right = rng.random(1000) < sure - 0.02
        draws = calibration_error_draws(resamples(1000, 300, rng=rng), np.arange(1000), sure, right)
        interval = Bootstrapped(calibration_error(sure, right), draws).basic(low=0, high=1)
        held += interval.low <= 0.02 <= interval.high
        percentile += np.quantile(draws, 0.025) <= 0.02 <= np.quantile(draws, 0.975)
    assert held >= 48
    assert percentile <= 12


def test_basic_limits_stay_in_range_and_hold_the_estimate() -> None:
    inside = Bootstrapped(0.02, np.array([0.03, 0.05, 0.06])).basic(low=0, high=1)
    assert (inside.estimate, inside.low) == (0.02, 0.0)
    assert inside.high == 0.02


@pytest.mark.parametrize("kind", ["basic", "percentile"])
def test_limits_are_unknown_when_the_figure_is_often_undefined(kind: str) -> None:
    rare = np.concatenate([[np.nan], np.linspace(0.4, 0.6, 99)])  # 1 % of the draws, less than one tail holds
    assert getattr(Bootstrapped(0.5, rare), kind)().low == pytest.approx(0.405, abs=0.005)
    often = getattr(Bootstrapped(0.5, np.array([np.nan, 0.4, 0.6])), kind)()
    assert often.estimate == 0.5
    assert np.isnan([often.low, often.high]).all()
    assert not often.found
    assert np.isnan(getattr(Bootstrapped(float("nan"), np.array([0.4, 0.6])), kind)().high)


def test_percentile_limits_narrow_with_their_level() -> None:
    figure = Bootstrapped(0.0, np.random.default_rng(0).normal(size=2000))
    wide, narrow = (figure.percentile(level) for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.low, narrow.high) == pytest.approx((-0.674, 0.674), abs=0.06)


def test_differences_and_means_are_those_of_value_and_draws() -> None:
    one, two = Bootstrapped(1.0, np.array([1.0, 3.0])), Bootstrapped(0.5, np.array([0.0, 4.0]))
    gap, mean = one - two, mean_of([one, two])
    assert (gap.value, gap.draws.tolist()) == (0.5, [1.0, -1.0])
    assert (mean.value, mean.draws.tolist()) == (0.75, [0.5, 3.5])
    with pytest.raises(ValueError, match="figures: expected at least one, got none"):
        mean_of([])


def test_a_mean_among_rows_is_the_ratio_of_their_sums() -> None:
    sure, right = answers(300)
    drawn, unit = resamples(300, 1, rng=np.random.default_rng(0)), np.arange(300)
    drawn.weights[:] = 1
    assert drawn.mean(unit, sure, right)[0] == pytest.approx(sure[right].mean())
    assert np.isnan(drawn.mean(unit, sure, np.zeros(300))).all()
    assert np.isnan(drawn.mean(unit, np.where(unit == 3, np.inf, 0.0))).all()


def test_counts_are_drawn_as_the_samples_are() -> None:
    counts = [50, 30, 20]
    drawn = resampled_counts(counts, 4000, rng=np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 100).all()
    picks = np.random.default_rng(1).choice(np.repeat([0, 1, 2], counts), size=(4000, 100))
    slow = np.stack([(picks == kind).sum(axis=1) for kind in range(3)], axis=1)
    assert drawn.mean(axis=0) == pytest.approx(slow.mean(axis=0), abs=0.3)
    assert np.cov(drawn.T) == pytest.approx(np.cov(slow.T), abs=1.5)
    with pytest.raises(ValueError, match="counts: expected at least one sample, got none"):
        resampled_counts([0, 0], rng=np.random.default_rng(0))


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
        ranking_draws(drawn, np.arange(2), [np.nan, 0.5], [1, 0])
    with pytest.raises(ValueError, match="correct: expected shape"):
        calibration_error_draws(drawn, np.arange(2), [0.2, 0.5], [1])
