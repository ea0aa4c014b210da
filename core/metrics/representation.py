"""How two representations compare, and how much of its space one uses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import FloatArray

# Similarities held in memory at once; larger populations are taken in blocks of rows.
BLOCK = 2**22


@dataclass(frozen=True, slots=True)
class MutualKnn:
    """Neighbours that representations have in common.

    Attributes:
        score: (E, E) share of each two of E, in [0, 1], higher is more alike.
        chance: what unrelated ones would share, k / (N − 1).
    """

    score: FloatArray
    chance: float


def linear_cka(*spaces: ArrayLike) -> FloatArray:
    """Debiased linear centred kernel alignment HSIC(x, y) / √(HSIC(x, x) HSIC(y, y)) of each two representations.

    By the unbiased HSIC (Kornblith et al. 2019, Song et al. 2012, Nguyen et al. 2021): the biased one nears 1 for
    independent features when D is large against N.

    Args:
        *spaces: (N, D) features of the same N ≥ 4 images in the same order; D of each its own.

    Returns:
        (E, E) of E representations: at most 1, and unchanged by rotation, isotropic scale and shift, 1 the same up to
        those; about 0 for independent features, and slightly below at times. nan where one is constant.
    """
    return linear_cka_of(grams(*spaces))


def grams(*spaces: ArrayLike) -> FloatArray:
    """(E, N, N) inner products of the centred features of each two images, an image with itself left 0.

    Arguments as of `linear_cka`.
    """
    centred = [_centred(check.rows(f"space {i}", x, 4)) for i, x in enumerate(spaces)]
    _same_images(centred)
    return _of_pairs(centred, 0.0)


def _of_pairs(spaces: Sequence[FloatArray], itself: float) -> FloatArray:
    products = np.stack([x @ x.T for x in spaces])
    products[:, np.eye(products.shape[-1], dtype=bool)] = itself
    return products


def linear_cka_of(products: FloatArray) -> FloatArray:
    """`linear_cka` of the (E, N, N) inner products of `grams`, or of some of its rows and the same columns.

    N(N − 3) times Song's estimator is tr(KL) + 1ᵀK1 1ᵀL1 / ((N−1)(N−2)) − 2 1ᵀKL1 / (N−2), diagonals being 0. It is
    the same for features that are not centred, so leaving images out takes no product anew.
    """
    count = products.shape[-1]
    flat, rows = products.reshape(len(products), -1), products.sum(axis=2)
    every = rows.sum(axis=1)
    found = flat @ flat.T + np.outer(every, every) / ((count - 1) * (count - 2)) - 2 * (rows @ rows.T) / (count - 2)
    own = np.diag(found)
    scale = np.outer(own, own)
    alike = np.divide(found, np.sqrt(scale.clip(0)), out=np.full(found.shape, np.nan), where=scale > 0)
    return np.minimum(alike, 1.0)


def _same_images(spaces: Sequence[FloatArray]) -> None:
    for i, other in enumerate(spaces):
        if len(other) != len(spaces[0]):
            raise check.bad(f"space {i}", f"{len(spaces[0])} rows as in space 0", f"shape {other.shape}")


def _centred(features: FloatArray) -> FloatArray:
    """Columns minus their mean; exactly zero when what is left is rounding, so that constant features show as such."""
    centred = features - features.mean(axis=0)
    return centred if np.linalg.norm(centred) > 1e-12 * np.linalg.norm(features) else np.zeros_like(features)


def mutual_knn(*spaces: ArrayLike, k: int = 10) -> MutualKnn:
    """Mean share of the k nearest neighbours, by cosine, that each two representations agree on (Huh et al. 2024).

    Args:
        *spaces: (N, D) features of the same images in the same order, no zero rows; D of each its own. The cost grows
            as N² D.
        k: neighbours, in [1, N − 1]; an image is not its own neighbour.
    """
    return mutual_knn_of(cosines(*spaces), k)


def cosines(*spaces: ArrayLike) -> FloatArray:
    """(E, N, N) cosines of each two images, −∞ of an image with itself; arguments as of `mutual_knn`."""
    units = [check.unit_rows(f"space {i}", x, 2) for i, x in enumerate(spaces)]
    _same_images(units)
    return _of_pairs(units, -np.inf)


def mutual_knn_of(similarity: FloatArray, k: int) -> MutualKnn:
    """`mutual_knn` of the (E, N, N) similarities of `cosines`, or of some of its rows and the same columns."""
    count = similarity.shape[-1]
    k = check.whole("k", k, 1, count - 1)
    near = np.zeros(similarity.shape, np.float32)
    np.put_along_axis(near, np.argpartition(similarity, count - k, axis=2)[:, :, count - k :], 1, axis=2)
    flat = near.reshape(len(near), -1)
    return MutualKnn(score=(flat @ flat.T).astype(np.float64) / (count * k), chance=k / (count - 1))


@dataclass(frozen=True, slots=True)
class SharedNeighbours:
    """How many nearest neighbours of one image two representations have in common.

    Attributes:
        count: of both.
        chance: expected of two that choose at random.
        p: probability that such two share as many or more: a tail of the hypergeometric distribution.
    """

    count: int
    chance: float
    p: float


def shared_neighbours(a: Collection[str], b: Collection[str], images: int) -> SharedNeighbours:
    """Of the nearest neighbours of one image in two representations, those that both name, against chance.

    Args:
        a: ids of the nearest in the one.
        b: ids of the nearest in the other.
        images: N, among which both were looked for; at least as many as either names.
    """
    from scipy import stats  # half a second that the first page should not wait for

    images = check.whole("images", images, max(1, len(a), len(b)))
    count = len(set(a) & set(b))
    p = float(stats.hypergeom.sf(count - 1, images, len(a), len(b)))
    return SharedNeighbours(count, len(a) * len(b) / images, p)


def alignment(x: ArrayLike, y: ArrayLike, alpha: float = 2.0) -> float:
    """Mean of |u_i − v_i|^α over positive pairs, u and v the features at unit length (Wang & Isola 2020).

    Args:
        x: (N, D) features of one view, no zero rows.
        y: (N, D) features of the other view of the same images, no zero rows.
        alpha: α > 0.

    Returns:
        In [0, 2^α], lower is better: 0 both views coincide.
    """
    a, b = check.unit_rows("x", x), check.unit_rows("y", y)
    check.same_shape("y", b, "x", a)
    return float(np.mean(np.linalg.norm(a - b, axis=1) ** check.number("alpha", alpha, 0, inside=True)))


def uniformity(x: ArrayLike, t: float = 2.0) -> float:
    """Log mean Gaussian potential ln mean exp(−t |u_i − u_j|²) over pairs i < j at unit length (Wang & Isola 2020).

    Args:
        x: (N, D) features, N ≥ 2, no zero rows. The cost grows as N² D.
        t: sharpness of the potential, > 0.

    Returns:
        In [−4t, 0], lower is better: features spread over the sphere; 0 all coincide. For uniform features in many
        dimensions it nears −2t.
    """
    units = check.unit_rows("x", x, 2)
    t, count = check.number("t", t, 0, inside=True), len(units)
    total, block = -np.inf, max(1, BLOCK // count)
    for first in range(0, count - 1, block):
        # |u − v|² = 2 − 2 u·v at unit length; columns from `first` on, so that each pair comes once.
        similarity = units[first : first + block] @ units[first:].T
        pairs = np.triu(np.ones(similarity.shape, dtype=bool), k=1)
        exponents = -2 * t * np.maximum(1 - similarity[pairs], 0.0)
        total = np.logaddexp(total, special.logsumexp(exponents))
    return float(total - np.log(count * (count - 1) / 2))


def rank_me(x: ArrayLike) -> float:
    """Effective rank exp(−Σ p_i ln p_i), p_i = σ_i / Σ_j σ_j + 1e-7, σ the singular values of x (Garrido et al. 2023).

    Features are not centred, as in the paper.

    Args:
        x: (N, D) features; best with N above D.

    Returns:
        In [1, min(N, D)] up to the 1e-7, dimensions; higher is richer. nan when all features are zero.
    """
    values = np.linalg.svd(check.rows("x", x), compute_uv=False)
    if values[0] == 0:
        return float("nan")
    p = values / values.sum() + 1e-7
    return float(np.exp(-np.sum(p * np.log(p))))


def participation_ratio(x: ArrayLike) -> float:
    """Number of dimensions that carry the variance, (Σλ)² / Σλ², λ the eigenvalues of the covariance.

    Equal to tr(C)² / |C|², so no eigenvalue is computed.

    Args:
        x: (N, D) features, N ≥ 2.

    Returns:
        In [1, min(N − 1, D)], dimensions; higher is richer. nan when all rows are equal.
    """
    centred = _centred(check.rows("x", x, 2))
    # By whichever product is smaller: of features with features, or of rows with rows.
    squares = np.sum((centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T) ** 2)
    return float(np.sum(centred**2) ** 2 / squares) if squares > 0 else float("nan")


def collapse_std(x: ArrayLike) -> float:
    """Standard deviation of each dimension over images at unit length, averaged (Chen & He 2021).

    Args:
        x: (N, D) features, N ≥ 2, no zero rows.

    Returns:
        In [0, 1/√D], higher is better: 1/√D spread in all directions, 0 collapsed to one point.
    """
    return float(check.unit_rows("x", x, 2).std(axis=0).mean())
