"""Bootstrap of figures that follow from sums over samples: fast for any number of samples, paired by construction.

Rows of one unit (a test image under several seeds, the queries of one few-shot episode) are drawn together. With more
units than `BLOCKS` they are first dealt to that many blocks at random, and blocks are drawn: the variance of a sum is
the same on average, and a draw costs no more for five million rows than for two thousand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray, IntArray
from core.metrics.accuracy import Interval
from core.metrics.calibration import bin_index

BLOCKS = 2000
CELLS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """How often each block of units is drawn; one object for all columns that are compared is what pairs them.

    Attributes:
        block: (U,) block of each unit.
        weights: (draws, blocks) times a block is drawn; rows sum to the number of blocks.
    """

    block: IntArray
    weights: FloatArray

    def sums(self, unit: IntArray, column: IntArray, columns: int, values: ArrayLike) -> FloatArray:
        """(draws, columns) sums of `values` (N,) by column over each draw's rows, row i being of unit[i]."""
        blocks = self.weights.shape[1]
        at = self.block[unit] * columns + column
        table = np.bincount(at, weights=np.asarray(values, dtype=np.float64), minlength=blocks * columns)
        return self.weights @ table.reshape(blocks, columns)

    def total(self, unit: IntArray) -> FloatArray:
        """(draws,) number of rows in each draw."""
        return self.weights @ np.bincount(self.block[unit], minlength=self.weights.shape[1]).astype(np.float64)


def resamples(units: int, draws: int = 1000, *, rng: np.random.Generator) -> Resamples:
    """Draws with replacement from `units` units.

    Args:
        units: U, at least 1.
        draws: number of resamples.
        rng: source of the draws; its seed makes every interval repeatable.
    """
    units, draws = check.whole("units", units, 1), check.whole("draws", draws, 1)
    rng = check.generator("rng", rng)
    blocks = min(units, BLOCKS)
    block = np.arange(units) if units <= BLOCKS else rng.permutation(units) % blocks
    drawn = rng.integers(blocks, size=(draws, blocks)) + blocks * np.arange(draws)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=draws * blocks).reshape(draws, blocks)
    return Resamples(block, weights.astype(np.float64))


def resampled_mean(drawn: Resamples, unit: IntArray, values: ArrayLike) -> FloatArray:
    """(draws,) mean of (N,) values over each draw's rows."""
    return drawn.sums(unit, np.zeros(len(unit), dtype=np.int64), 1, values)[:, 0] / drawn.total(unit)


def resampled_calibration_error(
    drawn: Resamples, unit: IntArray, confidence: ArrayLike, correct: ArrayLike, bins: int = 15, scheme: str = "width"
) -> FloatArray:
    """(draws,) expected calibration error of each draw, see `calibration_error`.

    Bins of equal mass stay those of the whole sample.

    Args:
        drawn: of `resamples`.
        unit: (N,) unit of each row.
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
        bins: number of bins.
        scheme: "width" or "mass".
    """
    sure, right = _columns(confidence, correct)
    index, size = bin_index(sure, bins, scheme)
    return np.abs(drawn.sums(unit, index, size, sure - right)).sum(axis=1) / drawn.total(unit)


def resampled_ranking(
    drawn: Resamples, unit: IntArray, confidence: ArrayLike, correct: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """(draws,) areas under the risk–coverage curve and (draws,) AUROCs of right against wrong, see `selective`.

    More than `CELLS` distinct confidences are ranked into that many cells of about equal counts; within a cell errors
    are averaged as those of tied samples are. An AUROC is nan in a draw without errors, or with nothing else.

    Args:
        drawn: of `resamples`.
        unit: (N,) unit of each row.
        confidence: (N,) finite.
        correct: (N,) bool.
    """
    sure, right = _columns(confidence, correct)
    count, wrong = _by_cell(drawn, unit, sure, right)
    last, errors = np.cumsum(count, axis=1), np.cumsum(wrong, axis=1)
    first, before = last - count, errors - wrong
    rate = np.divide(wrong, count, out=np.zeros_like(wrong), where=count > 0)
    # Σ over n in a cell of (errors before + rate · (n − first)) / n, with harmonic numbers H(n) = ψ(n + 1) + γ.
    steps = special.digamma(last + 1) - special.digamma(first + 1)
    aurc = (rate * count + (before - rate * first) * steps).sum(axis=1) / last[:, -1]
    hits, total = count - wrong, errors[:, -1]
    pairs = hits.sum(axis=1) * total
    beaten = (hits * (total[:, None] - errors + wrong / 2)).sum(axis=1)
    return aurc, np.divide(beaten, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def basic_interval(
    estimate: float, draws: FloatArray, level: float = 0.95, low: float = -np.inf, high: float = np.inf
) -> Interval:
    """The basic bootstrap interval, 2·estimate − quantiles of the draws, kept within what is possible.

    An expected calibration error is biased upwards in small samples, and more so in resamples of them: the percentile
    interval of a perfectly calibrated model lies above its own estimate. Reflecting the draws about the estimate takes
    that bias out (Davison & Hinkley 1997, section 5.2). Where the bias exceeds the noise the limits would leave the
    estimate outside; the nearer one is then the estimate itself.

    Args:
        estimate: of the whole sample.
        draws: (draws,) of the resamples; nan where undefined. More of those than one tail holds: no limits.
        level: in (0, 1).
        low: smallest possible value.
        high: largest possible value.
    """
    tail = (1 - check.number("level", level, 0, 1, inside=True)) / 2
    defined = draws[~np.isnan(draws)]
    if not np.isfinite(estimate) or len(draws) - len(defined) > tail * len(draws):
        return Interval(estimate, float("nan"), float("nan"))
    lower, upper = np.quantile(defined, [tail, 1 - tail])
    ends = np.clip([2 * estimate - upper, 2 * estimate - lower], low, high)
    return Interval(estimate, float(min(ends[0], estimate)), float(max(ends[1], estimate)))


def _columns(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    sure = check.floats("confidence", confidence, "(N,)")
    return sure, check.flags("correct", correct, sure.shape)


def _by_cell(
    drawn: Resamples, unit: IntArray, confidence: FloatArray, correct: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """(draws, cells) rows and errors by falling confidence."""
    distinct, rank = np.unique(-confidence, return_inverse=True)
    if len(distinct) > CELLS:
        # Equal confidences share the first of their places, so they stay together.
        place = np.concatenate([[0], np.cumsum(np.bincount(rank))[:-1]])[rank]
        _, rank = np.unique(place * CELLS // len(confidence), return_inverse=True)
    cells = int(rank.max()) + 1
    return (
        drawn.sums(unit, rank, cells, np.ones(len(rank))),
        drawn.sums(unit, rank, cells, ~correct),
    )
