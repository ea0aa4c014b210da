"""How far one set of images is from another in an encoder's features, and what that distance costs the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from core.metrics import _checks as check
from core.metrics._checks import FloatArray
from core.metrics.accuracy import counted_accuracy, counted_accuracy_draws
from core.metrics.interval import Interval
from core.metrics.resampling import Bootstrapped, mean_of

# Of the two-sample classifier: weak enough to converge within a second where the sets are separable, as most are.
INVERSE_PENALTY, MAX_ITERATIONS, FOLDS = 0.01, 1000, 5
CHUNK = 2**22  # numbers of a matrix that is held at once
PERMUTATIONS = 50_000  # all of up to 8 pairs


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets of features.

    |μ_x − μ_y|² + tr(Σ_x + Σ_y − 2 (Σ_x Σ_y)^½) (Dowson & Landau 1982; with Inception features the FID of Heusel
    et al. 2017). Each covariance is shrunk towards a multiple of the identity, (1 − ρ)Σ + ρ·tr(Σ)/D·I, with ρ of
    Ledoit & Wolf (2004) for that set, so D may exceed N. It carries the square of the features' unit: compare sets
    within an encoder, never encoders. It is biased upwards, the more the smaller the sets: read it beside what two
    halves of one set give.

    Args:
        x: (N, D), N at least 2.
        y: (M, D), M at least 2.

    Returns:
        In [0, ∞): 0 for equal means and covariances, larger is farther.
    """
    from sklearn.covariance import ledoit_wolf  # scikit-learn takes a second to import, and pages need none of it

    first, second = check.rows("x", x, least=2), check.rows("y", y, least=2)
    _same_width("y", second, "x", first)
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, other = ledoit_wolf(first)[0], ledoit_wolf(second)[0]
    # tr (Σ_x Σ_y)^½ is the sum of the singular values of Σ_x^½ Σ_y^½, taken from the symmetric Σ_x^½ Σ_y Σ_x^½.
    values, vectors = linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(linalg.eigvalsh(root @ other @ root), 0)).sum()
    return max(0.0, float(shift @ shift + np.trace(one) + np.trace(other) - 2 * shared))


