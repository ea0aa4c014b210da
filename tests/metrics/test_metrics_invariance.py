import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as reference
from sklearn.covariance import ShrunkCovariance

from core.metrics.invariance import (
    CriticalStrength,
    Whitener,
    area_under_curve,
    chance_corrected,
    cosine_invariance,
    critical_strength,
    different_image_floor,
    map_equivariance,
    prediction_drift,
    rank_invariance,
    survival_curve,
)

RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(120, 8)) @ RNG.normal(size=(8, 8)) + 3
AUGMENTED = CLEAN + RNG.normal(size=CLEAN.shape)
P, Q = RNG.dirichlet(np.ones(5), size=(2, 90))
MAP = RNG.normal(size=(7, 7))


def test_cosine_invariance_is_the_diagonal_of_scikit_learns_similarity() -> None:
    expected = np.diag(reference.pairwise.cosine_similarity(CLEAN, AUGMENTED))
    np.testing.assert_allclose(cosine_invariance(CLEAN, AUGMENTED), expected)


def test_cosine_invariance_at_its_limits() -> None:
    np.testing.assert_allclose(cosine_invariance(CLEAN, 7 * CLEAN), 1, rtol=1e-12)
    found = cosine_invariance([[1, 0], [1, 0], [1, 0], [0, 0]], [[0, 2], [-3, 0], [1, 1], [1, 0]])
    assert found == pytest.approx([0, -1, 0.7071067811865476, np.nan], nan_ok=True)


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
def test_whitener_inverts_the_shrunk_covariance_of_scikit_learn(shrinkage: float) -> None:
    fitted = ShrunkCovariance(shrinkage=shrinkage).fit(CLEAN)
    whitener = Whitener.fit(CLEAN, shrinkage)
    np.testing.assert_allclose(whitener.mean, fitted.location_)
    np.testing.assert_allclose(whitener.factor @ whitener.factor.T, fitted.precision_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(whitener.factor, np.linalg.cholesky(fitted.precision_), rtol=1e-6, atol=1e-9)


def test_whitened_lengths_are_mahalanobis_distances() -> None:
    expected = ShrunkCovariance(shrinkage=0.2).fit(CLEAN).mahalanobis(AUGMENTED)
    whitened = Whitener.fit(CLEAN, 0.2).transform(AUGMENTED)
    np.testing.assert_allclose(np.linalg.norm(whitened, axis=1) ** 2, expected)


def test_whitened_features_have_mean_zero_and_unit_covariance() -> None:
    whitened = Whitener.fit(CLEAN, 0.0).transform(CLEAN)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(8), atol=1e-8)


def test_whitener_needs_no_more_rows_than_dimensions_when_it_shrinks() -> None:
    few = RNG.normal(size=(5, 40))
    assert np.isfinite(Whitener.fit(few, 0.1).transform(few)).all()


def test_different_image_floor_is_the_mean_off_the_diagonal() -> None:
    similarity = reference.pairwise.cosine_similarity(CLEAN)
    expected = similarity[~np.eye(120, dtype=bool)].mean()
    assert different_image_floor(CLEAN) == pytest.approx(expected)


def test_different_image_floor_at_its_limits() -> None:
    assert different_image_floor(np.eye(4)) == pytest.approx(0)
    assert different_image_floor([[1, 2], [2, 4], [3, 6]]) == pytest.approx(1)
    assert different_image_floor([[1, 0], [-1, 0]]) == pytest.approx(-1)
    assert abs(different_image_floor(Whitener.fit(CLEAN, 0.0).transform(CLEAN))) < 0.02


def test_chance_corrected_by_hand() -> None:
    assert chance_corrected([1.0, 0.64, 0.82, 0.28], 0.64) == pytest.approx([1, 0, 0.5, -1])
    assert float(chance_corrected(0.5, -1.0)) == 0.75
    assert chance_corrected([[0.5, 1.0]], 0.0).shape == (1, 2)
    assert np.isnan(chance_corrected([1.0], 1.0)).all()


def test_rank_invariance_is_the_auroc_of_each_view() -> None:
    owner = RNG.integers(120, size=200)
    views = CLEAN[owner] + RNG.normal(size=(200, 8))
    similarity = reference.pairwise.cosine_similarity(views, CLEAN)
    expected = [reference.roc_auc_score(np.arange(120) == own, row) for own, row in zip(owner, similarity, strict=True)]
    np.testing.assert_allclose(rank_invariance(CLEAN, views, owner), expected)
    assert np.mean(expected) < 1


