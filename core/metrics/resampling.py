"""The bootstrap that every interval comes from: paired by construction, and fast for any number of samples.

Rows of one unit (a test image under several seeds, the queries of one few-shot episode) are drawn together, and one
set of draws serves all columns that are compared. A draw costs little however many samples there are, in either of
two ways: `resamples` deals units to blocks and draws blocks, for figures that follow from sums over rows; of samples
that are counted by their few distinct values, `resampled_counts` draws how often each value occurs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray, IntArray
from core.metrics.interval import LEVEL, Interval

BLOCKS = 2000


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

    def means(self, values: FloatArray, among: BoolArray) -> FloatArray:
        """(draws, …) mean over the units of each draw, of those `among` alone: of `mean`, for many columns at once.

        Args:
            values: (U, …) by unit; what is not among may be nan.
            among: bool, as `values` or to be spread over them.
        """
        kept = np.broadcast_to(among, values.shape).reshape(len(values), -1)
        order = np.argsort(self.block, kind="stable")
        first = np.searchsorted(self.block[order], np.arange(self.weights.shape[1]))

        def drawn(columns: FloatArray) -> FloatArray:
            return self.weights @ np.add.reduceat(columns[order], first, axis=0)

        total = drawn(np.where(kept, values.reshape(kept.shape), 0.0))
        count = drawn((kept if not kept.all() else kept[:, :1]).astype(np.float64)) + np.zeros_like(total)
        found = np.divide(total, count, out=np.full_like(count, np.nan), where=count > 0)
        return found.reshape(len(found), *values.shape[1:])

    def total(self, unit: IntArray) -> FloatArray:
        """(draws,) number of rows in each draw."""
        return self.weights @ np.bincount(self.block[unit], minlength=self.weights.shape[1]).astype(np.float64)

    def mean(self, unit: IntArray, values: ArrayLike, among: ArrayLike | None = None) -> FloatArray:
        """(draws,) mean of (N,) values over each draw's rows, or over those `among` (N,) bool.

        nan in a draw without any, and throughout when a value is infinite: whether it is drawn decides everything.
        """
        one = np.zeros(len(unit), dtype=np.int64)
        if not np.isfinite(values).all():
            return np.full(len(self.weights), np.nan)
        if among is None:
            return self.sums(unit, one, 1, values)[:, 0] / self.total(unit)
        kept = np.asarray(among, dtype=np.float64)
        count = self.sums(unit, one, 1, kept)[:, 0]
        total = self.sums(unit, one, 1, kept * np.asarray(values, dtype=np.float64))[:, 0]
        return np.divide(total, count, out=np.full_like(count, np.nan), where=count > 0)


def resamples(units: int, draws: int = 1000, *, rng: np.random.Generator, like: Resamples | None = None) -> Resamples:
    """Draws with replacement from `units` units.

    More units than `BLOCKS` are first dealt to that many blocks at random: the variance of a sum is the same on
    average, and a draw costs no more for five million rows than for two thousand.

    Args:
        units: U, at least 1.
        rng: source of the draws; its seed makes every interval repeatable.
        like: draws of another population, which need be independent of these. Of two large ones the second takes the
            first's draws of blocks in an order of its own, which is quicker than as many random numbers.
    """
    units, draws = check.whole("units", units, 1), check.whole("draws", draws, 1)
    rng = check.generator("rng", rng)
    blocks = min(units, BLOCKS)
    block = np.arange(units) if units <= BLOCKS else rng.permutation(units) % blocks
    if like is not None and units > BLOCKS and like.weights.shape == (draws, blocks):
        return Resamples(block, like.weights[rng.permutation(draws)])
    drawn = rng.integers(blocks, size=(draws, blocks)) + blocks * np.arange(draws)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=draws * blocks).reshape(draws, blocks)
    return Resamples(block, weights.astype(np.float64))


def resampled_counts(counts: ArrayLike, draws: int = 2000, *, rng: np.random.Generator) -> IntArray:
    """(draws, A) how often each of A kinds of samples occurs when as many samples are drawn anew with replacement.

    That number is multinomial, so a draw costs the number of kinds and not of samples (Efron 1979, section 3).

    Args:
        counts: (A,) how many samples are of each kind; at least one in all.
    """
    sizes = check.labels("counts", counts)
    total = int(sizes.sum())
    if total < 1:
        raise check.bad("counts", "at least one sample", "none")
    return check.generator("rng", rng).multinomial(total, sizes / total, size=check.whole("draws", draws, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrapped:
    """A figure of the whole sample, and of each resample.

    Attributes:
        value: of the whole sample.
        draws: (draws,) of the resamples; nan where it is undefined.
    """

    value: float
    draws: FloatArray

    def __sub__(self, other: Self) -> Self:
        """The difference, paired when both come from the same resamples."""
        return type(self)(self.value - other.value, self.draws - other.draws)

    def percentile(self, level: float = LEVEL) -> Interval:
        """The percentile interval: quantiles of the draws (Efron 1979).

        Draws without a figure are left out; when they are more than one tail holds, the limits are unknown and nan.
        """
        limits = self._quantiles(level)
        return Interval(self.value, *(limits or (float("nan"), float("nan"))))

    def basic(self, low: float = -np.inf, high: float = np.inf) -> Interval:
        """The basic interval, 2·value − quantiles of the draws, kept within what is possible.

        An expected calibration error is biased upwards in small samples, and more so in resamples of them: the
        percentile interval of a perfectly calibrated model lies above its own estimate. Reflecting the draws about
        the estimate takes that bias out (Davison & Hinkley 1997, section 5.2). Where the bias exceeds the noise the
        limits would leave the estimate outside; the nearer one is then the estimate itself.

        Args:
            level: in (0, 1).
            low: smallest possible value.
            high: largest possible value.
        """
        limits = self._quantiles(LEVEL)
        if limits is None:
            return Interval(self.value, float("nan"), float("nan"))
        ends = np.clip([2 * self.value - limits[1], 2 * self.value - limits[0]], low, high)
        return Interval(self.value, float(min(ends[0], self.value)), float(max(ends[1], self.value)))

    def _quantiles(self, level: float) -> tuple[float, float] | None:
        """The ends of the middle `level` of the draws; None when too many are undefined."""
        tail = (1 - check.number("level", level, 0, 1, inside=True)) / 2
        defined = self.draws[~np.isnan(self.draws)]
        if not np.isfinite(self.value) or len(self.draws) - len(defined) > tail * len(self.draws):
            return None
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)


def mean_of(figures: Sequence[Bootstrapped]) -> Bootstrapped:
    """The mean of some figures, such as those of several seeds, or of several data sets."""
    if not figures:
        raise check.bad("figures", "at least one", "none")
    return Bootstrapped(
        float(np.mean([figure.value for figure in figures])), np.mean([figure.draws for figure in figures], axis=0)
    )
