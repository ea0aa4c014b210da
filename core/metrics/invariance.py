"""How much a representation, its predictions and its maps move when the image is transformed.

f(x) is the pooled feature of an image and t a transform whose strength has its own unit (degrees, share of the side,
sigma in pixels …). A similarity means nothing without its floor, the similarity of unrelated images.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray
from core.metrics.attribution import spearman

# Cosines that agree to this are ties: the same feature gives other last bits at other places of a matrix product.
TIE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Whitener:
    """The linear map w(x) = (f(x) − μ) L after which features have mean 0 and covariance I (Ericsson et al. 2021).

    `mean` (D,) is μ and `factor` (D, D) is L, the lower Cholesky factor of the inverse of
    Σ_s = (1 − ρ) Σ + ρ tr(Σ)/D · I.
    """

    mean: FloatArray
    factor: FloatArray

    @classmethod
    def fit(cls, features: ArrayLike, shrinkage: float) -> Self:
        """The whitener of a feature bank.

        Args:
            features: (N, D), N ≥ 2, of clean images; Σ is their covariance with divisor N.
            shrinkage: ρ in [0, 1]: 0 trusts Σ and needs N > D, 1 only centres and scales all directions alike.
        """
        bank = check.rows("features", features, 2)
        rho, (count, size) = check.number("shrinkage", shrinkage, 0, 1), bank.shape
        mean = bank.mean(axis=0)
        centred = bank - mean
        covariance = centred.T @ centred / count
        spread = np.trace(covariance) / size
        if spread <= 0:
            raise check.bad("features", "rows that differ", "identical rows")
        shrunk = (1 - rho) * covariance + rho * spread * np.eye(size)
        try:
            # With rows and columns reversed, Cholesky gives Σ = U Uᵀ with U upper. Then L = U⁻ᵀ, and Σ⁻¹, which
            # would lose digits, is never formed.
            upper = linalg.cholesky(shrunk[::-1, ::-1], lower=True)[::-1, ::-1]
        except linalg.LinAlgError as error:
            raise check.bad(
                "shrinkage",
                f"enough to make the covariance of {count} rows in {size} dimensions invertible",
                f"{rho:g}",
            ) from error
        return cls(mean, linalg.solve_triangular(upper, np.eye(size)).T)

    def transform(self, features: ArrayLike) -> FloatArray:
        """(N, D) features whitened; (N, D) in."""
        values = check.rows("features", features)
        if values.shape[1] != len(self.mean):
            raise check.bad("features", f"shape (N, {len(self.mean)})", f"shape {values.shape}")
        return (values - self.mean) @ self.factor


@dataclass(frozen=True, slots=True, eq=False)
class CriticalStrength:
    """Per image the smallest strength that changes the prediction, in the transform's unit.

    Attributes:
        strength: (N,); for a censored image the largest strength tested, which it withstood.
        censored: (N,) bool, true where no tested strength changes the prediction.
    """

    strength: FloatArray
    censored: BoolArray


def cosine_invariance(clean: ArrayLike, augmented: ArrayLike) -> FloatArray:
    """Cosine of f(x) and f(t x) for each image.

    Args:
        clean: (N, D) features, raw or whitened.
        augmented: (N, D) features of the same images transformed.

    Returns:
        (N,) in [−1, 1], dimensionless; higher is more invariant, 1 no turn at all. nan where a feature is zero, which
        has no direction. Read beside `different_image_floor`.
    """
    x, y = check.rows("clean", clean), check.rows("augmented", augmented)
    check.same_shape("augmented", y, "clean", x)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.clip(np.einsum("nd,nd->n", x, y) / np.where(lengths > 0, lengths, np.nan), -1.0, 1.0)


def different_image_floor(features: ArrayLike) -> float:
    """Mean cosine over all pairs of different images.

    (|Σ u_i|² − N) / (N (N − 1)) with u the features at unit length: every pair, at the cost of one sum.

    Args:
        features: (N, D), N ≥ 2, normalised as for the score that it stands beside (raw or whitened).

    Returns:
        In [−1/(N − 1), 1], dimensionless: what a similarity must exceed to mean anything; 1 is collapse.
    """
    units = check.unit_rows("features", features, 2)
    total, count = units.sum(axis=0), len(units)
    return float((total @ total - count) / (count * (count - 1)))


def chance_corrected(score: ArrayLike, floor: float) -> FloatArray:
    """Similarity beyond that of strangers, (S − S_neg) / (1 − S_neg).

    Args:
        score: similarities of any shape, at most 1.
        floor: S_neg, their `different_image_floor`, in [−1, 1].

    Returns:
        The shape of `score`, at most 1, higher is more invariant: 0 no more alike than strangers, 1 identical. nan
        when the floor is 1: all images are alike and there is nothing to be invariant about.
    """
    values = check.floats("score", score, "(…)")
    floor = check.number("floor", floor, -1, 1)
    return np.asarray((values - floor) / (1 - floor if floor < 1 else np.nan))


def rank_invariance(clean: ArrayLike, augmented: ArrayLike, owner: ArrayLike) -> FloatArray:
    """How many of the other images are less like a view, by cosine, than the image it was made of.

    Share of j ≠ i with cos(t x_i, x_i) > cos(t x_i, x_j), ties ½. Unlike a mean cosine it does not rise because all
    features are alike; its mean over views is an AUROC, with chance ½.

    Args:
        clean: (N, D) features, N ≥ 2; a zero one is like nothing.
        augmented: (V, D) features of views.
        owner: (V,) which image each view was made of.

    Returns:
        (V,) in [0, 1], higher is more invariant. The cost grows as N V D.
    """
    x, y = check.rows("clean", clean, 2), check.rows("augmented", augmented)
    if y.shape[1] != x.shape[1]:
        raise check.bad("augmented", f"shape (V, {x.shape[1]})", f"shape {y.shape}")
    own = check.labels("owner", owner, len(y))
    if own.max() >= len(x):
        raise check.bad("owner", f"integers below {len(x)}", own.max())
    x, y = (values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12) for values in (x, y))
    similarity = y @ x.T
    ahead = similarity[np.arange(len(y)), own][:, None] - similarity
    further, nearer = (ahead > TIE).sum(axis=1), (ahead < -TIE).sum(axis=1)
    tied = len(x) - 1 - further - nearer  # other images, as its own is neither
    return np.asarray((further + tied / 2) / (len(x) - 1))


def prediction_drift(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Jensen–Shannon divergence of two predictions, in bits, for each row.

    ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2 (Lin 1991).

    Args:
        p: (N, K), rows sum to 1.
        q: (N, K), rows sum to 1.

    Returns:
        (N,) in [0, 1]; lower is more stable: 0 the same distribution, 1 no class in common.
    """
    first, second = check.distributions("p", p), check.distributions("q", q)
    check.same_shape("q", second, "p", first)
    middle = (first + second) / 2
    nats = (special.rel_entr(first, middle) + special.rel_entr(second, middle)).sum(axis=1) / 2
    return np.clip(nats / np.log(2), 0.0, 1.0)


