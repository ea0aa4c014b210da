import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from core.metrics.accuracy import (
    error_consistency,
    holm,
    mcnemar_exact,
    mean_class_accuracy,
    paired_bootstrap,
    top_k_accuracy,
    wilson_interval,
)

RNG = np.random.default_rng(0)
SCORES = RNG.dirichlet(np.ones(7), size=400)
LABELS = RNG.integers(7, size=400)


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_top_k_accuracy_is_that_of_scikit_learn(k: int) -> None:
    expected = 1.0 if k == 7 else reference.top_k_accuracy_score(LABELS, SCORES, k=k)
    assert top_k_accuracy(SCORES, LABELS, k) == pytest.approx(expected)


def test_top_1_breaks_ties_as_argmax_does() -> None:
    tied = [[0.5, 0.5], [0.5, 0.5]]
    assert top_k_accuracy(tied, [0, 1]) == 0.5
    assert top_k_accuracy(tied, [0, 0]) == 1.0


def test_top_k_accuracy_takes_logits() -> None:
    assert top_k_accuracy([[-3.0, 12.0, 1.0]], [2], k=1) == 0.0
    assert top_k_accuracy([[-3.0, 12.0, 1.0]], [2], k=2) == 1.0


def test_mean_class_accuracy_is_balanced_accuracy() -> None:
    labels = np.minimum(LABELS, 4)  # classes 5 and 6 are absent, and predicted at times
    present = np.isin(SCORES.argmax(axis=1), labels)
    expected = reference.balanced_accuracy_score(labels[present], SCORES.argmax(axis=1)[present])
    assert mean_class_accuracy(SCORES[present], labels[present]) == pytest.approx(expected)


def test_mean_class_accuracy_leaves_absent_classes_out_and_weighs_classes_alike() -> None:
    # Class 0: 3 of 3 right. Class 2: 0 of 1. Class 1 is absent.
    scores = [[0.9, 0.1, 0.0]] * 4
    assert mean_class_accuracy(scores, [0, 0, 0, 2]) == 0.5


