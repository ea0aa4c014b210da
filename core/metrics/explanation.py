"""Whether one property of two contenders explains why one of them is right where the other is not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray, IntArray
from core.metrics.interval import Interval
from core.metrics.resampling import Bootstrapped

LEAST = 5
"""Images on either side below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Explained:
    """How well an advantage tells the images that only the second gets right from those that only the first does.

    Attributes:
        auroc: probability that of two such images the former has the larger advantage; ½ says nothing.
        beyond: the same of what is left of the advantage after both clean confidences, and their difference, are
            regressed out.
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
    """

    auroc: Interval
    beyond: Interval
    only_first: int
    only_second: int


def explains(
    first_correct: ArrayLike,
    second_correct: ArrayLike,
    advantage: ArrayLike,
    first_confidence: ArrayLike,
    second_confidence: ArrayLike,
    draws: int = 1000,
    *,
    rng: np.random.Generator,
) -> Explained:
    """Among images that exactly one of two contenders gets right: does the advantage say which?

    Both confidences and their difference are regressed out over all images, ranks on ranks: an image that is easy for a
    network is one on which it is sure and steady at once, and that alone explains nothing. Intervals are percentiles of
    resamples of images.

    Args:
        first_correct: (N,) bool.
        second_correct: (N,) bool.
        advantage: (N,) the second's figure minus the first's, such as its invariance; nan where it is unknown.
        first_confidence: (N,) of the clean image.
        second_confidence: (N,) likewise.

    Returns:
        Figures are nan with fewer than `LEAST` images on a side.
    """
    shift = check.array("advantage", advantage, "(N,)").astype(np.float64)
    one = check.flags("first_correct", first_correct, shift.shape)
    two = check.flags("second_correct", second_correct, shift.shape)
    known = np.isfinite(shift)
    named = {"first_confidence": first_confidence, "second_confidence": second_confidence}
    first, second = (check.floats(name, value, "(N,)") for name, value in named.items())
    # Their difference, too: what an advantage owes to it is no sum of what it owes to either's rank.
    sure = np.stack([first, second, second - first])[:, known]
    one, two, shift = one[known], two[known], shift[known]
    decisive = one != two
    only_second = two[decisive]
    counts = int(np.count_nonzero(~only_second)), int(np.count_nonzero(only_second))
    if min(counts) < LEAST:
        unknown = Interval(float("nan"), float("nan"), float("nan"))
        return Explained(unknown, unknown, *counts)
    values = np.stack([shift, _residual(shift, sure)])[:, decisive]
    picks = check.generator("rng", rng).integers(len(only_second), size=(draws, len(only_second)))
    times = np.bincount((picks + np.arange(draws)[:, None] * len(only_second)).ravel(), minlength=picks.size)
    times = times.reshape(picks.shape)  # how often each image is in each resample
    once = np.ones((1, len(only_second)), np.int64)
    found = []
    for row in values:
        value, again = (_auroc(row, only_second, weights) for weights in (once, times))
        found.append(Bootstrapped(float(value[0]), again).percentile())
    return Explained(found[0], found[1], *counts)


def _residual(values: FloatArray, others: FloatArray) -> FloatArray:
    """What is left of the ranks of (N,) values after a linear fit on the ranks of (M, N) others.

    To six digits: where the others say all, what is left is rounding, and the order of that would pass for a finding.
    """
    from scipy import stats

    design = np.stack([np.ones(len(values)), *(stats.rankdata(row) for row in others)], axis=1)
    ranks = stats.rankdata(values)
    weights, *_ = np.linalg.lstsq(design, ranks, rcond=None)
    return np.asarray(np.round(ranks - design @ weights, 6))


def _auroc(values: FloatArray, positive: BoolArray, times: IntArray) -> FloatArray:
    """(draws,) Mann and Whitney's statistic as a share, ties ½, of (N,) values that count (draws, N) times each.

    nan where a side is empty.
    """
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))  # of each distinct value
    upper, lower = (
        np.add.reduceat(np.where(side, times, 0)[:, order], starts, axis=1) for side in (positive, ~positive)
    )
    won = (upper * (np.cumsum(lower, axis=1) - lower / 2)).sum(axis=1)
    pairs = upper.sum(axis=1) * lower.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(times), np.nan), where=pairs > 0)