def area_under_curve(strength: ArrayLike, score: ArrayLike) -> float:
    """Mean height of a score over the tested strengths: trapezoidal area divided by the width of the range.

    Args:
        strength: (S,) strictly ascending, S ≥ 2, in the transform's unit.
        score: (S,) in any unit.

    Returns:
        In the unit, range and direction of the score. Comparable only between curves over the same range.
    """
    at = check.ascending("strength", strength, 2)
    height = check.floats("score", score, "(S,)")
    check.same_shape("score", height, "strength", at)
    return float(np.diff(at) @ (height[1:] + height[:-1]) / 2 / (at[-1] - at[0]))


def area_from_identity(distance: ArrayLike, score: ArrayLike) -> FloatArray:
    """The area under each image's curve over the tested range, from the identity, where everything is kept.

    Args:
        distance: (S,) of the strengths from the identity, strictly ascending, above 0, in the transform's unit.
        score: (S, N) of N images, 1 unmoved. nan where there is no value: the path goes from neighbour to neighbour,
            and the range ends with the last one.

    Returns:
        (N,) mean heights, larger is steadier; nan of an image without any value.
    """
    at = check.ascending("distance", np.concatenate([[0.0], np.asarray(distance, np.float64)]), 2)
    curves = np.asarray(score, np.float64)
    height = np.vstack([np.ones((1, curves.shape[1])), curves])
    area = np.asarray(np.trapezoid(height, at, axis=0) / at[-1])
    for image in np.flatnonzero(np.isnan(area)):
        known = ~np.isnan(height[:, image])
        area[image] = area_under_curve(at[known], height[known, image]) if known.sum() > 1 else np.nan
    return area