@pytest.mark.parametrize(("successes", "total"), [(0, 10), (3, 10), (10, 10), (512, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_wilson_interval_is_that_of_scipy(successes: int, total: int, level: float) -> None:
    expected = stats.binomtest(successes, total).proportion_ci(level, method="wilson")
    found = wilson_interval(successes, total, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.estimate == successes / total
    assert 0 <= found.low <= found.estimate <= found.high <= 1


@pytest.mark.parametrize(("b", "c"), [(0, 1), (0, 6), (5, 5), (10, 3), (3, 10), (40, 60), (5000, 5300)])
def test_mcnemar_exact_is_the_binomial_test(b: int, c: int) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue)


def test_mcnemar_exact_without_disagreement_is_one() -> None:
    assert mcnemar_exact(0, 0) == 1.0


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.mean() - b.mean())


def test_paired_bootstrap_is_that_of_scipy() -> None:
    a = RNG.random(300) < 0.7
    b = np.where(RNG.random(300) < 0.8, a, ~a)
    found = paired_bootstrap(_difference, a, b, rng=np.random.default_rng(1))
    expected = stats.bootstrap(
        (a.astype(float), b.astype(float)),
        lambda x, y: x.mean() - y.mean(),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert found.estimate == _difference(a, b)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_paired_bootstrap_draws_the_same_rows_of_every_column() -> None:
    a = RNG.random(50)
    found = paired_bootstrap(_difference, a, a - 0.25, draws=100, rng=np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))


def test_paired_bootstrap_repeats_with_its_seed_and_takes_matrices() -> None:
    def gap(rows: np.ndarray, kept: np.ndarray) -> float:
        return float(rows[kept].sum(axis=1).mean())

    rows, kept = RNG.random((60, 3)), RNG.random(60) < 0.9
    first, second = (paired_bootstrap(gap, rows, kept, draws=50, rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert first.low < first.estimate < first.high


def test_paired_bootstrap_narrows_with_its_level() -> None:
    a = RNG.random(100)
    wide, narrow = (
        paired_bootstrap(np.mean, a, draws=500, level=level, rng=np.random.default_rng(0)) for level in (0.99, 0.5)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_paired_bootstrap_has_unknown_limits_when_the_statistic_is_often_undefined() -> None:
    def mean_of_wrong(correct: np.ndarray) -> float:
        return float("nan") if correct.all() else 1.0

    rare = np.array([True] * 19 + [False])
    found = paired_bootstrap(mean_of_wrong, rare, draws=200, rng=np.random.default_rng(0))
    assert found.estimate == 1.0
    assert np.isnan([found.low, found.high]).all()
    common = np.array([True, False] * 20)
    assert paired_bootstrap(mean_of_wrong, common, draws=200, rng=np.random.default_rng(0)).high == 1.0


def test_holm_on_cases_worked_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.005, 0.6]) == pytest.approx([0.08, 0.015, 0.6])
    assert holm([0.7, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.03]) == pytest.approx([0.03])


def test_error_consistency_is_cohens_kappa() -> None:
    a, b = RNG.random(500) < 0.7, RNG.random(500) < 0.4
    assert error_consistency(a, b) == pytest.approx(reference.cohen_kappa_score(a, b))


def test_error_consistency_at_its_limits() -> None:
    a = np.array([True, True, False, False])
    assert error_consistency(a, a) == 1.0
    assert error_consistency(a, ~a) == -1.0
    assert error_consistency(a, [1, 0, 1, 0]) == 0.0
    assert np.isnan(error_consistency([1, 1], [1, 1]))


BAD = [
    (lambda: top_k_accuracy([0.1, 0.9], [1]), r"probabilities: expected shape \(N, K\), got shape \(2,\)"),
    (lambda: top_k_accuracy(np.empty((0, 3)), []), r"probabilities: expected at least one value, got shape \(0, 3\)"),
    (lambda: top_k_accuracy([[0.1, np.nan]], [1]), "probabilities: expected finite numbers, got 1 NaN or infinite"),
    (lambda: top_k_accuracy([["a", "b"]], [1]), "probabilities: expected numbers, got dtype"),
    (lambda: top_k_accuracy([[0.1], [0.2, 0.3]], [1, 1]), r"probabilities: expected an array of shape \(N, K\)"),
    (lambda: top_k_accuracy(SCORES, LABELS[:3]), r"labels: expected shape \(400,\), got shape \(3,\)"),
    (lambda: top_k_accuracy([[0.1, 0.9]], [2]), r"labels: expected integers in \[0, 2\), got values in \[2, 2\]"),
    (lambda: top_k_accuracy([[0.1, 0.9]], [-1]), r"labels: expected integers in \[0, 2\), got values in \[-1, -1\]"),
    (lambda: top_k_accuracy([[0.1, 0.9]], [1.0]), "labels: expected integers, got dtype float64"),
    (lambda: top_k_accuracy([[0.1, 0.9]], [1], k=3), r"k: expected a whole number in \[1, 2\], got 3"),
    (lambda: top_k_accuracy([[0.1, 0.9]], [1], k=1.5), "k: expected a whole number"),
    (lambda: mean_class_accuracy([[0.1, 0.9]], [5]), r"labels: expected integers in \[0, 2\)"),
    (lambda: wilson_interval(1, 0), "total: expected a whole number of at least 1, got 0"),
    (lambda: wilson_interval(11, 10), r"successes: expected a whole number in \[0, 10\], got 11"),
    (lambda: wilson_interval(1, 10, level=1.0), r"level: expected a number in \(0, 1\), got 1"),
    (lambda: mcnemar_exact(-1, 3), "only_a: expected a whole number of at least 0, got -1"),
    (lambda: mcnemar_exact(3, True), "only_b: expected a whole number of at least 0, got True"),
    (lambda: paired_bootstrap(np.mean, rng=RNG), "columns: expected at least one column, got none"),
    (lambda: paired_bootstrap(_difference, [1, 2], [1], rng=RNG), r"columns\[1\]: expected 2 rows as in columns\[0\]"),
    (lambda: paired_bootstrap(np.mean, [1.0, np.nan], rng=RNG), r"columns\[0\]: expected finite numbers"),
    (lambda: paired_bootstrap(np.mean, 3.0, rng=RNG), r"columns\[0\]: expected shape \(N, …\), got shape \(\)"),
    (lambda: paired_bootstrap(np.mean, [1.0], draws=0, rng=RNG), "draws: expected a whole number of at least 1, got 0"),
    (lambda: paired_bootstrap(np.mean, [1.0], rng=7), "rng: expected a numpy.random.Generator, got 7"),
    (lambda: holm([]), "p_values: expected at least one value"),
    (lambda: holm([0.5, 1.5]), r"p_values: expected values in \[0, 1\], got values in \[0.5, 1.5\]"),
    (lambda: error_consistency([1, 0], [1]), r"correct_b: expected shape \(2,\), got shape \(1,\)"),
    (lambda: error_consistency([1, 2], [1, 0]), "correct_a: expected true or false"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
