"""Tables of charts about confidence: reliability, confidence by outcome, risk over coverage, and a threshold."""

import numpy as np
import pandas as pd
from scipy import stats

from core import metrics
from core.errors import InvalidRequest
from core.results.calibration import BINS, Answers, Run
from core.results.store import Results, StudyInfo

THRESHOLDS = np.arange(101) / 100
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


def reliability(found: Answers, scheme: str = "width", bins: int = BINS) -> pd.DataFrame:
    """The bins of reliability diagrams; the answers of all seeds in one diagram a contender.

    Returns:
        One row a contender and filled bin: encoder, bin, lower, upper, count, confidence and accuracy (means),
        low and high (95 % Wilson interval of the accuracy), perfect_low and perfect_high (where 95 % of accuracies
        would lie if the confidence were the chance of being right). `count` is of answers; both intervals count a
        sample (few-shot: an episode) once, however many of its answers are in the bin.
    """
    rows = []
    for id, runs in found.runs.items():
        sure, right, unit = (
            np.concatenate([getattr(run, n) for run in runs]) for n in ("confidence", "correct", "unit")
        )
        table = metrics.reliability_bins(sure, right, bins, scheme)
        index, _ = metrics.bin_index(sure, bins, scheme)
        once = np.unique(index * found.units + unit) // found.units
        units = np.bincount(once, minlength=len(table.count))
        for b in np.flatnonzero(table.count):
            size, accuracy = int(units[b]), float(table.accuracy[b])
            wilson = metrics.wilson_interval(round(accuracy * size), size)
            band = stats.binom.ppf([0.025, 0.975], size, min(float(table.confidence[b]), 1.0)) / size
            values = (id, int(b), table.lower[b], table.upper[b], int(table.count[b]), table.confidence[b], accuracy)
            # Rounding to whole samples may move the interval past the mean of several seeds.
            low, high = min(wilson.low, accuracy), max(wilson.high, accuracy)
            rows.append(dict(zip(RELIABILITY, (*values, low, high, *band), strict=True)))
    return pd.DataFrame(rows, columns=list(RELIABILITY))


def outcomes(found: Answers, bins: int = 20) -> pd.DataFrame:
    """How confidence is distributed over right and over wrong answers, all seeds together.

    Returns:
        One row a contender, outcome (`right`, `wrong`) and bin of confidence: encoder, outcome, lower, upper, count,
        share (of that outcome's answers, sums to 1), mean and median (of that outcome). No rows for an outcome that
        never occurs.
    """
    rows = []
    edges = np.arange(bins + 1) / bins
    for id, runs in found.runs.items():
        sure, right = (np.concatenate([getattr(run, name) for run in runs]) for name in ("confidence", "correct"))
        for outcome, chosen in (("right", right), ("wrong", ~right)):
            mine = sure[chosen]
            if not len(mine):
                continue
            index, _ = metrics.bin_index(mine, bins, "width")
            counts = np.bincount(index, minlength=bins)
            facts = float(mine.mean()), float(np.median(mine))
            for b, count in enumerate(counts):
                values = (id, outcome, edges[b], edges[b + 1], int(count), count / len(mine), *facts)
                rows.append(dict(zip(OUTCOMES, values, strict=True)))
    return pd.DataFrame(rows, columns=list(OUTCOMES))


def risks(found: Answers) -> pd.DataFrame:
    """Risk over coverage, drawn at 200 coverages.

    Returns:
        encoder, coverage in (0, 1], risk (mean over seeds), low and high (range over seeds; equal for one).
    """
    tables = []
    for id, runs in found.runs.items():
        curves = []
        for run in runs:
            curve = metrics.risk_coverage(run.confidence, run.correct)
            # The fewest surest samples that reach a coverage, as in `risk_at_coverage`.
            at = np.ceil(COVERAGES * len(curve.risk) - 1e-9).astype(int) - 1
            curves.append(curve.risk[np.maximum(at, 0)])
        stack = np.stack(curves)
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
    for id, runs in found.runs.items():
        counts = np.mean([_from_threshold(run) for run in runs], axis=0)
        total, right = counts[0], counts[1]
        accuracy = np.divide(right, total, out=np.full_like(total, np.nan), where=total > 0)
        values = (id, THRESHOLDS, total / total[0], accuracy, total, right, total - right)
        tables.append(pd.DataFrame(dict(zip(ANSWERED, values, strict=True))))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(ANSWERED))


def _from_threshold(run: Run) -> np.ndarray:
    """(2, thresholds) answers, and right answers, with at least each threshold of confidence."""
    return np.stack([_at_least(run.confidence), _at_least(run.confidence[run.correct])])


def _at_least(confidence: np.ndarray) -> np.ndarray:
    # Stored in single precision: a confidence of .9f is below the double .9, and nobody means to leave it out.
    ranked = np.sort(confidence.astype(np.float32))
    return (len(ranked) - np.searchsorted(ranked, THRESHOLDS.astype(np.float32), "left")).astype(np.float64)


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
        info: the study.
        protocol: id.
        encoder: id.
        dataset: id.
        scaled: whether confidence is after temperature.
        threshold: in [0, 1].
        kind: a key of `KINDS`.
        limit: rows at most.

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
