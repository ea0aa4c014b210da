"""What confidence is good for: telling right from wrong, and knowing when to abstain.

Here confidence is any score that ranks samples (softmax maximum, margin, negative energy); only its order counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """A value, and why it is nan when it is."""

    value: float
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """The risk–coverage curve: each array (N,), row n for the n + 1 most confident samples.

    `coverage` is the share of samples answered, `risk` the share of errors among them, `threshold` the confidence of
    the least confident of them.
    """

    coverage: FloatArray
    risk: FloatArray
    threshold: FloatArray


def misclassification_auroc(confidence: ArrayLike, correct: ArrayLike) -> Score:
    """Chance that a correct sample is more confident than a wrong one, ties counting ½ (Hendrycks & Gimpel 2017).

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        Value in [0, 1], higher is better, ½ is chance; nan with a reason when accuracy is 0 or 1.
    """
    sure, right = _columns(confidence, correct)
    if right.all() or not right.any():
        return Score(float("nan"), f"every sample is {'correct' if right.all() else 'wrong'}: nothing to tell apart")
    wrong = np.sort(sure[~right])
    # For each correct sample: wrong ones strictly below count 1, equal ones ½.
    beaten = np.searchsorted(wrong, sure[right], "left") + np.searchsorted(wrong, sure[right], "right")
    return Score(float(beaten.mean() / (2 * len(wrong))))


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Share of errors r_n among the n most confident samples, for n = 1 … N.

    Within equal confidences the errors are spread evenly: the mean over all orders of the tied samples.
    Source: El-Yaniv & Wiener 2010, Geifman & El-Yaniv 2017.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        Coverage n/N in (0, 1], risk in [0, 1] (lower is better) and threshold; the last risk is the error rate.
    """
    sure, right = _columns(confidence, correct)
    ranked, last, errors = _tied_groups(sure, right)
    answered = np.arange(1, len(ranked) + 1)
    # Linear between the ends of tied groups, and exact there.
    expected = np.interp(answered, np.concatenate([[0], last + 1]), np.concatenate([[0], errors]))
    return RiskCoverage(answered / len(ranked), expected / answered, ranked)


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk–coverage curve, (1/N) Σ_n r_n (Geifman et al. 2019).

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        In [0, 1], lower is better; confidence without information gives about the error rate.
    """
    return float(risk_coverage(confidence, correct).risk.mean())


def excess_aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AURC beyond that of an ideal ranking, AURC − [r + (1 − r) ln(1 − r)], r the error rate (Geifman et al. 2019).

    It removes accuracy from AURC, so that models of different accuracy can be compared on their ranking.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        In [0, 1), lower is better. The bracket is the limit for large N: an ideal ranking of N samples stays above 0
        by less than r / N.
    """
    curve = risk_coverage(confidence, correct)
    rate = float(curve.risk[-1])
    # xlogy is 0 at 1 − r = 0, the limit of x ln x.
    return max(0.0, float(curve.risk.mean() - rate - special.xlogy(1 - rate, 1 - rate)))


def coverage_at_risk(confidence: ArrayLike, correct: ArrayLike, risk: float = 0.05) -> float:
    """Largest share of samples that can be answered with at most this share of errors.

    Only what a threshold on confidence can do is considered, so tied samples are answered together or not at all.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.
        risk: tolerated share of errors, in [0, 1].

    Returns:
        In [0, 1], higher is better; 0 when no threshold meets the risk.
    """
    risk = check.number("risk", risk, 0, 1)
    ranked, last, errors = _tied_groups(*_columns(confidence, correct))
    allowed = last[errors / (last + 1) <= risk]
    return float((allowed[-1] + 1) / len(ranked)) if len(allowed) else 0.0


def risk_at_coverage(confidence: ArrayLike, correct: ArrayLike, coverage: float = 0.8) -> float:
    """Share of errors when the most confident samples are answered, at least this share of all.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.
        coverage: in (0, 1]; ⌈coverage · N⌉ samples are answered, ties averaged as in `risk_coverage`.

    Returns:
        In [0, 1], lower is better; the error rate at coverage 1.
    """
    curve = risk_coverage(confidence, correct)
    coverage = check.number("coverage", coverage, 0, 1)
    if coverage == 0:
        raise check.bad("coverage", "a number in (0, 1]", "0")
    # .55 · 100 is 55.00000000000001 in floating point: without the allowance the ceiling would be 56.
    answered = int(np.ceil(coverage * len(curve.risk) - 1e-9))
    return float(curve.risk[max(answered, 1) - 1])


def _columns(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    sure = check.floats("confidence", confidence, "(N,)")
    return sure, check.flags("correct", correct, sure.shape)


def _tied_groups(confidence: FloatArray, correct: BoolArray) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Confidence descending, the last row of each group of equals, and the errors up to and including that row."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    return ranked, last, np.cumsum(~correct[order])[last]
