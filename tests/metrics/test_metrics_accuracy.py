import numpy as np
import pytest
from plain_bootstrap import plain_bootstrap
from scipy import stats
from sklearn import metrics as reference

from core.metrics.accuracy import (
    counted_accuracy,
    counted_accuracy_draws,
    error_consistency,
    holm,
    mcnemar_exact,
    mean_class_accuracy,
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


def test_holm_on_cases_worked_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.005, 0.6]) == pytest.approx([0.08, 0.015, 0.6])
    assert holm([0.7, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([0.03]) == pytest.approx([0.03])


def counted(labels: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, counts and labels of samples, each kind of sample once."""
    kinds, counts = np.unique(np.column_stack([right, labels]), axis=0, return_counts=True)
    return kinds[:, 0], counts, kinds[:, 1].astype(np.int64)


def test_mean_class_accuracy_is_balanced_accuracy() -> None:
    predicted = SCORES.argmax(axis=1)
    labels = np.minimum(LABELS, 4)  # classes 5 and 6 are absent
    present = np.isin(predicted, labels)
    labels, predicted = labels[present], predicted[present]
    values, counts, classes = counted(labels, predicted == labels)
    expected = reference.balanced_accuracy_score(labels, predicted)
    assert mean_class_accuracy(values, classes, counts) == pytest.approx(expected)
    assert counted_accuracy(values, counts, classes) == pytest.approx(expected)
    assert counted_accuracy(values, counts) == pytest.approx((predicted == labels).mean())


def test_mean_class_accuracy_leaves_absent_classes_out_and_weighs_classes_alike() -> None:
    # Class 0: 3 of 3 right. Class 2: 0 of 1. Class 1 is absent; in the second row class 2 is, too.
    found = mean_class_accuracy([1.0, 0.0], [0, 2], [[3, 1], [3, 0]])
    assert found.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("by_class", [False, True])
def test_draws_of_counted_accuracy_are_those_of_the_plain_bootstrap(by_class: bool) -> None:
    labels = RNG.choice(3, size=300, p=[0.6, 0.3, 0.1])
    right = RNG.integers(4, size=300) / 3  # means over three seeds

    def mean(values: np.ndarray, truth: np.ndarray) -> float:
        return float(np.mean([values[truth == c].mean() for c in np.unique(truth)]) if by_class else values.mean())

    values, counts, classes = counted(labels, right)
    drawn = counted_accuracy_draws(values, counts, classes if by_class else None, rng=np.random.default_rng(0))
    slow = plain_bootstrap(mean, right, labels, rng=np.random.default_rng(1))
    assert counted_accuracy(values, counts, classes if by_class else None) == pytest.approx(slow.estimate)
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([slow.low, slow.high], abs=0.01)


def two_by_two(a: np.ndarray, b: np.ndarray) -> list[int]:
    return [int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())]


def test_error_consistency_is_cohens_kappa() -> None:
    a, b = RNG.random(500) < 0.7, RNG.random(500) < 0.4
    assert error_consistency(two_by_two(a, b)) == pytest.approx(reference.cohen_kappa_score(a, b))


def test_error_consistency_at_its_limits() -> None:
    found = error_consistency([[2, 0, 0, 2], [0, 2, 2, 0], [1, 1, 1, 1], [2, 0, 0, 0], [0, 0, 0, 0]])
    assert found == pytest.approx([1, -1, 0, np.nan, np.nan], nan_ok=True)


BAD = [
    (lambda: mean_class_accuracy([0.5], [0], [[1, 2]]), r"counts: expected shape \(…, 1\), got shape \(1, 2\)"),
    (lambda: mean_class_accuracy([0.5], [0, 1], [1]), r"labels: expected shape \(1,\), got shape \(2,\)"),
    (lambda: counted_accuracy([0.5], [0]), "counts: expected at least one sample, got 0"),
    (lambda: counted_accuracy([np.nan], [1]), "values: expected finite numbers"),
    (lambda: counted_accuracy_draws([0.5], [1], rng=7), "rng: expected a numpy.random.Generator, got 7"),
    (lambda: error_consistency([1, 2, 3]), r"two_by_two: expected shape \(…, 4\), got shape \(3,\)"),
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
    (lambda: wilson_interval(1, 0), "total: expected a whole number of at least 1, got 0"),
    (lambda: wilson_interval(11, 10), r"successes: expected a whole number in \[0, 10\], got 11"),
    (lambda: wilson_interval(1, 10, level=1.0), r"level: expected a number in \(0, 1\), got 1"),
    (lambda: mcnemar_exact(-1, 3), "only_a: expected a whole number of at least 0, got -1"),
    (lambda: mcnemar_exact(3, True), "only_b: expected a whole number of at least 0, got True"),
    (lambda: holm([]), "p_values: expected at least one value"),
    (lambda: holm([0.5, 1.5]), r"p_values: expected values in \[0, 1\], got values in \[0.5, 1.5\]"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
