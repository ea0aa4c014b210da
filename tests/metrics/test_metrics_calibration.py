import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from core.metrics.calibration import (
    brier_score,
    calibration_error,
    calibration_null,
    confidence_by_outcome,
    consistency_band,
    fit_temperature,
    log_loss,
    negative_log_likelihood,
    overconfidence,
    reliability_bins,
)

RNG = np.random.default_rng(0)
# Below 1 throughout: the torchmetrics reference gives a confidence of exactly 1 a bin of its own.
CONFIDENCE = RNG.uniform(0.1, 0.999, size=1500)
CORRECT = RNG.random(1500) < CONFIDENCE**1.5
PROBABILITIES = RNG.dirichlet(np.full(6, 0.5), size=300)
LABELS = RNG.integers(6, size=300)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("bins", [1, 7, 15, 100])
def test_calibration_error_is_that_of_torchmetrics(bins: int, norm: str) -> None:
    expected = binary_calibration_error(torch.tensor(CONFIDENCE), torch.tensor(CORRECT).long(), n_bins=bins, norm=norm)
    assert calibration_error(CONFIDENCE, CORRECT, bins, norm=norm) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(("scheme", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_reliability_bins_are_those_of_scikit_learn(scheme: str, strategy: str) -> None:
    accuracy, confidence = calibration_curve(CORRECT, CONFIDENCE, n_bins=15, strategy=strategy)
    table = reliability_bins(CONFIDENCE, CORRECT, 15, scheme)
    filled = table.count > 0
    np.testing.assert_allclose(table.accuracy[filled], accuracy)
    np.testing.assert_allclose(table.confidence[filled], confidence)


def test_width_bins_are_open_below_and_closed_above() -> None:
    table = reliability_bins([0.0, 0.2, 0.2000001, 0.6, 1.0], [0, 1, 0, 1, 1], bins=5)
    assert table.count.tolist() == [2, 1, 1, 0, 1]
    assert table.lower == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert table.upper == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert table.accuracy == pytest.approx([0.5, 0, 1, np.nan, 1], nan_ok=True)
    assert table.confidence == pytest.approx([0.1, 0.2000001, 0.6, np.nan, 1.0], nan_ok=True)


@pytest.mark.parametrize("bins", [3, 7, 10, 15, 49, 100])
def test_every_edge_belongs_to_the_bin_below(bins: int) -> None:
    edges = np.array([b / bins for b in range(1, bins + 1)])
    assert reliability_bins(edges, np.ones(bins), bins).count.tolist() == [1] * bins


def test_mass_bins_hold_equal_counts() -> None:
    assert reliability_bins(CONFIDENCE, CORRECT, 15, "mass").count.tolist() == [100] * 15
    assert sorted(reliability_bins(CONFIDENCE[:17], CORRECT[:17], 5, "mass").count) == [3, 3, 3, 4, 4]
    table = reliability_bins([0.1, 0.4, 0.5, 0.9], [0, 1, 1, 0], 2, "mass")
    assert (table.lower.tolist(), table.upper.tolist()) == ([0.1, 0.4], [0.4, 0.9])


def test_mass_bins_keep_equal_confidences_together_and_ignore_order() -> None:
    confidence, correct = np.array([1.0] * 8 + [0.3, 0.6]), np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0])
    table = reliability_bins(confidence, correct, 5, "mass")
    assert table.count.tolist() == [2, 8]
    shuffled = RNG.permutation(10)
    assert calibration_error(confidence, correct, 5, "mass") == calibration_error(
        confidence[shuffled], correct[shuffled], 5, "mass"
    )


def test_more_mass_bins_than_samples_gives_one_bin_a_sample() -> None:
    assert reliability_bins([0.2, 0.9, 0.4], [1, 1, 0], 15, "mass").count.tolist() == [1, 1, 1]


def test_calibration_error_by_hand() -> None:
    # Bin (0, .5]: accuracy ½, confidence .4. Bin (.5, 1]: accuracy ¾, confidence .95.
    confidence = [0.4, 0.4, 0.9, 0.9, 1.0, 1.0]
    correct = [1, 0, 1, 1, 1, 0]
    assert calibration_error(confidence, correct, 2) == pytest.approx(2 / 6 * 0.1 + 4 / 6 * 0.2)
    assert calibration_error(confidence, correct, 2, norm="l2") == pytest.approx(0.17320508075688773)
    assert calibration_error(confidence, correct, 2, norm="max") == pytest.approx(0.2)


