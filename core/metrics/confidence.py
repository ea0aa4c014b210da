"""How sure a model is of one prediction: softmax, margin, entropy and energy, one value per sample."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import FloatArray


def softmax(logits: ArrayLike, temperature: float = 1.0) -> FloatArray:
    """Class probabilities exp(z_k / T) / Σ_j exp(z_j / T) along the last axis.

    The confidence of a prediction is the largest of them.

    Args:
        logits: (…, K), such as (N, K).
        temperature: T > 0; above 1 softens, below 1 sharpens, and the order of the classes never changes
            (Guo et al. 2017).

    Returns:
        (…, K) in [0, 1]; the last axis sums to 1.
    """
    scores = check.floats("logits", logits, "(…, K)")
    scores = scores / check.number("temperature", temperature, 0, inside=True)
    # The largest logit is subtracted so that exp cannot overflow; it cancels in the ratio.
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def margin(probabilities: ArrayLike) -> FloatArray:
    """Largest minus second largest probability of each sample.

    Args:
        probabilities: (…, K), K ≥ 2, rows sum to 1.

    Returns:
        (…) in [0, 1], dimensionless; higher is surer, 0 a tie of two classes.
    """
    values = check.distributions("probabilities", probabilities, "(…, K)")
    if values.shape[-1] < 2:
        raise check.bad("probabilities", "at least 2 classes", f"shape {values.shape}")
    largest = np.partition(values, -2, axis=-1)
    return np.asarray(largest[..., -1] - largest[..., -2])


def entropy(probabilities: ArrayLike) -> FloatArray:
    """Shannon entropy −Σ_k p_k ln p_k of each sample, in nats; 0 ln 0 is 0.

    Args:
        probabilities: (…, K), rows sum to 1.

    Returns:
        (…) in [0, ln K]; lower is surer, ln K the uniform distribution.
    """
    return np.asarray(special.entr(check.distributions("probabilities", probabilities, "(…, K)")).sum(axis=-1))


def energy(logits: ArrayLike) -> FloatArray:
    """Free energy −ln Σ_k exp(z_k) of each sample, in the unit of the logits (Liu et al. 2020).

    Args:
        logits: (…, K).

    Returns:
        (…), unbounded; lower is surer. Comparable between samples of one model, not between models.
    """
    return np.asarray(-special.logsumexp(check.floats("logits", logits, "(…, K)"), axis=-1))