def test_rank_invariance_at_its_limits() -> None:
    assert (rank_invariance(CLEAN, 3 * CLEAN, np.arange(120)) == 1).all()
    assert (rank_invariance(np.ones((50, 7)), np.full((50, 7), 3.0), np.arange(50)) == 0.5).all()
    assert rank_invariance(np.eye(2), np.eye(2)[::-1], [0, 1]).tolist() == [0, 0]
    assert rank_invariance(np.eye(2), np.zeros((1, 2)), [1]).tolist() == [0.5], "like nothing"


def test_rank_invariance_of_strangers_is_chance() -> None:
    found = rank_invariance(RNG.normal(size=(400, 30)), RNG.normal(size=(400, 30)), np.arange(400))
    assert found.mean() == pytest.approx(0.5, abs=0.03)


def test_prediction_drift_is_the_squared_distance_of_scipy() -> None:
    np.testing.assert_allclose(prediction_drift(P, Q), jensenshannon(P, Q, base=2, axis=1) ** 2, rtol=1e-9)


def test_prediction_drift_at_its_limits() -> None:
    assert not prediction_drift(P, P).any()
    assert prediction_drift(np.eye(3), np.eye(3)[[1, 2, 0]]).tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(prediction_drift(P, Q), prediction_drift(Q, P))


def test_area_under_curve_is_that_of_scikit_learn_per_unit_of_strength() -> None:
    strength, score = np.sort(RNG.random(9)) * 45, RNG.random(9)
    expected = reference.auc(strength, score) / (strength[-1] - strength[0])
    assert area_under_curve(strength, score) == pytest.approx(expected)


def test_area_under_curve_is_a_mean_height() -> None:
    assert area_under_curve([0, 1, 10], [0.3, 0.3, 0.3]) == pytest.approx(0.3)
    assert area_under_curve([-5, 5], [1.0, 0.0]) == pytest.approx(0.5)