def test_calibration_error_at_its_limits() -> None:
    assert calibration_error([1.0, 1.0], [1, 1]) == 0.0
    assert calibration_error([1.0, 1.0], [0, 0]) == 1.0
    assert calibration_error([0.0, 0.0], [1, 1]) == 1.0


def test_calibration_null_of_one_bin_is_the_mean_deviation_of_a_binomial() -> None:
    null = calibration_null(np.full(40, 0.7), bins=1, draws=20_000, rng=np.random.default_rng(0))
    hits = np.arange(41)
    expected = stats.binom.pmf(hits, 40, 0.7) @ np.abs(hits / 40 - 0.7)
    assert null.mean() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_calibration_null_is_the_error_of_drawn_outcomes(scheme: str) -> None:
    confidence = CONFIDENCE[:120]
    null = calibration_null(confidence, 10, scheme, draws=2000, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    drawn = [calibration_error(confidence, rng.random(120) < confidence, 10, scheme) for _ in range(1000)]
    assert stats.ks_2samp(null, drawn).pvalue > 0.01


def test_calibration_null_shrinks_as_the_root_of_the_sample() -> None:
    confidence = np.random.default_rng(0).beta(4, 0.6, size=1000)  # mostly sure, as classifiers are
    small, large = (calibration_null(confidence[:n], draws=300, rng=np.random.default_rng(0)) for n in (50, 1000))
    assert small.mean() == pytest.approx(0.09, abs=0.02)
    assert large.mean() == pytest.approx(0.02, abs=0.005)
    assert small.shape == (300,)


def test_calibration_null_of_certainty_is_zero_and_repeats_with_its_seed() -> None:
    assert not calibration_null([0.0, 1.0, 1.0], draws=20, rng=np.random.default_rng(0)).any()
    first, second = (calibration_null(CONFIDENCE, draws=5, rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_overconfidence_is_signed() -> None:
    assert overconfidence([0.9, 0.7], [1, 0]) == pytest.approx(0.3)
    assert overconfidence([0.5, 0.5], [1, 1]) == pytest.approx(-0.5)


def test_confidence_by_outcome_by_hand() -> None:
    found = confidence_by_outcome([0.9, 0.7, 0.4], [1, 1, 0])
    assert (found.correct, found.wrong) == pytest.approx((0.8, 0.4))
    assert np.isnan(confidence_by_outcome([0.9], [1]).wrong)


def test_brier_score_is_that_of_scikit_learn() -> None:
    expected = reference.brier_score_loss(LABELS, PROBABILITIES, scale_by_half=False, labels=np.arange(6))
    assert brier_score(PROBABILITIES, LABELS).mean() == pytest.approx(expected)


def test_brier_score_at_its_limits() -> None:
    assert brier_score(np.eye(3), [0, 2, 2]).tolist() == [0.0, 2.0, 0.0]
    assert brier_score(np.full((2, 4), 0.25), [0, 3]) == pytest.approx([0.75, 0.75])


def test_negative_log_likelihood_is_the_log_loss_of_scikit_learn() -> None:
    expected = reference.log_loss(LABELS, PROBABILITIES, labels=np.arange(6))
    assert negative_log_likelihood(PROBABILITIES, LABELS) == pytest.approx(expected)


def test_negative_log_likelihood_at_its_limits() -> None:
    assert negative_log_likelihood(np.eye(2), [0, 1]) == 0.0
    assert negative_log_likelihood(np.eye(2), [0, 0]) == np.inf
    assert negative_log_likelihood(np.full((2, 5), 0.2), [0, 3]) == pytest.approx(np.log(5))


def test_log_loss_is_the_part_of_each_sample() -> None:
    own = PROBABILITIES[np.arange(300), LABELS]
    assert log_loss(own).mean() == pytest.approx(negative_log_likelihood(PROBABILITIES, LABELS))
    assert log_loss([1.0, 0.0, 1 / np.e]).tolist() == pytest.approx([0.0, np.inf, 1.0])


def test_the_consistency_band_holds_95_of_100_perfect_bins() -> None:
    low, high = consistency_band(0.8, 50)
    assert (low, high) == (stats.binom.ppf(0.025, 50, 0.8) / 50, stats.binom.ppf(0.975, 50, 0.8) / 50)
    drawn = np.random.default_rng(0).binomial(50, 0.8, size=20_000) / 50
    assert 0.95 <= np.mean((low <= drawn) & (drawn <= high)) <= 0.99
    assert consistency_band(1.0, 3) == (1.0, 1.0)


@pytest.mark.parametrize("scale", [0.2, 1.0, 8.0])
def test_fit_temperature_minimises_the_log_loss_of_scikit_learn(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(400, 5))
    labels = (special.softmax(logits, axis=1).cumsum(axis=1) > rng.random((400, 1))).argmax(axis=1)

    def loss(log_temperature: float) -> float:
        return reference.log_loss(labels, special.softmax(logits * scale / np.exp(log_temperature), axis=1))

    expected = np.exp(optimize.minimize_scalar(loss, bounds=(-5, 5), method="bounded").x)
    found = fit_temperature(logits * scale, labels)
    assert found == pytest.approx(expected, rel=1e-3)
    # Labels were drawn from the softmax of the unscaled logits, so the scale is the true temperature.
    assert found == pytest.approx(scale, rel=0.2)


def test_fit_temperature_stops_where_the_optimum_is_at_infinity() -> None:
    logits = np.eye(3) * 5
    assert fit_temperature(logits, [0, 1, 2]) == 1e-3
    assert fit_temperature(logits, [1, 2, 0]) == 1e3
    assert fit_temperature(np.zeros((2, 3)), [0, 1]) == 1.0


BAD = [
    (lambda: reliability_bins([1.2], [1]), r"confidence: expected values in \[0, 1\], got values in \[1.2, 1.2\]"),
    (lambda: reliability_bins([], []), "confidence: expected at least one value"),
    (lambda: reliability_bins([0.5, np.nan], [1, 1]), "confidence: expected finite numbers, got 1 NaN"),
    (lambda: reliability_bins([0.5, 0.6], [1]), r"correct: expected shape \(2,\), got shape \(1,\)"),
    (lambda: reliability_bins([0.5], [3]), "correct: expected true or false"),
    (lambda: reliability_bins([0.5], [1], bins=0), "bins: expected a whole number of at least 1, got 0"),
    (lambda: reliability_bins([0.5], [1], scheme="size"), "scheme: expected one of width, mass, got 'size'"),
    (lambda: calibration_error([0.5], [1], norm="l3"), "norm: expected one of l1, l2, max, got 'l3'"),
    (lambda: calibration_error([[0.5]], [1]), r"confidence: expected shape \(N,\), got shape \(1, 1\)"),
    (lambda: calibration_null([0.5], rng=None), "rng: expected a numpy.random.Generator, got None"),
    (lambda: calibration_null([0.5], draws=0, rng=RNG), "draws: expected a whole number of at least 1"),
    (lambda: overconfidence([-0.5], [1]), r"confidence: expected values in \[0, 1\]"),
    (lambda: confidence_by_outcome([0.5], []), "correct: expected at least one value"),
    (lambda: consistency_band(0.5, 0), "samples: expected a whole number of at least 1, got 0"),
    (lambda: log_loss([1.5]), r"true_probability: expected values in \[0, 1\]"),
    (lambda: brier_score([[0.5, 0.4]], [0]), "probabilities: expected rows that sum to 1"),
    (lambda: brier_score([[0.5, 0.5]], [2]), r"labels: expected integers in \[0, 2\), got values in \[2, 2\]"),
    (lambda: negative_log_likelihood([[0.5, 0.5]], [0, 1]), r"labels: expected shape \(1,\), got shape \(2,\)"),
    (lambda: negative_log_likelihood([0.5, 0.5], [0]), r"probabilities: expected shape \(N, K\), got shape \(2,\)"),
    (lambda: fit_temperature([[0.5, np.inf]], [0]), "logits: expected finite numbers"),
    (lambda: fit_temperature([[0.5, 0.1]], [7]), r"labels: expected integers in \[0, 2\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
