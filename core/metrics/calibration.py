"""Whether confidence means what it says: a model that says .8 should be right in 80 % of those cases."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.metrics import _checks as check
from core.metrics._checks import RANGE_TOLERANCE, BoolArray, FloatArray, IntArray
from core.metrics.confidence import softmax
from core.metrics.resampling import Resamples

SCHEMES = ("width", "mass")
NORMS = ("l1", "l2", "max")
# Outside these no temperature changes a figure that anyone reads; an optimum at infinity stops here.
TEMPERATURE_RANGE = (1e-3, 1e3)
ATOMS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityBins:
    """The table behind a reliability diagram: one row per bin, each array (bins,); empty bins have nan means."""

    lower: FloatArray
    upper: FloatArray
    count: IntArray
    confidence: FloatArray
    accuracy: FloatArray


@dataclass(frozen=True, slots=True)
class ConfidenceByOutcome:
    """Mean confidence on correct and on wrong samples; nan for an outcome that never occurs."""

    correct: float
    wrong: float


def reliability_bins(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 15, scheme: str = "width"
) -> ReliabilityBins:
    """Count, mean confidence and accuracy in bins of confidence.

    Args:
        confidence: (N,) in [0, 1], the probability of the predicted class.
        correct: (N,) bool.
        bins: number M of bins.
        scheme: "width": bin b is ((b − 1)/M, b/M]; confidence 0.0 belongs to the first bin, 1.0 to the last.
            "mass": counts as equal as possible; equal confidences stay in one bin, so that the table does not depend
            on the order of the samples, and bins left empty by that are dropped.

    Returns:
        One row per bin, by rising confidence. In "mass" each bin begins at the largest confidence of the one before.
    """
    sure, right = _columns(confidence, correct)
    index, size = bin_index(sure, bins, scheme)
    count = np.bincount(index, minlength=size)
    if scheme == "width":
        edges = np.arange(size + 1) / size
    else:
        upper = np.zeros(size)
        np.maximum.at(upper, index, sure)
        edges = np.concatenate([[sure.min()], upper])
    # An empty bin has no mean; dividing by nan says so without a division warning.
    divisor = np.where(count > 0, count, np.nan)
    return ReliabilityBins(
        lower=edges[:-1],
        upper=edges[1:],
        count=count,
        confidence=np.bincount(index, weights=sure, minlength=size) / divisor,
        accuracy=np.bincount(index, weights=right, minlength=size) / divisor,
    )


def calibration_error(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 15, scheme: str = "width", norm: str = "l1"
) -> float:
    """Distance between confidence and accuracy over bins, d_b = |acc_b − conf_b| with weights w_b = n_b / N.

    norm "l1": Σ w_b d_b, the ECE (Naeini 2015, Guo 2017), or the adaptive ECE with scheme "mass" (Nguyen & O'Connor
    2015). "l2": √(Σ w_b d_b²), the RMS calibration error. "max": max over filled bins of d_b, the MCE.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
        scheme: "width" or "mass", see `reliability_bins`.
        norm: "l1", "l2" or "max".

    Returns:
        In [0, 1], lower is better. Biased upwards in small samples: read it beside `calibration_null`.
    """
    check.choice("norm", norm, NORMS)
    table = reliability_bins(confidence, correct, bins, scheme)
    filled = table.count > 0
    gap = np.abs(table.accuracy[filled] - table.confidence[filled])
    weight = table.count[filled] / table.count.sum()
    if norm == "l1":
        return float(weight @ gap)
    return float(np.sqrt(weight @ gap**2)) if norm == "l2" else float(gap.max())


def calibration_error_draws(
    drawn: Resamples, unit: IntArray, confidence: ArrayLike, correct: ArrayLike, bins: int = 15, scheme: str = "width"
) -> FloatArray:
    """(draws,) expected calibration error of each resample, see `calibration_error`.

    Bins of equal mass stay those of the whole sample.

    Args:
        drawn: of `resamples`.
        unit: (N,) unit of each row.
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
        scheme: "width" or "mass".
    """
    sure, right = _columns(confidence, correct)
    index, size = bin_index(sure, bins, scheme)
    return np.abs(drawn.sums(unit, index, size, sure - right)).sum(axis=1) / drawn.total(unit)


def calibration_null(
    confidence: ArrayLike, bins: int = 15, scheme: str = "width", draws: int = 1000, *, rng: np.random.Generator
) -> FloatArray:
    """ECEs that a perfectly calibrated model with these confidences would get on samples of this size.

    Correctness is drawn Bernoulli(confidence) (consistency resampling, Bröcker & Smith 2007). A measured ECE inside
    this distribution is no evidence of miscalibration. Of more than `ATOMS` samples, those of one bin that share a
    hundredth of confidence are drawn together, as a binomial of their mean: the time no longer grows with N.

    Args:
        confidence: (N,) in [0, 1].
        scheme: "width" or "mass".
        draws: number of imagined samples.

    Returns:
        (draws,) in [0, 1], unsorted; their mean shrinks as 1/√N.
    """
    sure = check.units("confidence", confidence, "(N,)")
    draws, rng = check.whole("draws", draws, 1), check.generator("rng", rng)
    index, _ = bin_index(sure, bins, scheme)
    samples, count = len(sure), np.ones(len(sure), dtype=np.int64)
    if samples > ATOMS:
        atom = index * 101 + np.rint(sure * 100).astype(np.int64)
        count, total = np.bincount(atom), np.bincount(atom, weights=sure)
        filled = np.flatnonzero(count)
        # A mean of equal numbers may leave [0, 1] by a rounding.
        index, count, sure = filled // 101, count[filled], np.clip(total[filled] / count[filled], 0, 1)
    order = np.argsort(index, kind="stable")
    sure, count = sure[order], count[order]
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    expected = np.add.reduceat(sure * count, starts)
    errors = np.empty(draws)
    # A block of draws at a time keeps the random matrix within a few tens of megabytes.
    block = max(1, 2**21 // len(sure))
    for first in range(0, draws, block):
        size = (min(block, draws - first), len(sure))
        right = rng.binomial(count, sure, size) if samples > ATOMS else rng.random(size) < sure
        hits = np.add.reduceat(right, starts, axis=1, dtype=np.float64)
        errors[first : first + block] = np.abs(hits - expected).sum(axis=1) / samples
    return errors


def consistency_band(confidence: float, samples: int) -> tuple[float, float]:
    """Where 95 % of accuracies of (at least one) `samples` lie when `confidence` is exactly the chance of being right.

    The 2.5 % and 97.5 % quantiles of a binomial, in [0, 1]: the band behind a reliability diagram (Bröcker & Smith
    2007).
    """
    from scipy import stats  # half a second that the first page should not wait for

    samples = check.whole("samples", samples, 1)
    sure = min(check.number("confidence", confidence, 0, 1 + RANGE_TOLERANCE), 1.0)
    low, high = stats.binom.ppf([0.025, 0.975], samples, sure) / samples
    return float(low), float(high)


def overconfidence(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence − accuracy, signed.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) bool.

    Returns:
        In [−1, 1]: above 0 the model claims more than it delivers, below 0 less; nearest 0 is best.
    """
    sure, right = _columns(confidence, correct)
    return float(sure.mean() - right.mean())


