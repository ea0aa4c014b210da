"""Correctness boiled down to its few distinct values, and intervals from them.

Averaged over S seeds, a sample's correctness takes at most S + 1 values. Resampling how often each value occurs is
the same as resampling the samples, and costs as much for a million samples as for a hundred.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from core.metrics.accuracy import Interval, wilson_interval
from core.results.store import Results

DRAWS = 2000
TAIL = 0.025  # of 95 % intervals

Floats = NDArray[np.float64]

_ATOMS = """
    WITH sample AS (
        SELECT encoder, dataset, sample_id, any_value(label) AS label, count(*) AS answers,
            count_if(prediction = label) AS right_answers, count_if(list_contains(top5, label)) AS top5,
            sum(confidence::DOUBLE) AS confidence
        FROM rows WHERE episode IS NULL GROUP BY encoder, dataset, sample_id
    )
    SELECT encoder, dataset, label, right_answers / answers AS value, count(*) AS samples,
        sum(answers) AS answers, sum(right_answers) AS right_answers, sum(top5) AS top5, sum(confidence) AS confidence
    FROM sample GROUP BY ALL ORDER BY ALL
"""

_EPISODES = """
    SELECT encoder, dataset, seed, episode, avg((prediction = label)::INT) AS accuracy, count(DISTINCT label) AS ways,
        count(*) AS answers, count_if(prediction = label) AS right_answers, sum(confidence::DOUBLE) AS confidence
    FROM rows WHERE episode IS NOT NULL GROUP BY ALL ORDER BY encoder, dataset, seed, episode
"""


def samples(results: Results) -> pd.DataFrame:
    """Samples counted by what the seeds made of them.

    Returns:
        Columns encoder, dataset, label, value (share of seeds that are right, [0, 1]), samples (how many are so),
        answers, right_answers, top5 and confidence (sums over samples and seeds). Answers in episodes are left out.
    """
    return results.frame(_ATOMS)


def episodes(results: Results) -> pd.DataFrame:
    """One row a few-shot episode.

    Returns:
        Columns encoder, dataset, seed, episode, accuracy in [0, 1], ways (classes), answers, right_answers, confidence
        (sum).
    """
    return results.frame(_EPISODES)


def resample(counts: NDArray[np.int64], rng: np.random.Generator, draws: int = DRAWS) -> NDArray[np.int64]:
    """(draws, A) how often each of A atoms occurs when as many samples are drawn anew with replacement."""
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=draws)


def class_means(values: Floats, labels: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """(draws,) means of the classes' means, for (draws, A) counts of atoms; a class without samples is left out."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels.min() - 1))
    total = np.add.reduceat(counts[:, order], starts, axis=1)
    hits = np.add.reduceat((counts * values)[:, order], starts, axis=1)
    shares = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
    return shares.sum(axis=1) / np.count_nonzero(total, axis=1)


def estimate(values: Floats, counts: NDArray[np.int64], labels: NDArray[np.int64] | None) -> float:
    """The mean of samples given as atoms.

    Args:
        values: (A,) a sample's value.
        counts: (A,) how many samples have it.
        labels: (A,) class of the samples, for the mean of the classes' means; None for the mean over samples.
    """
    if labels is None:
        return float(counts @ values / counts.sum())
    return float(class_means(values, labels, counts[None])[0])


def bootstrap(
    values: Floats, counts: NDArray[np.int64], labels: NDArray[np.int64] | None, rng: np.random.Generator
) -> Floats:
    """(DRAWS,) bootstrap draws over samples of what `estimate` gives."""
    if labels is not None:
        return class_means(values, labels, resample(counts, rng))
    # Fewer atoms, fewer random numbers: the classes do not matter here.
    values, merged = np.unique(values, return_inverse=True)
    counts = np.bincount(merged, weights=counts).astype(np.int64)
    return resample(counts, rng) @ values / counts.sum()


def limits(draws: Floats) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, [TAIL, 1 - TAIL])
    return float(low), float(high)


def _columns(atoms: pd.DataFrame, per_class: bool) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64] | None]:
    """Values, counts and labels (None unless the figure is a mean over classes) of samples or of episodes."""
    if "episode" in atoms:
        accuracies = atoms["accuracy"].to_numpy(float)
        return accuracies, np.ones(len(accuracies), np.int64), None
    labels = atoms["label"].to_numpy(np.int64) if per_class else None
    return atoms["value"].to_numpy(float), atoms["samples"].to_numpy(np.int64), labels


def accuracy(atoms: pd.DataFrame, per_class: bool) -> float:
    """Accuracy of one contender on one data set, in [0, 1], averaged over seeds; few-shot: the mean over episodes.

    Args:
        atoms: rows of `samples` or `episodes` for one encoder and data set.
        per_class: whether the figure is the mean of the classes' accuracies.
    """
    return estimate(*_columns(atoms, per_class))


def accuracy_draws(atoms: pd.DataFrame, per_class: bool, seed: int) -> Floats:
    """(DRAWS,) bootstrap draws of `accuracy` over samples, or over episodes; `seed` decides the draws."""
    return bootstrap(*_columns(atoms, per_class), np.random.default_rng(seed))


def accuracy_interval(atoms: pd.DataFrame, per_class: bool, seeds: int) -> Interval:
    """`accuracy` with its 95 % interval over test samples.

    Wilson's for one seed and top-1; else a percentile bootstrap over samples of the correctness averaged over seeds.
    Where all samples are alike a bootstrap would claim certainty: Wilson's limits stand there too. Few-shot: see
    `episode_interval`.

    Args:
        atoms: rows of `samples` or `episodes` for one encoder and data set.
        per_class: whether the figure is the mean of the classes' accuracies.
        seeds: how many runs the atoms average.
    """
    values, counts, labels = _columns(atoms, per_class)
    if "episode" in atoms:
        return episode_interval(values)
    middle = estimate(values, counts, labels)
    if (seeds == 1 and not per_class) or values.min() == values.max():
        total = int(counts.sum())
        wilson = wilson_interval(round(middle * total), total)
        return Interval(middle, wilson.low, wilson.high)
    return Interval(middle, *limits(bootstrap(values, counts, labels, np.random.default_rng(0))))


def difference_interval(atoms: pd.DataFrame, per_class: bool) -> Interval:
    """Accuracy of the second contender minus the first's, with a paired 95 % bootstrap interval over samples.

    Args:
        atoms: columns label, first_share, second_share, samples.
        per_class: whether accuracy is the mean of the classes' accuracies.
    """
    values = (atoms["second_share"] - atoms["first_share"]).to_numpy(float)
    labels = atoms["label"].to_numpy(np.int64) if per_class else None
    counts = atoms["samples"].to_numpy(np.int64)
    drawn = bootstrap(values, counts, labels, np.random.default_rng(0))
    return Interval(estimate(values, counts, labels), *limits(drawn))


def episode_interval(values: Floats) -> Interval:
    """Mean over few-shot episodes ± 1.96 standard errors, as the literature gives it; nan limits for one episode."""
    mean = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return Interval(mean, mean - half, mean + half)


def z_test(interval: Interval) -> float:
    """Two-sided p of a mean being 0, from its interval of 1.96 standard errors; 1.0 when that is unknown."""
    half = interval.high - interval.estimate
    if np.isnan(half) or interval.estimate == 0:
        return 1.0
    return 0.0 if half == 0 else float(2 * special.ndtr(-abs(interval.estimate) / (half / 1.96)))
