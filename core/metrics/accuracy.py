"""How often encoders are right, and whether a difference between two of them is more than noise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval around it, in the estimate's own unit."""

    estimate: float
    low: float
    high: float


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


def mean_class_accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean over the classes present of the share of each class that is predicted right.

    Unlike top-1 accuracy it is not ruled by the most frequent classes: the customary figure for Aircraft,
    Caltech-101, Flowers and Pets.

    Args:
        probabilities: (N, K); only their order counts.
        labels: (N,) integers in [0, K). Classes without samples are left out.

    Returns:
        In [0, 1], higher is better; chance is 1 / K.
    """
    scores = check.floats("probabilities", probabilities, "(N, K)")
    truth = check.labels("labels", labels, *scores.shape)
    hits = np.bincount(truth, weights=_rank_of_label(scores, truth) == 0)
    count = np.bincount(truth)
    return float(np.mean(hits[count > 0] / count[count > 0]))


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


def paired_bootstrap(
    statistic: Callable[..., float],
    *columns: ArrayLike,
    draws: int = 2000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """A statistic of sample columns with its percentile bootstrap interval (Efron 1979).

    Rows are drawn once per draw for all columns together, so what two models share on a sample cancels in their
    difference. Draws on which the statistic is nan are left out; when they are more than the mass of one tail, the
    limits are unknown and nan.

    Args:
        statistic: called as statistic(*columns), gives a float.
        *columns: arrays of equal length N along their first axis, such as two models' correctness.
        draws: number of resamples.
        level: confidence level in (0, 1).
        rng: source of the resamples; its seed makes the interval repeatable.
    """
    if not columns:
        raise check.bad("columns", "at least one column", "none")
    data: list[np.ndarray] = []
    for position, column in enumerate(columns):
        values = check.array(f"columns[{position}]", column, "(N, …)")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise check.bad(f"columns[{position}]", "finite numbers", "NaN or infinite")
        if data and len(values) != len(data[0]):
            raise check.bad(f"columns[{position}]", f"{len(data[0])} rows as in columns[0]", f"shape {values.shape}")
        data.append(values)
    draws = check.whole("draws", draws, 1)
    tail = (1 - check.number("level", level, 0, 1, inside=True)) / 2
    rng, size = check.generator("rng", rng), len(data[0])
    sampled = np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(size, size=size)
        sampled[draw] = statistic(*(column[chosen] for column in data))
    defined = sampled[~np.isnan(sampled)]
    estimate = float(statistic(*data))
    if draws - len(defined) > tail * draws:
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


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


def error_consistency(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Cohen's kappa of two models' correctness: do they err on the same samples more than their accuracies imply?

    (o − e) / (1 − e) with o the share of samples on which both are right or both wrong and
    e = p_a p_b + (1 − p_a)(1 − p_b) (Geirhos et al. 2020).

    Args:
        correct_a: (N,) bool.
        correct_b: (N,) bool, the same samples in the same order.

    Returns:
        In [−1, 1]: 1 the same errors, 0 what independent models give, below 0 complementary; neither direction is
        better. nan when both are always right or both always wrong, since then e = 1.
    """
    a: BoolArray = check.flags("correct_a", correct_a)
    b: BoolArray = check.flags("correct_b", correct_b, a.shape)
    p_a, p_b, observed = a.mean(), b.mean(), np.mean(a == b)
    expected = p_a * p_b + (1 - p_a) * (1 - p_b)
    return float("nan") if expected == 1 else float((observed - expected) / (1 - expected))
