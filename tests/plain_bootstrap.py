"""The bootstrap as it is defined, row by row and slow: what `core.metrics.resampling` must agree with."""

from collections.abc import Callable

import numpy as np

from core.metrics.interval import Interval


def plain_bootstrap(
    statistic: Callable[..., float], *columns: np.ndarray, draws: int = 2000, rng: np.random.Generator
) -> Interval:
    """95 % percentile interval of a statistic of columns whose rows are drawn together."""
    size = len(columns[0])
    picks = (rng.integers(size, size=size) for _ in range(draws))
    sampled = [statistic(*(np.asarray(column)[pick] for column in columns)) for pick in picks]
    return Interval(float(statistic(*columns)), *(float(q) for q in np.nanquantile(sampled, [0.025, 0.975])))