def test_critical_strength_by_hand() -> None:
    changed = [[0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    found = critical_strength([5, 15, 45], changed)
    assert found.strength.tolist() == [15, 45, 15, 5, 45]
    assert found.censored.tolist() == [False, True, False, False, False]


def test_survival_curve_is_the_kaplan_meier_estimate_of_scipy() -> None:
    strengths = np.arange(1.0, 9.0)
    critical = critical_strength(strengths, RNG.random((150, 8)) < 0.15)
    assert critical.censored.any()
    sample = stats.CensoredData.right_censored(critical.strength, critical.censored)
    expected = stats.ecdf(sample).sf.evaluate(strengths)
    np.testing.assert_allclose(survival_curve(critical, strengths), expected)


def test_survival_curve_takes_refined_strengths() -> None:
    critical = CriticalStrength(np.array([3.2, 7.9, 10.0]), np.array([False, False, True]))
    assert survival_curve(critical, [0, 3.2, 5, 10]) == pytest.approx([1, 2 / 3, 2 / 3, 1 / 3])
    nothing_censored = CriticalStrength(np.array([1.0]), np.array([False]))
    assert survival_curve(nothing_censored, [99]).tolist() == [0.0]


def test_map_equivariance_of_a_photometric_transform_is_spearmans_correlation() -> None:
    other = MAP + RNG.normal(size=MAP.shape)
    found = map_equivariance([MAP, MAP], [other, -MAP])
    assert found == pytest.approx([stats.spearmanr(MAP.ravel(), other.ravel()).statistic, -1])


def test_map_equivariance_looks_at_the_overlap_only() -> None:
    moved = np.roll(MAP, 2, axis=1)
    noisy = moved + RNG.normal(size=MAP.shape)
    back = np.stack([ndimage.shift(values, (0, -2), order=0, cval=np.nan) for values in (moved, noisy)])
    found = map_equivariance([MAP, MAP], back, ~np.isnan(back))
    expected = stats.spearmanr(MAP[:, :5].ravel(), noisy[:, 2:].ravel()).statistic
    assert found == pytest.approx([1, expected])
    assert map_equivariance(MAP[None], moved[None])[0] < 0.6


@pytest.mark.parametrize("side", [4, 7, 8])
def test_map_equivariance_of_many_maps_with_ties_is_that_of_scipy(side: int) -> None:
    random = np.random.default_rng(side)
    before = random.normal(size=(60, side, side)).astype(np.float32).round(1)
    after = (before + random.normal(size=before.shape)).astype(np.float32).round(1)
    shared = random.random(before.shape) < random.random((60, 1, 1))
    shared[0], shared[1], after[2], before[3] = False, True, 0, 1
    expected = [
        stats.spearmanr(b[s], a[s]).statistic if s.sum() >= 3 and np.ptp(b[s]) and np.ptp(a[s]) else np.nan
        for b, a, s in zip(before, after, shared, strict=True)
    ]
    after[~shared] = np.nan  # a warp may leave anything out of view
    found = map_equivariance(before, after, shared)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(found[[0, 2, 3]]).all()


def test_map_equivariance_is_unknown_without_overlap_or_variation() -> None:
    two = np.zeros((1, 7, 7), dtype=bool)
    two[0, 0, :2] = True
    assert np.isnan(map_equivariance(MAP[None], MAP[None], two)).all()
    assert np.isnan(map_equivariance(MAP[None], np.ones((1, 7, 7)))).all()


BAD = [
    (lambda: cosine_invariance(CLEAN, CLEAN[:5]), r"augmented: expected the shape of clean, \(120, 8\), got shape"),
    (lambda: cosine_invariance([[np.nan]], [[1.0]]), "clean: expected finite numbers, got 1 NaN"),
    (lambda: cosine_invariance([], []), r"clean: expected shape \(N, D\), got shape \(0,\)"),
    (lambda: Whitener.fit(CLEAN, 1.1), r"shrinkage: expected a number in \[0, 1\], got 1.1"),
    (lambda: Whitener.fit(CLEAN[:1], 0.1), r"features: expected at least 2 rows, got shape \(1, 8\)"),
    (lambda: Whitener.fit(np.ones((4, 3)), 0.1), "features: expected rows that differ, got identical rows"),
    (lambda: Whitener.fit(np.eye(4)[:2], 0.0), "shrinkage: expected enough to make the covariance of 2 rows in 4 dim"),
    (lambda: Whitener.fit(CLEAN, 0.1).transform(MAP), r"features: expected shape \(N, 8\), got shape \(7, 7\)"),
    (lambda: different_image_floor([[1.0, 2.0]]), "features: expected at least 2 rows"),
    (
        lambda: different_image_floor([[1, 2], [0, 0]]),
        "features: expected rows with a direction, got only zeros in row 1",
    ),
    (lambda: chance_corrected([], 0.2), "score: expected at least one value"),
    (lambda: chance_corrected([0.5], 1.2), r"floor: expected a number in \[-1, 1\], got 1.2"),
    (lambda: rank_invariance(CLEAN, AUGMENTED[:, :3], np.arange(120)), r"augmented: expected shape \(V, 8\)"),
    (lambda: rank_invariance(CLEAN, AUGMENTED[:3], [0, 1, 120]), "owner: expected integers below 120, got 120"),
    (lambda: prediction_drift(P, Q[:2]), "q: expected the shape of p"),
    (lambda: prediction_drift(P * 3, Q), r"p: expected values in \[0, 1\]"),
    (lambda: area_under_curve([1], [1]), r"strength: expected at least 2 values, got shape \(1,\)"),
    (lambda: area_under_curve([1, 1], [1, 2]), "strength: expected strictly ascending values, got"),
    (lambda: area_under_curve([1, 2], [1, 2, 3]), "score: expected the shape of strength"),
    (lambda: critical_strength([1, 2], [[0, 1, 1]]), r"changed: expected shape \(N, 2\), got shape \(1, 3\)"),
    (lambda: critical_strength([1, 2], [[0, 5]]), "changed: expected true or false"),
    (lambda: survival_curve(critical_strength([1, 2], [[0, 0]]), [3]), "at: expected strengths up to 2, the last one"),
    (lambda: map_equivariance(MAP, MAP), r"maps_clean: expected shape \(V, h, w\), got shape \(7, 7\)"),
    (lambda: map_equivariance(MAP[None], MAP[None, :5]), "maps_augmented: expected the shape of maps_clean"),
    (lambda: map_equivariance(MAP[None], MAP[None], (MAP > 9)[:5]), r"shared: expected shape \(1, 7, 7\)"),
    (lambda: map_equivariance(MAP[None], MAP[None] * np.nan), "maps: expected finite numbers"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