def critical_strength(strengths: ArrayLike, changed: ArrayLike) -> CriticalStrength:
    """Per image the first tested strength whose prediction differs from that of the clean image.

    The resolution is that of the grid. A caller that has the model refines it by bisection between the strength found
    and the one before. Later returns to the clean prediction do not count.

    Args:
        strengths: (S,) strictly ascending.
        changed: (N, S) bool, whether the prediction at a strength differs from the clean one.

    Returns:
        (N,) strengths, higher is more robust, censored at the largest strength.
    """
    at = check.ascending("strengths", strengths)
    differs = check.flags("changed", changed, "(N, S)")
    if differs.shape[1] != len(at):
        raise check.bad("changed", f"shape (N, {len(at)})", f"shape {differs.shape}")
    censored = np.logical_not(np.any(differs, axis=1))
    return CriticalStrength(np.where(censored, at[-1], at[differs.argmax(axis=1)]), censored)


def survival_curve(critical: CriticalStrength, at: ArrayLike) -> FloatArray:
    """Share of images that keep their prediction up to and including each strength.

    All images are censored at one strength, the largest tested, so the Kaplan–Meier estimate is a plain share.

    Args:
        critical: of N images.
        at: (M,) strengths, none beyond the one at which images are censored, as nothing is known there.

    Returns:
        (M,) in [0, 1], not increasing in strength; higher is more robust.
    """
    strength = check.floats("critical.strength", critical.strength, "(N,)")
    censored = check.flags("critical.censored", critical.censored, strength.shape)
    where = check.floats("at", at, "(M,)")
    if censored.any() and where.max() > strength[censored].min():
        raise check.bad("at", f"strengths up to {strength[censored].min():g}, the last one tested", f"{where.max():g}")
    changed_at = np.sort(strength[~censored])
    return 1 - np.searchsorted(changed_at, where, side="right") / len(strength)


def map_equivariance(maps_clean: ArrayLike, maps_augmented: ArrayLike, shared: ArrayLike | None = None) -> FloatArray:
    """Spearman correlation of M(x) and the map of the transformed image brought back, t⁻¹(M(t x)), for V pairs.

    Args:
        maps_clean: (V, h, w) M(x).
        maps_augmented: (V, h, w) M(t x); after a geometric transform brought back into place.
        shared: (V, h, w) bool, the cells that the transformed image still shows, and None for a photometric
            transform, which moves nothing; values of other cells are not looked at.

    Returns:
        (V,) in [−1, 1], higher is better: 1 the map moves with the image. nan with fewer than 3 shared cells, or when
        a map is constant on them.
    """
    both = [
        check.array(name, value, "(V, h, w)")
        for name, value in (("maps_clean", maps_clean), ("maps_augmented", maps_augmented))
    ]
    if both[1].shape != both[0].shape:
        raise check.bad("maps_augmented", f"the shape of maps_clean, {both[0].shape}", f"shape {both[1].shape}")
    seen = np.full(both[0].shape, True) if shared is None else check.flags("shared", shared, both[0].shape)
    agreement = spearman(both[0], both[1], seen)
    return np.where(seen.sum(axis=(1, 2)) >= 3, agreement, np.nan)
