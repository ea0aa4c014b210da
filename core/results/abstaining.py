"""Tables of charts about confidence: reliability, confidence by outcome, risk over coverage, and a threshold."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.errors import InvalidRequest
from core.metrics.accuracy import wilson_interval
from core.metrics.calibration import bin_index, consistency_band, reliability_bins
from core.metrics.selective import answered_from, risk_at_coverage
from core.results.info import StudyInfo
from core.results.measures import BINS, Ranked
from core.results.reading import Results

Answers = Mapping[str, Sequence[Ranked]]
"""Of some contenders by id, one ranking a seed."""

THRESHOLDS = np.arange(101) / 100
FINE = 20  # bins of confidence by outcome
COVERAGES = np.arange(1, 201) / 200
RELIABILITY = (
    *("encoder", "bin", "lower", "upper", "count", "confidence", "accuracy", "low", "high"),
    *("perfect_low", "perfect_high"),
)
OUTCOMES = ("encoder", "outcome", "lower", "upper", "count", "share", "mean", "median")
RISKS = ("encoder", "coverage", "risk", "low", "high")
ANSWERED = ("encoder", "threshold", "coverage", "accuracy", "answered", "right", "wrong")

KINDS = {
    "confident mistakes": ("confidence >= $threshold AND prediction <> label", "confidence DESC"),
    "answered and right": ("confidence >= $threshold AND prediction = label", "confidence"),
    "withheld though right": ("confidence < $threshold AND prediction = label", "confidence DESC"),
    "withheld mistakes": ("confidence < $threshold AND prediction <> label", "confidence DESC"),
}
"""What a threshold does to a sample: condition, and which samples come first."""


def reliability(found: Answers, units: int, scheme: str = "width") -> pd.DataFrame:
    """The bins of reliability diagrams; the answers of all seeds in one diagram a contender.

    Args:
        found: answers whose `unit` is below `units`.
        units: how many samples (few-shot: episodes) there are.
        scheme: bins of equal `width` or `mass`.

    Returns:
        One row a contender and filled bin: encoder, bin, lower, upper, count, confidence and accuracy (means),
        low and high (95 % Wilson interval of the accuracy), perfect_low and perfect_high (`consistency_band`).
        `count` is of answers; both intervals count a sample (few-shot: an episode) once, however many of its answers
        are in the bin.
    """
    rows = []
    for id, seeds in found.items():
        sure, right, unit = (np.concatenate([getattr(s, n) for s in seeds]) for n in ("confidence", "correct", "unit"))
        table = reliability_bins(sure, right, BINS, scheme)
        index, _ = bin_index(sure, BINS, scheme)
        once = np.unique(index * units + unit) // units
        sizes = np.bincount(once, minlength=len(table.count))
        for b in np.flatnonzero(table.count):
            size, mean, accuracy = int(sizes[b]), float(table.confidence[b]), float(table.accuracy[b])
            wilson = wilson_interval(round(accuracy * size), size)
            # Rounding to whole samples may move the interval past the mean of several seeds.
            limits = min(wilson.low, accuracy), max(wilson.high, accuracy)
            bin = (int(b), table.lower[b], table.upper[b], int(table.count[b]))
            rows.append((id, *bin, mean, accuracy, *limits, *consistency_band(mean, size)))
    return pd.DataFrame(rows, columns=list(RELIABILITY))


def outcomes(found: Answers) -> pd.DataFrame:
    """How confidence is distributed over right and over wrong answers, all seeds together.

    Returns:
        One row a contender, outcome (`right`, `wrong`) and bin of confidence: encoder, outcome, lower, upper, count,
        share (of that outcome's answers, sums to 1), mean and median (of that outcome). No rows for an outcome that
        never occurs.
    """
    rows = []
    edges = np.arange(FINE + 1) / FINE
    for id, seeds in found.items():
        sure, right = (np.concatenate([getattr(seed, name) for seed in seeds]) for name in ("confidence", "correct"))
        for outcome, mine in (("right", sure[right]), ("wrong", sure[~right])):
            if len(mine):
                counts = np.bincount(bin_index(mine, FINE, "width")[0], minlength=FINE)
                facts = float(mine.mean()), float(np.median(mine))
                rows += [
                    (id, outcome, edges[b], edges[b + 1], int(count), count / len(mine), *facts)
                    for b, count in enumerate(counts)
                ]
    return pd.DataFrame(rows, columns=list(OUTCOMES))


def risks(found: Answers) -> pd.DataFrame:
    """Risk over coverage, drawn at 200 coverages.

    Returns:
        encoder, coverage in (0, 1], risk (mean over seeds), low and high (range over seeds; equal for one).
    """
    tables = []
    for id, seeds in found.items():
        stack = np.stack([risk_at_coverage(seed.confidence, seed.correct, COVERAGES) for seed in seeds])
        values = (id, COVERAGES, stack.mean(axis=0), stack.min(axis=0), stack.max(axis=0))
        tables.append(pd.DataFrame(dict(zip(RISKS, values, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(RISKS))


def answered(found: Answers) -> pd.DataFrame:
    """What answering only from a confidence on gives, at every hundredth.

    Returns:
        encoder, threshold, coverage (share of samples answered), accuracy (of these; nan when there are none),
        answered, right and wrong (numbers of answers a seed), each the mean over seeds.
    """
    tables = []
    for id, seeds in found.items():
        counts = [np.stack(answered_from(seed.confidence, seed.correct, THRESHOLDS)) for seed in seeds]
        total, right = np.mean(counts, axis=0)
        accuracy = np.divide(right, total, out=np.full_like(total, np.nan), where=total > 0)
        values = (id, THRESHOLDS, total / total[0], accuracy, total, right, total - right)
        tables.append(pd.DataFrame(dict(zip(ANSWERED, values, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(ANSWERED))


def at_threshold(
    info: StudyInfo,
    protocol: str,
    encoder: str,
    dataset: str,
    scaled: bool,
    threshold: float,
    kind: str,
    limit: int = 12,
) -> pd.DataFrame:
    """The samples next to a threshold, or furthest past it, of one contender: its first answers, under the lowest seed.

    Args:
        scaled: whether confidence is after temperature.
        threshold: in [0, 1].
        kind: a key of `KINDS`.

    Returns:
        sample_id, label, prediction, confidence, and total: how many there are in all.

    Raises:
        DataUnavailable: a file is missing or damaged.
        InvalidRequest: no such kind.
    """
    if kind not in KINDS:
        raise InvalidRequest(f"There are no samples '{kind}'. Known: {', '.join(KINDS)}.")
    condition, order = KINDS[kind]
    sure = "calibrated_confidence" if scaled else "confidence"
    with Results(info, protocol, (encoder,), (dataset,)) as results:
        return results.frame(
            f"""
            SELECT sample_id, label, prediction, confidence, count(*) OVER () AS total FROM (
                SELECT sample_id, label, prediction, {sure} AS confidence FROM rows
                WHERE seed = (SELECT min(seed) FROM rows)
                QUALIFY episode IS NULL OR row_number() OVER (PARTITION BY sample_id ORDER BY episode) = 1
            ) WHERE {condition} ORDER BY {order}, sample_id LIMIT {int(limit)}
            """,
            {"threshold": float(np.float32(threshold))},
        )