def confidence_by_outcome(confidence: ArrayLike, correct: ArrayLike) -> ConfidenceByOutcome:
    """Mean confidence on correct and on wrong samples, each in [0, 1]; a wide gap in that order is good.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
    """
    sure, right = _columns(confidence, correct)
    means = [float(sure[chosen].mean()) if chosen.any() else float("nan") for chosen in (right, ~right)]
    return ConfidenceByOutcome(correct=means[0], wrong=means[1])


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Σ_k (p_ik − 1[y_i = k])² of each sample; the score of a set is their mean (Brier 1950, all classes, not halved).

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) integers in [0, K).

    Returns:
        (N,) in [0, 2], lower is better; the uniform prediction gives 1 − 1/K.
    """
    p = check.distributions("probabilities", probabilities)
    truth = check.labels("labels", labels, *p.shape)
    # Only the label's term differs from p²: Σ p² − p_y² + (1 − p_y)² = Σ p² − 2 p_y + 1, without a one-hot matrix.
    return np.einsum("nk,nk->n", p, p) - 2 * p[np.arange(len(p)), truth] + 1


def log_loss(true_probability: ArrayLike) -> FloatArray:
    """−ln p_{i,y_i} of each sample, in nats: its part of the `negative_log_likelihood`.

    Args:
        true_probability: (N,) probability of the true class, in [0, 1].

    Returns:
        (N,) in [0, ∞], lower is better; a label held impossible gives infinity.
    """
    own = check.units("true_probability", true_probability, "(N,)")
    return np.where(own > 0, -np.log(np.where(own > 0, own, 1.0)), np.inf)


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of −ln p_{i,y_i} over samples, in nats.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) integers in [0, K).

    Returns:
        In [0, ∞], lower is better; the uniform prediction gives ln K, and a label held impossible gives infinity.
    """
    p = check.distributions("probabilities", probabilities)
    return float(log_loss(p[np.arange(len(p)), check.labels("labels", labels, *p.shape)]).mean())


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Temperature T > 0 that minimises the negative log-likelihood of softmax(logits / T) (Guo et al. 2017).

    To be fitted on a validation split only; fitted on the test split it would make calibration look better than it is.

    Args:
        logits: (N, K).
        labels: (N,) integers in [0, K).

    Returns:
        In [0.001, 1000]: above 1 the model was overconfident. An end of the range means that the best T is 0 (every
        label has the largest logit) or infinite; 1 when the logits are constant and any T is as good.
    """
    from scipy import optimize  # which the first page should not wait for

    scores = check.floats("logits", logits, "(N, K)")
    truth = check.labels("labels", labels, *scores.shape)
    scores = scores - scores.max(axis=1, keepdims=True)
    own = scores[np.arange(len(scores)), truth].mean()

    def slope(log_temperature: float) -> float:
        # Derivative of the NLL by 1/T, mean of E_p[z] − z_y. The NLL is convex in 1/T, so its only zero is the optimum.
        p = softmax(scores, float(np.exp(log_temperature)))
        return float(np.einsum("nk,nk->", p, scores) / len(p) - own)

    if not scores.any():
        return 1.0
    low, high = np.log(TEMPERATURE_RANGE)
    if slope(low) <= 0:
        return TEMPERATURE_RANGE[0]
    if slope(high) >= 0:
        return TEMPERATURE_RANGE[1]
    return float(np.exp(optimize.brentq(slope, low, high, xtol=1e-10)))


def _columns(confidence: ArrayLike, correct: ArrayLike) -> tuple[FloatArray, BoolArray]:
    sure = check.units("confidence", confidence, "(N,)")
    return sure, check.flags("correct", correct, sure.shape)


def bin_index(confidence: FloatArray, bins: int, scheme: str) -> tuple[IntArray, int]:
    """(N,) bin of each sample, by its confidence alone, and the number of bins; see `reliability_bins`."""
    bins = check.whole("bins", bins, 1)
    if check.choice("scheme", scheme, SCHEMES) == "width":
        # Edges are the doubles nearest to b/M, and the search compares exactly: no rounding of confidence · M.
        edges = np.arange(1, bins) / bins
        return np.searchsorted(edges, confidence, side="left"), bins
    ranked = np.sort(confidence)
    middle = (np.searchsorted(ranked, confidence, "left") + np.searchsorted(ranked, confidence, "right")) / 2
    filled, index = np.unique(np.floor(middle * bins / len(ranked)), return_inverse=True)
    return index, len(filled)
