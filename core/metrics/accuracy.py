"""How often encoders are right, and whether a difference between two of them is more than noise."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import FloatArray, IntArray
from core.metrics.interval import Interval
from core.metrics.resampling import resampled_counts


def top_k_accuracy(probabilities: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Share of samples whose label is among the k largest probabilities.

    Of equal probabilities the lower class index ranks first, so k = 1 agrees with `argmax`.

    Args:
        probabilities: (N, K); only their order counts, so logits do as well.
        labels: (N,) integers in [0, K).
        k: in [1, K].

    Returns:
        In [0, 1], higher is better; chance is k / K, and 1 at k = K.
    """
    scores = check.floats("probabilities", probabilities, "(N, K)")
    truth = check.labels("labels", labels, *scores.shape)
    k = check.whole("k", k, 1, scores.shape[1])
    return float(np.mean(_rank_of_label(scores, truth) < k))


def counted_accuracy(values: ArrayLike, counts: ArrayLike, labels: ArrayLike | None = None) -> float:
    """Accuracy of samples that are counted by how right they are: averaged over S seeds there are S + 1 such values.

    Args:
        values: (A,) how right a sample is, in [0, 1]; or any other value of a sample, such as a difference.
        counts: (A,) how many samples have it.
        labels: (A,) class of the samples, for the mean of the classes' means; None for the mean over samples.

    Returns:
        Mean over the samples, or `mean_class_accuracy`.
    """
    data, sizes = _counted(values, counts)
    if labels is None:
        return float(sizes @ data / sizes.sum())
    return float(mean_class_accuracy(data, labels, sizes))


def counted_accuracy_draws(
    values: ArrayLike,
    counts: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    draws: int = 2000,
    rng: np.random.Generator,
) -> FloatArray:
    """(draws,) bootstrap draws over samples of what `counted_accuracy` gives."""
    data, sizes = _counted(values, counts)
    if labels is not None:
        return mean_class_accuracy(data, labels, resampled_counts(sizes, draws, rng=rng))
    # Fewer values, fewer random numbers: the classes do not matter here.
    data, merged = np.unique(data, return_inverse=True)
    sizes = np.bincount(merged, weights=sizes).astype(np.int64)
    return resampled_counts(sizes, draws, rng=rng) @ data / sizes.sum()


def mean_class_accuracy(values: ArrayLike, labels: ArrayLike, counts: ArrayLike) -> FloatArray:
    """Mean over the classes present of the share of each class that is right.

    Unlike top-1 accuracy it is not ruled by the most frequent classes: the customary figure for Aircraft,
    Caltech-101, Flowers and Pets.

    Args:
        values: (A,) how right a sample is, in [0, 1].
        labels: (A,) its class.
        counts: (…, A) how many samples of that class are so. Classes without samples are left out.

    Returns:
        (…) in [0, 1], higher is better; chance is 1 / K.
    """
    data = check.floats("values", values, "(A,)")
    truth, sizes = check.labels("labels", labels, len(data)), check.floats("counts", counts, "(…, A)")
    if sizes.shape[-1] != len(data):
        raise check.bad("counts", f"shape (…, {len(data)})", f"shape {sizes.shape}")
    order = np.argsort(truth, kind="stable")
    starts = np.flatnonzero(np.diff(truth[order], prepend=truth.min() - 1))
    total = np.add.reduceat(sizes[..., order], starts, axis=-1)
    hits = np.add.reduceat((sizes * data)[..., order], starts, axis=-1)
    shares = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
    return np.asarray(shares.sum(axis=-1) / np.count_nonzero(total, axis=-1))


def _counted(values: ArrayLike, counts: ArrayLike) -> tuple[FloatArray, IntArray]:
    data = check.floats("values", values, "(A,)")
    sizes = check.labels("counts", counts, len(data))
    if sizes.min() < 0 or not sizes.any():
        raise check.bad("counts", "at least one sample", f"{int(sizes.sum())}")
    return data, sizes


def _rank_of_label(scores: FloatArray, labels: np.ndarray) -> np.ndarray:
    """(N,) number of classes that come before the label when sorted by score."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    return np.count_nonzero((scores > own) | ((scores == own) & before), axis=1)


def wilson_interval(successes: int, total: int, level: float = 0.95) -> Interval:
    """A proportion with its Wilson score interval.

    Centre (p + z²/2n) / (1 + z²/n), half-width z √(p(1 − p)/n + z²/4n²) / (1 + z²/n); it stays within [0, 1] and
    keeps its width at p = 0 and p = 1, where the normal interval collapses (Wilson 1927).

    Args:
        successes: in [0, total].
        total: at least 1.
        level: confidence level in (0, 1).
    """
    total = check.whole("total", total, 1)
    successes = check.whole("successes", successes, 0, total)
    z = float(special.ndtri(0.5 + check.number("level", level, 0, 1, inside=True) / 2))
    p, shrink = successes / total, 1 + z * z / total
    centre = (p + z * z / (2 * total)) / shrink
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / shrink
    # At the ends one limit equals p in exact arithmetic; rounding must not push it past.
    return Interval(
        p, 0.0 if successes == 0 else float(centre - half), 1.0 if successes == total else float(centre + half)
    )


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value of McNemar's test that two models are right equally often.

    p = min(1, 2 · BinomCDF(min(b, c); b + c, ½)) with b, c the samples that exactly one model gets right
    (McNemar 1947); samples on which both agree carry no evidence. 1.0 when b = c = 0.

    Args:
        only_a: number of samples that only the first model gets right.
        only_b: number of samples that only the second gets right.

    Returns:
        In (0, 1]; lower is stronger evidence of a difference.
    """
    only_a, only_b = check.whole("only_a", only_a, 0), check.whole("only_b", only_b, 0)
    if only_a + only_b == 0:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def holm(p_values: ArrayLike) -> FloatArray:
    """Holm step-down adjusted p-values, in the order given.

    The i-th smallest of m becomes max over j ≤ i of min(1, (m − j + 1) p_(j)): rejecting below α keeps the chance of
    any false rejection below α, whatever the dependence (Holm 1979).

    Args:
        p_values: (m,) in [0, 1].

    Returns:
        (m,) in [0, 1], none smaller than its p-value.
    """
    raw = check.units("p_values", p_values, "(m,)")
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, raw[order] * np.arange(len(raw), 0, -1)))
    return adjusted


def error_consistency(two_by_two: ArrayLike) -> FloatArray:
    """Cohen's kappa of two models' correctness: do they err on the same samples more than their accuracies imply?

    (o − e) / (1 − e) with o the share of samples on which both are right or both wrong and
    e = p_a p_b + (1 − p_a)(1 − p_b) (Geirhos et al. 2020).

    Args:
        two_by_two: (…, 4) how many samples both get right, only the first, only the second, neither.

    Returns:
        (…) in [−1, 1]: 1 the same errors, 0 what independent models give, below 0 complementary; neither direction is
        better. nan without samples, and when both are always right or both always wrong, since then e = 1.
    """
    counts = check.floats("two_by_two", two_by_two, "(…, 4)")
    if counts.shape[-1] != 4:
        raise check.bad("two_by_two", "shape (…, 4)", f"shape {counts.shape}")
    total = counts.sum(axis=-1, keepdims=True)
    both, first, second, neither = np.moveaxis(
        np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0), -1, 0
    )
    a, b = both + first, both + second
    expected = a * b + (1 - a) * (1 - b)
    room = 1 - expected
    return np.divide(both + neither - expected, room, out=np.full_like(room, np.nan), where=room > 1e-12)
