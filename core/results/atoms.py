"""Correctness boiled down to its few distinct values, and intervals from them.

Averaged over S seeds, a sample's correctness takes at most S + 1 values. Resampling how often each value occurs is
the same as resampling the samples, and costs as much for a million samples as for a hundred.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.accuracy import counted_accuracy, counted_accuracy_draws, wilson_interval
from core.metrics.interval import Interval, normal_interval
from core.metrics.resampling import Bootstrapped
from core.results.reading import Results

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


def accuracy(atoms: pd.DataFrame, per_class: bool) -> float:
    """Accuracy of one contender on one data set, in [0, 1], averaged over seeds; few-shot: the mean over episodes.

    Args:
        atoms: rows of `samples` or `episodes` for one encoder and data set.
        per_class: whether the figure is the mean of the classes' accuracies.
    """
    return counted_accuracy(*_columns(atoms, per_class))


def bootstrapped(atoms: pd.DataFrame, per_class: bool, seed: int = 0) -> Bootstrapped:
    """`accuracy` with its draws over samples, or over episodes; `seed` decides the draws."""
    columns = _columns(atoms, per_class)
    drawn = counted_accuracy_draws(*columns, rng=np.random.default_rng(seed))
    return Bootstrapped(counted_accuracy(*columns), drawn)


def accuracy_interval(atoms: pd.DataFrame, per_class: bool, seeds: int) -> Interval:
    """`accuracy` with its 95 % interval over test samples.

    Wilson's for one seed and top-1; else a percentile bootstrap over samples of the correctness averaged over seeds.
    Where all samples are alike a bootstrap would claim certainty: Wilson's limits stand there too. Few-shot: 1.96
    standard errors over episodes.

    Args:
        atoms: rows of `samples` or `episodes` for one encoder and data set.
        per_class: whether the figure is the mean of the classes' accuracies.
        seeds: how many runs the atoms average.
    """
    values, counts, _ = _columns(atoms, per_class)
    if "episode" in atoms:
        return normal_interval(values)
    if (seeds == 1 and not per_class) or values.min() == values.max():
        middle, total = accuracy(atoms, per_class), int(counts.sum())
        wilson = wilson_interval(round(middle * total), total)
        return Interval(middle, wilson.low, wilson.high)
    return bootstrapped(atoms, per_class).percentile()


def _columns(
    atoms: pd.DataFrame, per_class: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Values, counts and labels (None unless the figure is a mean over classes) of samples or of episodes."""
    if "episode" in atoms:
        accuracies = atoms["accuracy"].to_numpy(float)
        return accuracies, np.ones(len(accuracies), np.int64), None
    labels = atoms["label"].to_numpy(np.int64) if per_class else None
    return atoms["value"].to_numpy(float), atoms["samples"].to_numpy(np.int64), labels
