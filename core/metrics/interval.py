"""An estimate with its interval, and the intervals that follow from a mean and its spread, without resampling."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check

LEVEL = 0.95
Z = 1.96  # standard errors of an interval at that level


class Interval(NamedTuple):
    """An estimate and the interval around it, in the estimate's own unit; unknown limits are nan."""

    estimate: float
    low: float
    high: float

    @property
    def found(self) -> bool:
        """Whether the interval leaves 0 out; not when its limits are unknown."""
        return bool(self.low > 0 or self.high < 0)


def student_interval(values: ArrayLike) -> Interval:
    """Mean of independent values with its 95 % Student interval.

    Args:
        values: (N,) finite, N may be 0.

    Returns:
        nan limits for one value, nan throughout for none.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2:
        return Interval(float(data[0]) if len(data) else float("nan"), float("nan"), float("nan"))
    mean = float(data.mean())
    reach = float(special.stdtrit(len(data) - 1, (1 + LEVEL) / 2) * float(data.std(ddof=1)) / np.sqrt(len(data)))
    return Interval(mean, mean - reach, mean + reach)


def normal_interval(values: ArrayLike) -> Interval:
    """Mean ± 1.96 standard errors, as the literature gives it for few-shot episodes; nan limits for one value.

    Args:
        values: (N,) finite, N at least 1.
    """
    data = check.floats("values", values, "(N,)")
    mean = float(data.mean())
    half = Z * float(data.std(ddof=1)) / np.sqrt(len(data)) if len(data) > 1 else float("nan")
    return Interval(mean, mean - half, mean + half)


def z_test(interval: Interval) -> float:
    """Two-sided p of a mean being 0, from its `normal_interval`; 1.0 when that is unknown."""
    half = interval.high - interval.estimate
    if np.isnan(half) or interval.estimate == 0:
        return 1.0
    return 0.0 if half == 0 else float(2 * special.ndtr(-abs(interval.estimate) / (half / Z)))


def difference_of_means(first: Sequence[Interval], second: Sequence[Interval]) -> Interval:
    """Mean of some estimates minus the mean of others, all independent of each other.

    Their variances add up, each read from the width of its 95 % interval; limits are ± 1.96 standard errors.
    """
    sides = [np.array([(i.estimate, (i.high - i.low) / (2 * Z)) for i in side]) for side in (first, second)]
    estimate = float(sides[0][:, 0].mean() - sides[1][:, 0].mean())
    half = Z * float(np.sqrt(sum((side[:, 1] ** 2).sum() / len(side) ** 2 for side in sides)))
    return Interval(estimate, estimate - half, estimate + half)