def two_sample_auroc(x: ArrayLike, y: ArrayLike, *, rng: np.random.Generator) -> float:
    """How well a linear classifier tells which of two sets a feature comes from (classifier two-sample test).

    A logistic regression (L2, C = 0.01 on features standardised within the fold) is fitted on all folds but one and
    ranks the samples of that one; the figure is the mean AUROC of the folds (Lopez-Paz & Oquab 2017 with AUROC in
    place of accuracy). The larger set is thinned to the size of the smaller, so both weigh the same.

    Args:
        x: (N, D), N at least `FOLDS`.
        y: (M, D), M at least `FOLDS`.
        rng: draws the samples of the larger set and the folds.

    Returns:
        In [0, 1]: .5 (give or take noise) the sets cannot be told apart, 1 they are separated without error. It
        cannot rank sets that are all at 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    first, second = check.rows("x", x, least=FOLDS), check.rows("y", y, least=FOLDS)
    _same_width("y", second, "x", first)
    rng = check.generator("rng", rng)
    size = min(len(first), len(second))
    kept = [rows[rng.permutation(len(rows))[:size]] for rows in (first, second)]
    values, side = np.concatenate(kept), np.repeat([0, 1], size)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    scores = []
    for train, test in splitter.split(values, side):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_ITERATIONS))
        model.fit(values[train], side[train])
        scores.append(roc_auc_score(side[test], model.decision_function(values[test])))
    return float(np.mean(scores))


def knn_distance(x: ArrayLike, bank: ArrayLike, k: int) -> FloatArray:
    """Distance of each feature to its k-th nearest neighbour in a bank, both scaled to length 1 (Sun et al. 2022).

    It depends on the size of the bank: a denser one is nearer to everything. Compare sets against one bank.

    Args:
        x: (N, D), no row of zeros.
        bank: (M, D), no row of zeros, and without the rows of x: an image is at distance 0 from itself.
        k: in [1, M].

    Returns:
        (N,) in [0, 2]: 0 the k nearest point the same way, √2 at right angles, 2 the opposite way.
    """
    queries, known = check.unit_rows("x", x), check.unit_rows("bank", bank)
    _same_width("bank", known, "x", queries)
    k = check.whole("k", k, 1, len(known))
    step = max(1, CHUNK // len(known))
    cosines = [
        np.partition(queries[start : start + step] @ known.T, len(known) - k, axis=1)[:, len(known) - k]
        for start in range(0, len(queries), step)
    ]
    return np.sqrt(np.maximum(0.0, 2 - 2 * np.concatenate(cosines)))


def generalization_gap(similar: Sequence[Bootstrapped], different: Sequence[Bootstrapped]) -> Interval:
    """Mean accuracy on sets different from the source minus mean accuracy on sets similar to it, one encoder.

    Each set weighs the same. The interval is a percentile bootstrap over the samples within each set: the sets are
    taken as given, so it says nothing about other sets. Sets differ in difficulty and number of classes, so a gap
    alone is no loss; the gaps of two encoders on the same sets can be compared.

    Args:
        similar: accuracy on each similar set, with draws that are independent between sets.
        different: the same for each different set.

    Returns:
        In [−1, 1]; negative: less accurate far from the source.
    """
    return (mean_of(different) - mean_of(similar)).percentile()


def advantage(
    first: ArrayLike,
    second: ArrayLike,
    counts: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    draws: int = 2000,
    rng: np.random.Generator,
) -> Interval:
    """How much more accurate the second encoder is on a data set than the first, with a paired interval.

    Mean of the differences sample by sample, and a percentile bootstrap that draws a sample once for both encoders.

    Args:
        first: (A,) how right the first encoder is on a kind of sample: 0 or 1, or a mean over seeds.
        second: (A,) the same for the second.
        counts: (A,) how many samples are so.
        labels: (A,) class of the samples when accuracy is the mean over classes.

    Returns:
        In [−1, 1]; positive: the second is ahead.
    """
    one, other = check.floats("first", first, "(A,)"), check.floats("second", second, "(A,)")
    check.same_shape("second", other, "first", one)
    gap = other - one
    drawn = counted_accuracy_draws(gap, counts, labels, draws=draws, rng=rng)
    return Bootstrapped(counted_accuracy(gap, counts, labels), drawn).percentile()


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's rank correlation and what chance makes of it.

    Attributes:
        rho: in [−1, 1]; nan when one side has a single value.
        p: two-sided, in (0, 1]; nan with rho.
        exact: whether p is from all permutations, or from a random draw of them.
    """

    rho: float
    p: float
    exact: bool


def rank_correlation(x: ArrayLike, y: ArrayLike, *, rng: np.random.Generator) -> RankCorrelation:
    """Whether two figures rise together over a handful of sets: Spearman's ρ with its permutation p.

    p is twice the share of the pairings of x with y whose ρ is at least as extreme on the smaller side, at most 1:
    over all pairings of up to 8 sets, over 50,000 random ones beyond. No normality and no large sample is assumed.

    Args:
        x: (N,), N at least 3.
        y: (N,).
        rng: draws the pairings when there are too many.
    """
    from scipy import stats  # half a second that the first page should not wait for

    one, other = check.floats("x", x, "(N,)"), check.floats("y", y, "(N,)")
    check.same_shape("y", other, "x", one)
    if len(one) < 3:
        raise check.bad("x", "at least 3 values", f"shape {one.shape}")
    rng = check.generator("rng", rng)
    ranks, fixed = stats.rankdata(one), stats.rankdata(other) - (len(other) + 1) / 2
    if not np.ptp(ranks) or not np.ptp(fixed):
        return RankCorrelation(float("nan"), float("nan"), True)
    centred = ranks - ranks.mean()
    scale = np.sqrt((centred @ centred) * (fixed @ fixed))

    def rho(first: FloatArray, axis: int = -1) -> FloatArray:
        return np.asarray(np.moveaxis(first, axis, -1) @ fixed / scale)

    found = stats.permutation_test(
        (centred,), rho, permutation_type="pairings", vectorized=True, n_resamples=PERMUTATIONS, rng=rng
    )
    exact = len(found.null_distribution) < PERMUTATIONS
    return RankCorrelation(float(found.statistic), float(found.pvalue), exact)


def _same_width(name: str, value: FloatArray, other_name: str, other: FloatArray) -> None:
    if value.shape[1] != other.shape[1]:
        raise check.bad(name, f"{other.shape[1]} columns as in {other_name}", f"shape {value.shape}")
