"""Distances of sets against SciPy, scikit-learn and cases worked by hand; gaps against a plain bootstrap."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from plain_bootstrap import plain_bootstrap
from scipy import linalg, stats
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from core.metrics.accuracy import counted_accuracy_draws
from core.metrics.domain import (
    advantage,
    frechet_distance,
    generalization_gap,
    knn_distance,
    rank_correlation,
    two_sample_auroc,
)
from core.metrics.resampling import Bootstrapped


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


X = rng(1).normal(size=(300, 12)) @ rng(2).normal(size=(12, 12))
Y = rng(3).normal(size=(200, 12)) @ rng(4).normal(size=(12, 12)) + 0.5


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    """The formula as it stands, by SciPy's general matrix square root."""
    one, other = LedoitWolf().fit(x).covariance_, LedoitWolf().fit(y).covariance_
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(one + other - 2 * np.real(linalg.sqrtm(one @ other))))


def test_frechet_distance_is_the_formula_by_scipy() -> None:
    assert frechet_distance(X, Y) == pytest.approx(by_sqrtm(X, Y), rel=1e-8)


def test_frechet_distance_with_more_features_than_samples() -> None:
    few, other = rng(5).normal(size=(20, 60)), 2 * rng(6).normal(size=(25, 60))
    assert frechet_distance(few, other) == pytest.approx(by_sqrtm(few, other), rel=1e-6)


def test_frechet_distance_of_one_feature_by_hand() -> None:
    # In one dimension shrinking to tr(Σ)/D changes nothing: (μ − ν)² + (σ − τ)².
    x, y = [[1.0], [3.0]], [[4.0], [12.0]]  # means 2 and 8, standard deviations 1 and 4
    assert frechet_distance(x, y) == pytest.approx(6**2 + 3**2)


def test_frechet_distance_sees_a_shift_and_nothing_else() -> None:
    shift = np.linspace(-1, 1, 12)
    assert frechet_distance(X, X + shift) == pytest.approx(float(shift @ shift), rel=1e-6)
    assert frechet_distance(X, X) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(X, Y) == pytest.approx(frechet_distance(Y, X))


def test_auroc_of_shifted_gaussians_is_the_one_in_closed_form() -> None:
    # The best classifier of N(0, I) and N(δe, I) ranks along e: AUROC Φ(δ / √2), and linear is best.
    x, y = rng(1).normal(size=(4000, 3)), rng(2).normal(size=(4000, 3))
    y[:, 0] += 1.0
    assert two_sample_auroc(x, y, rng=rng()) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.015)


def test_auroc_of_one_distribution_is_chance_however_uneven_the_sets() -> None:
    x, y = rng(1).normal(size=(2500, 4)), rng(2).normal(size=(500, 4))
    assert two_sample_auroc(x, y, rng=rng()) == pytest.approx(0.5, abs=0.06)


def test_auroc_of_separated_sets_is_1_and_no_warning_comes() -> None:
    x = rng(1).normal(size=(60, 100))
    assert two_sample_auroc(x, x + 10, rng=rng()) == 1.0
    assert two_sample_auroc(1e4 * x, 1e4 * (x + 10), rng=rng()) == 1.0


def test_auroc_depends_on_the_seed_alone() -> None:
    x, y = rng(1).normal(size=(200, 5)), rng(2).normal(size=(100, 5)) + 0.3
    assert two_sample_auroc(x, y, rng=rng(7)) == two_sample_auroc(x, y, rng=rng(7))
    assert two_sample_auroc(x, y, rng=rng(7)) != two_sample_auroc(x, y, rng=rng(8))


@pytest.mark.parametrize("k", [1, 7, 200])
def test_knn_distance_is_that_of_scikit_learn(k: int) -> None:
    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    distances, _ = NearestNeighbors(n_neighbors=k).fit(unit(Y)).kneighbors(unit(X))
    assert knn_distance(X, Y, k) == pytest.approx(distances[:, -1], abs=1e-7)


def test_knn_distance_by_hand() -> None:
    bank = [[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]
    assert knn_distance([[5.0, 0.0]], bank, 1) == pytest.approx([0])
    assert knn_distance([[5.0, 0.0]], bank, 2) == pytest.approx([np.sqrt(2)])
    assert knn_distance([[5.0, 0.0]], bank, 3) == pytest.approx([2])


def test_knn_distance_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = knn_distance(X, Y, 5)
    monkeypatch.setattr("core.metrics.domain.CHUNK", 450)
    assert knn_distance(X, Y, 5) == pytest.approx(whole)


A, B = (rng(11).random(400) < 0.7).astype(float), (rng(12).random(400) < 0.6).astype(float)
C = (rng(13).random(50) < 0.5).astype(float)
ONE = np.ones(400, np.int64)


def figure(values: np.ndarray, seed: int, draws: int = 4000) -> Bootstrapped:
    """A mean with its draws."""
    one = np.ones(len(values), np.int64)
    return Bootstrapped(float(np.mean(values)), counted_accuracy_draws(values, one, draws=draws, rng=rng(seed)))


def test_advantage_is_the_paired_difference_with_its_bootstrap() -> None:
    found = advantage(B, A, ONE, rng=rng(1))
    assert found.estimate == pytest.approx(A.mean() - B.mean())
    plain = plain_bootstrap(lambda a, b: float((a - b).mean()), A, B, draws=4000, rng=rng(2))
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.006)


def test_advantage_is_narrower_where_encoders_err_together() -> None:
    together = advantage(np.where(np.arange(400) < 20, 0.0, A), A, ONE, rng=rng(1))
    apart = advantage(B, A, ONE, rng=rng(1))
    assert together.high - together.low < (apart.high - apart.low) / 2


