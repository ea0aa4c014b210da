"""What confidence is good for: telling right from wrong, and knowing when to abstain.

Here confidence is any score that ranks samples (softmax maximum, margin, negative energy); only its order counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray, IntArray
from core.metrics.resampling import Resamples

CELLS = 400  # of confidence, in a resampled ranking


@dataclass(frozen=True, slots=True)
class Score:
    """A value, and why it is nan when it is."""

    value: float
    reason: str = ""


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


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> FloatArray:
    """Share of errors r_n among the n most confident samples, for n = 1 … N.

    Within equal confidences the errors are spread evenly: the mean over all orders of the tied samples.
    Source: El-Yaniv & Wiener 2010, Geifman & El-Yaniv 2017.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        (N,) risks at coverages 1/N … 1, in [0, 1], lower is better; the last one is the error rate.
    """
    sure, right = _columns(confidence, correct)
    ranked, last, errors = _tied_groups(sure, right)
    answered = np.arange(1, len(ranked) + 1)
    # Linear between the ends of tied groups, and exact there.
    expected = np.interp(answered, np.concatenate([[0], last + 1]), np.concatenate([[0], errors]))
    return np.asarray(expected / answered)


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk–coverage curve, (1/N) Σ_n r_n (Geifman et al. 2019).

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        In [0, 1], lower is better; confidence without information gives about the error rate.
    """
    return float(risk_coverage(confidence, correct).mean())


def ideal_aurc(error_rate: ArrayLike) -> FloatArray:
    """AURC of a ranking that puts every error last, r + (1 − r) ln(1 − r), r the error rate (Geifman et al. 2019).

    Args:
        error_rate: in [0, 1], of any shape.

    Returns:
        The shape of `error_rate`, in [0, 1]: the limit for large N; that of N samples is higher by less than r / N.
    """
    rate = check.units("error_rate", error_rate, "(…)")
    # xlogy is 0 at 1 − r = 0, the limit of x ln x.
    return np.asarray(rate + special.xlogy(1 - rate, 1 - rate))


def excess_aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AURC beyond that of an ideal ranking, AURC − `ideal_aurc` (Geifman et al. 2019).

    It removes accuracy from AURC, so that models of different accuracy can be compared on their ranking.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.

    Returns:
        In [0, 1), lower is better. The ideal is the limit for large N: an ideal ranking of N samples stays above 0
        by less than r / N.
    """
    risks = risk_coverage(confidence, correct)
    return max(0.0, float(risks.mean() - ideal_aurc(risks[-1])))


@dataclass(frozen=True, slots=True, eq=False)
class RankingDraws:
    """What a ranking by confidence comes to in each resample, every array (draws,).

    Attributes:
        aurc: area under the risk–coverage curve.
        auroc: of right against wrong; nan in a draw without errors, or with nothing else.
        coverage: that can be answered at a risk.
    """

    aurc: FloatArray
    auroc: FloatArray
    coverage: FloatArray


def ranking_draws(
    drawn: Resamples, unit: IntArray, confidence: ArrayLike, correct: ArrayLike, risk: float = 0.05
) -> RankingDraws:
    """`aurc`, `misclassification_auroc` and `coverage_at_risk` of each resample.

    More than `CELLS` distinct confidences are ranked into that many cells of about equal counts; within a cell errors
    are averaged as those of tied samples are.

    Args:
        drawn: of `resamples`.
        unit: (N,) unit of each row.
        confidence: (N,) finite.
        correct: (N,) bool.
        risk: tolerated share of errors, in [0, 1].
    """
    sure, right = _columns(confidence, correct)
    risk = check.number("risk", risk, 0, 1)
    count, wrong = _by_cell(drawn, unit, sure, right)
    last, errors = np.cumsum(count, axis=1), np.cumsum(wrong, axis=1)
    first, before = last - count, errors - wrong
    rate = np.divide(wrong, count, out=np.zeros_like(wrong), where=count > 0)
    # Σ over n in a cell of (errors before + rate · (n − first)) / n, with harmonic numbers H(n) = ψ(n + 1) + γ.
    steps = special.digamma(last + 1) - special.digamma(first + 1)
    area = (rate * count + (before - rate * first) * steps).sum(axis=1) / last[:, -1]
    hits, total = count - wrong, errors[:, -1]
    pairs = hits.sum(axis=1) * total
    beaten = (hits * (total[:, None] - errors + wrong / 2)).sum(axis=1)
    auroc = np.divide(beaten, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    # Weights are whole numbers: the allowance is for the product alone.
    allowed = np.where(errors <= risk * last + 1e-9, last, 0.0).max(axis=1)
    return RankingDraws(area, auroc, allowed / last[:, -1])


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


def risk_at_coverage(confidence: ArrayLike, correct: ArrayLike, coverage: ArrayLike = 0.8) -> FloatArray:
    """Share of errors when the most confident samples are answered, at least this share of all.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.
        coverage: in (0, 1], one or several; ⌈coverage · N⌉ samples are answered, ties averaged as in `risk_coverage`.

    Returns:
        The shape of `coverage`, in [0, 1], lower is better; the error rate at coverage 1.
    """
    risks = risk_coverage(confidence, correct)
    shares = check.units("coverage", coverage, "(…)")
    if not shares.all():
        raise check.bad("coverage", "numbers in (0, 1]", "0")
    # .55 · 100 is 55.00000000000001 in floating point: without the allowance the ceiling would be 56.
    answered = np.ceil(shares * len(risks) - 1e-9).astype(np.int64)
    return np.asarray(risks[np.maximum(answered, 1) - 1])


def answered_from(confidence: ArrayLike, correct: ArrayLike, thresholds: ArrayLike) -> tuple[IntArray, IntArray]:
    """How many samples have at least a confidence, and how many of these are right: what a threshold lets through.

    Compared in single precision, in which confidence is stored: one of .9f is below the double .9, and nobody means
    to leave it out.

    Args:
        confidence: (N,) finite.
        correct: (N,) bool.
        thresholds: (T,).

    Returns:
        Two (T,): answered, and right.
    """
    sure, right = _columns(confidence, correct)
    at = check.floats("thresholds", thresholds, "(T,)").astype(np.float32)

    def reaching(values: FloatArray) -> IntArray:
        ranked = np.sort(values.astype(np.float32))
        return np.asarray(len(ranked) - np.searchsorted(ranked, at, "left"))

    return reaching(sure), reaching(sure[right])


def _columns(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    sure = check.floats("confidence", confidence, "(N,)")
    return sure, check.flags("correct", correct, sure.shape)


def _tied_groups(confidence: FloatArray, correct: BoolArray) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Confidence descending, the last row of each group of equals, and the errors up to and including that row."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    return ranked, last, np.cumsum(~correct[order])[last]


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
    return drawn.sums(unit, rank, cells, np.ones(len(rank))), drawn.sums(unit, rank, cells, ~correct)
