"""Whether two contenders answer the same, and fail on the same samples."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.accuracy import error_consistency
from core.metrics.interval import Interval
from core.metrics.resampling import Bootstrapped, resampled_counts
from core.results import pairs
from core.results.info import StudyInfo


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two contenders' answers go together.

    Attributes:
        samples: that both answered.
        kappa: error consistency with its 95 % interval, in [−1, 1]; nan where it is undefined.
        same: share of samples with the same prediction, in [0, 1].
    """

    samples: int
    kappa: Interval
    same: float


def agreement(info: StudyInfo, protocol: str, first: str, second: str, dataset: str) -> tuple[pd.DataFrame, Agreement]:
    """The 2 × 2 of `pairs.confusion_2x2`, and what follows from it: do two contenders fail on the same samples?

    Raises:
        DataUnavailable: neither has a finished cell on this data set, or a file is missing or damaged.
        InvalidRequest: first and second are the same.
    """
    table = pairs.confusion_2x2(info, protocol, first, second, dataset)
    counts = table["samples"].to_numpy(np.int64)
    alike = pairs.samples(info, protocol, first, second, dataset, disagree=False, limit=1)
    total = int(counts.sum())
    same = float(alike["total"].iloc[0]) / total if len(alike) else 0.0
    return table, Agreement(total, consistency(counts), same if total else float("nan"))


def consistency(counts: NDArray[np.int64]) -> Interval:
    """`error_consistency` of the (4,) counts of `pairs.CELLS`, with a percentile bootstrap over samples."""
    value = float(error_consistency(counts))
    if np.isnan(value):
        return Interval(value, value, value)
    drawn = resampled_counts(counts, rng=np.random.default_rng(0))
    return Bootstrapped(value, error_consistency(drawn)).percentile()
