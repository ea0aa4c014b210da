from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import linear_kernel
from sklearn.neighbors import NearestNeighbors

from core.metrics.representation import (
    alignment,
    collapse_std,
    cosines,
    grams,
    linear_cka,
    linear_cka_of,
    mutual_knn,
    mutual_knn_of,
    participation_ratio,
    rank_me,
    shared_neighbours,
    uniformity,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 9)) @ RNG.normal(size=(9, 9)) + 2
Y = np.tanh(X @ RNG.normal(size=(9, 5))) + 0.3 * RNG.normal(size=(60, 5))
ROTATION = np.linalg.qr(RNG.normal(size=(9, 9)))[0]


def _hsic_over_all_quadruples(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic that the unbiased HSIC abbreviates (Song et al. 2012, theorem 2)."""
    k, m = linear_kernel(x), linear_kernel(y)
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(x)), 4)]
    return float(np.mean(terms))


def test_debiased_cka_is_the_u_statistic_over_all_quadruples() -> None:
    x, y = X[:7], Y[:7]
    expected = _hsic_over_all_quadruples(x, y) / np.sqrt(
        _hsic_over_all_quadruples(x, x) * _hsic_over_all_quadruples(y, y)
    )
    assert linear_cka(x, y)[0, 1] == pytest.approx(expected)


def test_cka_is_one_up_to_rotation_scale_and_shift() -> None:
    found = linear_cka(X, 3 * X @ ROTATION - 8, Y, np.full((60, 3), 0.1))
    assert found[0, :2] == pytest.approx(1)
    assert found[0, 2] == pytest.approx(linear_cka(Y, X)[0, 1])
    assert np.array_equal(found, found.T, equal_nan=True)
    assert np.isnan(found[3]).all()


def test_cka_of_independent_features_is_near_zero() -> None:
    assert linear_cka(*RNG.normal(size=(2, 64, 2048)))[0, 1] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("k", [1, 5, 59])
def test_mutual_knn_is_that_of_scikit_learns_neighbours(k: int) -> None:
    sets = []
    for features in (X, Y):
        index = NearestNeighbors(n_neighbors=k, metric="cosine").fit(features).kneighbors(return_distance=False)
        sets.append([set(row) for row in index])
    expected = np.mean([len(a & b) / k for a, b in zip(*sets, strict=True)])
    found = mutual_knn(X, Y, k=k)
    assert found.score[0, 1] == pytest.approx(expected)
    assert found.chance == k / 59


def test_images_are_left_out_of_what_was_reckoned_once() -> None:
    kept = np.flatnonzero(np.arange(len(X)) % 20 != 3)
    some = np.s_[:, kept[:, None], kept]
    assert linear_cka_of(grams(X, Y)[some]) == pytest.approx(linear_cka(X[kept], Y[kept]))
    assert mutual_knn_of(cosines(X, Y)[some], 4).score == pytest.approx(mutual_knn(X[kept], Y[kept], k=4).score)


def test_mutual_knn_at_its_limits() -> None:
    assert (mutual_knn(X, 5 * X @ ROTATION, k=4).score == 1.0).all()
    strangers = mutual_knn(RNG.normal(size=(500, 20)), RNG.normal(size=(500, 20)), k=25)
    assert strangers.score[0, 1] == pytest.approx(strangers.chance, abs=0.01)


def test_alignment_is_the_mean_distance_of_unit_vectors() -> None:
    x, y = (torch.nn.functional.normalize(torch.tensor(v)) for v in (X[:, :5], Y))
    for alpha in (1.0, 2.0):
        expected = torch.nn.functional.pairwise_distance(x, y, eps=0).pow(alpha).mean()
        assert alignment(X[:, :5], Y, alpha) == pytest.approx(float(expected))


def test_alignment_at_its_limits() -> None:
    assert alignment(X, 2 * X) == pytest.approx(0)
    assert alignment(X, -X) == pytest.approx(4)
    assert alignment([[1, 0]], [[0, 9]]) == pytest.approx(2)


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_uniformity_is_that_of_scipys_distances(t: float) -> None:
    distances = pdist(X / np.linalg.norm(X, axis=1, keepdims=True), "sqeuclidean")
    assert uniformity(X, t) == pytest.approx(np.log(np.mean(np.exp(-t * distances))))


def test_uniformity_at_its_limits() -> None:
    assert uniformity(np.ones((5, 3))) == pytest.approx(0)
    assert uniformity([[1, 0], [-1, 0]], t=2) == pytest.approx(-8)
    assert uniformity([[1, 0], [-1, 0]], t=1e4) == pytest.approx(-4e4)
    assert uniformity(RNG.normal(size=(300, 500))) == pytest.approx(-4, abs=0.05)


def test_pairwise_metrics_do_not_depend_on_the_blocks_they_are_computed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = uniformity(X), mutual_knn(X, Y, k=5)
    monkeypatch.setattr("core.metrics.representation.BLOCK", 60 * 7)
    assert uniformity(X) == pytest.approx(whole[0])
    assert mutual_knn(X, Y, k=5).score == pytest.approx(whole[1].score)


def test_rank_me_is_the_exponential_of_scipys_entropy() -> None:
    expected = np.exp(stats.entropy(torch.linalg.svdvals(torch.tensor(X)).numpy()))
    assert rank_me(X) == pytest.approx(expected, rel=1e-4)


def test_rank_me_at_its_limits() -> None:
    assert rank_me(np.eye(12)) == pytest.approx(12, rel=1e-4)
    assert rank_me(np.outer(np.arange(1, 9), np.ones(5))) == pytest.approx(1, abs=1e-4)
    assert np.isnan(rank_me(np.zeros((4, 3))))


@pytest.mark.parametrize("rows", [60, 7])
def test_participation_ratio_is_that_of_scikit_learns_variances(rows: int) -> None:
    variances = PCA().fit(X[:rows]).explained_variance_
    assert participation_ratio(X[:rows]) == pytest.approx(variances.sum() ** 2 / (variances**2).sum())


def test_participation_ratio_at_its_limits() -> None:
    assert participation_ratio(np.vstack([np.eye(6), -np.eye(6)])) == pytest.approx(6)
    assert participation_ratio(np.outer(np.arange(8), np.ones(5)) + 7) == pytest.approx(1)
    assert np.isnan(participation_ratio(np.full((4, 3), 0.1)))


def test_collapse_std_by_hand_and_at_its_limits() -> None:
    assert collapse_std([[5, 0], [0, 3]]) == pytest.approx(0.5)
    assert collapse_std(np.ones((4, 3))) == pytest.approx(0)
    assert collapse_std(RNG.normal(size=(2000, 64))) == pytest.approx(1 / 8, rel=0.01)


BAD = [
    (lambda: linear_cka(X[:3], Y[:3]), r"space 0: expected at least 4 rows, got shape \(3, 9\)"),
    (lambda: linear_cka(X, Y[:8]), r"space 1: expected 60 rows as in space 0, got shape \(8, 5\)"),
    (lambda: linear_cka(X, Y * np.nan), "space 1: expected finite numbers, got 300 NaN"),
    (lambda: mutual_knn(X, Y, k=60), r"k: expected a whole number in \[1, 59\], got 60"),
    (lambda: mutual_knn(X, Y[:5], k=3), "space 1: expected 60 rows as in space 0"),
    (lambda: mutual_knn(X * 0, Y, k=3), "space 0: expected rows with a direction, got only zeros in row 0"),
    (lambda: alignment(X, Y), "y: expected the shape of x"),
    (lambda: alignment(X, X, alpha=0), r"alpha: expected a number in \(0, inf\), got 0"),
    (lambda: uniformity(X, t=-1), r"t: expected a number in \(0, inf\), got -1"),
    (lambda: uniformity(X[:1]), "x: expected at least 2 rows"),
    (lambda: rank_me(X[0]), r"x: expected shape \(N, D\), got shape \(9,\)"),
    (lambda: participation_ratio(np.empty((0, 3))), r"x: expected at least one value, got shape \(0, 3\)"),
    (lambda: collapse_std([[1.0, np.inf], [1.0, 2.0]]), "x: expected finite numbers"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_shared_neighbours_against_all_choices_there_are() -> None:
    """Of 2 of 5 images each: 10 × 10 pairs of choices, counted one by one."""
    choices = [set(pair) for pair in combinations("abcde", 2)]
    for a, b in (("ab", "ab"), ("ab", "bc"), ("ab", "cd")):
        found = shared_neighbours(a, b, 5)
        counted = [len(set(a) & other) for other in choices]
        assert found.count == len(set(a) & set(b))
        assert found.chance == pytest.approx(np.mean(counted))
        assert found.p == pytest.approx(np.mean([count >= found.count for count in counted]))
    with pytest.raises(ValueError, match="images"):
        shared_neighbours("ab", "ab", 1)
