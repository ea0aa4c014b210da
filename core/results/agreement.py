"""Do two contenders fail on the same samples? From the counts of their 2 × 2 of right and wrong."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.metrics.accuracy import Interval
from core.results import pairs
from core.results.pairs import CELLS
from core.results.store import StudyInfo

DRAWS = 2000


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
    """The 2 × 2 of `pairs.confusion_2x2`, and what follows from it.

    Raises:
        DataUnavailable: neither has a finished cell on this data set, or a file is missing or damaged.
        InvalidRequest: first and second are the same.
    """
    table = pairs.confusion_2x2(info, protocol, first, second, dataset)
    counts = dict(zip(table["cell"], (int(n) for n in table["samples"]), strict=True))
    alike = pairs.samples(info, protocol, first, second, dataset, disagree=False, limit=1)
    total = sum(counts.values())
    same = float(alike["total"].iloc[0]) / total if len(alike) else 0.0
    return table, Agreement(total, error_consistency(counts), same if total else float("nan"))


def sentence(counts: dict[str, int], tested: pd.Series, sets: int, first: str, second: str) -> str:
    """What the 2 × 2 says, for people: how often one alone is right, and whether that favours either.

    Args:
        counts: samples by cell.
        tested: the row of `pairs.paired` for this data set.
        sets: over how many data sets its p is adjusted.
        first: name of the first contender.
        second: name of the second.
    """
    said = (
        f"{second} alone is right on {counts['only second']:,}, {first} alone on {counts['only first']:,} of "
        f"{sum(counts.values()):,} images: "
    )
    p = float(tested["p_holm"])
    chance = "p < .001" if p < 0.001 else f"p = {p:.3f}"
    over = f"{chance}, adjusted for {sets} data sets" if sets > 1 else chance
    ahead = {"first ahead": f"{first} is ahead", "second ahead": f"{second} is ahead"}
    return f"{said}{ahead.get(str(tested['verdict']), str(tested['verdict']))} ({over})"


def error_consistency(counts: dict[str, int]) -> Interval:
    """Cohen's kappa of correctness (Geirhos et al. 2020) with a percentile bootstrap over samples.

    Args:
        counts: samples by cell of `CELLS`.

    Returns:
        In [−1, 1]; nan where it is undefined (no samples, or both always right or both always wrong).
    """
    cells = np.array([counts[cell] for cell in CELLS], dtype=np.int64)
    total = int(cells.sum())
    if total == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(0).multinomial(total, cells / total, size=DRAWS)
    draws = _kappa(drawn / total)
    estimate = float(_kappa(cells[None] / total)[0])
    defined = draws[~np.isnan(draws)]
    if np.isnan(estimate) or len(draws) - len(defined) > 0.025 * DRAWS:
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))


def _kappa(shares: np.ndarray) -> np.ndarray:
    """(draws,) from (draws, 4) shares of both, only first, only second, neither."""
    both, first, second, neither = shares.T
    a, b = both + first, both + second
    expected = a * b + (1 - a) * (1 - b)
    room = 1 - expected
    return np.divide(both + neither - expected, room, out=np.full_like(room, np.nan), where=room > 1e-12)