def test_advantage_of_an_encoder_over_itself_is_0_without_doubt() -> None:
    found = advantage(A, A, ONE, rng=rng(1))
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_advantage_over_classes_weighs_classes_alike() -> None:
    # Class 0: 1 of 4 against none; class 1: 1 of 1 against none: (1/4 + 1) / 2.
    found = advantage([0, 0, 0], [1, 0, 1], [1, 3, 1], labels=[0, 0, 1], rng=rng(1))
    assert found.estimate == pytest.approx(0.625)
    assert found.low < 0.625 < found.high


def test_interval_of_a_mean_over_classes_is_that_of_a_plain_bootstrap() -> None:
    labels = rng(14).choice(3, size=400, p=[0.8, 0.15, 0.05])

    def over_classes(a: np.ndarray, b: np.ndarray, truth: np.ndarray) -> float:
        return float(np.mean([(a - b)[truth == c].mean() for c in np.unique(truth)]))

    plain = plain_bootstrap(over_classes, A, B, labels, draws=4000, rng=rng(2))
    found = advantage(B, A, ONE, labels=labels, rng=rng(1), draws=4000)
    assert found.estimate == pytest.approx(plain.estimate)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.015)


def test_generalization_gap_by_hand() -> None:
    # 1/4 − (3/4 + 1/2) / 2: sets weigh alike however large they are.
    similar = [figure(np.array([1, 1, 1, 0]), 1), figure(np.array([1, 0]), 2)]
    found = generalization_gap(similar, [figure(np.array([1, 0, 0, 0]), 3)])
    assert found.estimate == pytest.approx(-0.375)
    assert found.low < -0.375 < found.high


def test_generalization_gap_has_the_interval_of_independent_sets() -> None:
    found = generalization_gap([figure(A, 1, 8000), figure(B, 2, 8000)], [figure(C, 3, 8000)])
    spread = np.sqrt((A.var() / len(A) + B.var() / len(B)) / 4 + C.var() / len(C))
    reach = 1.96 * spread
    assert found.high - found.estimate == pytest.approx(reach, rel=0.1)
    assert found.estimate - found.low == pytest.approx(reach, rel=0.1)


def test_rank_correlation_is_spearman_s_and_its_p_counts_all_pairings() -> None:
    x, y = [0.1, 3.0, 2.0, 9.0, 5.0], [1.0, 2.0, 2.0, 0.5, 4.0]
    found = rank_correlation(x, y, rng=rng())
    rho = stats.spearmanr(x, y).statistic
    assert found.rho == pytest.approx(rho)
    every = np.array([stats.spearmanr(order, y).statistic for order in permutations(x)])
    assert len(every) == 120
    sides = np.mean(every >= rho - 1e-9), np.mean(every <= rho + 1e-9)
    assert found.p == pytest.approx(min(1, 2 * min(sides)))
    assert found.exact


def test_perfect_order_of_five_sets_has_the_smallest_p_there_is() -> None:
    found = rank_correlation(range(5), [1, 2, 4, 8, 16], rng=rng())
    assert (found.rho, found.p) == pytest.approx((1, 2 / 120))
    assert rank_correlation(range(5), [5, 4, 3, 2, 1], rng=rng()).rho == pytest.approx(-1)


def test_rank_correlation_of_many_sets_is_by_random_pairings() -> None:
    x = rng(1).normal(size=40)
    y = x + rng(2).normal(size=40)
    found = rank_correlation(x, y, rng=rng())
    assert not found.exact
    assert found.p < 0.001
    assert found == rank_correlation(x, y, rng=rng())


def test_rank_correlation_with_a_constant_is_unknown() -> None:
    assert np.isnan(rank_correlation([1, 2, 3], [4, 4, 4], rng=rng()).rho)
    assert np.isnan(rank_correlation([1, 1, 1], [4, 5, 6], rng=rng()).p)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(X[:1], Y), r"x: expected at least 2 rows, got shape \(1, 12\)"),
        (lambda: frechet_distance(X, Y[:, :3]), r"y: expected 12 columns as in x, got shape \(200, 3\)"),
        (lambda: frechet_distance(X, np.full((5, 12), np.nan)), "y: expected finite numbers"),
        (lambda: two_sample_auroc(X, Y[:3], rng=rng()), "y: expected at least 5 rows"),
        (lambda: two_sample_auroc(X, Y, rng=0), "rng: expected a numpy.random.Generator"),
        (lambda: knn_distance(X, Y, 0), r"k: expected a whole number in \[1, 200\]"),
        (lambda: knn_distance(X, Y, 201), r"k: expected a whole number in \[1, 200\]"),
        (lambda: knn_distance(np.zeros((2, 12)), Y, 1), "x: expected rows with a direction"),
        (lambda: knn_distance(X[:, :2], Y, 1), r"bank: expected 2 columns as in x"),
        (lambda: rank_correlation([1, 2], [1, 2], rng=rng()), "x: expected at least 3 values"),
        (lambda: rank_correlation([1, 2, 3], [1, 2], rng=rng()), "y: expected the shape of x"),
        (lambda: advantage(A, B[:-1], ONE, rng=rng()), r"second: expected the shape of first"),
        (lambda: advantage(A, B, ONE, labels=[0], rng=rng()), r"labels: expected shape \(400,\)"),
        (lambda: generalization_gap([], [figure(A, 1)]), "figures: expected at least one, got none"),
    ],
)
def test_what_is_wrong_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
