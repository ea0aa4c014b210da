"""Which of two contenders keeps more of an image: augmentation by augmentation, and on the whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.augmentations import AUGMENTATIONS
from core.errors import DataUnavailable
from core.metrics.interval import LEVEL, Interval
from core.metrics.resampling import Bootstrapped, mean_of, resamples
from core.results import training_noise
from core.results.info import StudyInfo
from core.results.invariance import areas, learned, per_image

DRAWS = 4000
FINGERPRINT = (
    *("augmentation", "label", "family", "first", "first_low", "first_high", "second", "second_low", "second_high"),
    *("difference", "low", "high", "noise", "found", "trained_first", "trained_second"),
)


@dataclass(frozen=True, slots=True)
class Overall:
    """How much two contenders keep over all augmentations, data sets and images.

    Attributes:
        difference: the second's mean invariance minus the first's.
        noise: how far two training runs of one of the two lie apart in it; nan without two.
        kept: mean invariance of each, and of their other runs, by id.
    """

    difference: Interval
    noise: float
    kept: dict[str, float]

    @property
    def found(self) -> bool:
        """Whether the interval leaves 0 out and the difference exceeds the noise."""
        return self.difference.found and not abs(self.difference.estimate) <= self.noise


def areas_of_runs(info: StudyInfo, way: str, pair: Sequence[str], chosen: Sequence[str]) -> pd.DataFrame:
    """`areas` of a pair, and of other training runs of either.

    Raises:
        DataUnavailable: as `areas`.
    """
    others = (id for group in training_noise.groups_of(info, pair) for id in group)
    return areas(info, way, tuple(dict.fromkeys([*pair, *others])), chosen)


def compared(
    info: StudyInfo, way: str, first: str, second: str, chosen: Sequence[str], without: frozenset[str]
) -> tuple[pd.DataFrame, Overall | None]:
    """Each augmentation's area for two contenders with 95 % intervals over images, and their paired difference.

    Over several data sets figures are the mean of the sets', whose images are drawn apart.

    Returns:
        Columns `FINGERPRINT`, in the registry's order. Intervals are of 95 % each; `noise` is how far two training runs
        of either lie apart, nan without two; `found` says whether the difference exceeds that and leaves 0 out by
        intervals that all hold together (Bonferroni over augmentations), and `trained_first` whether the first's card
        names the augmentation among those of its pre-training. And `overall` but for the augmentations `without`; None
        where none is left.

    Raises:
        DataUnavailable: as `areas`.
    """
    table = areas_of_runs(info, way, (first, second), chosen)
    left = not set(table["augmentation"].unique()) <= without
    whole = overall(info, table, first, second, without) if left else None
    return _fingerprint(info, table, first, second, chosen), whole


def _fingerprint(info: StudyInfo, table: pd.DataFrame, first: str, second: str, chosen: Sequence[str]) -> pd.DataFrame:
    by_set = table.groupby(["augmentation", "encoder", "dataset"], observed=True)["area"].mean()
    means = by_set.groupby(["augmentation", "encoder"], observed=True).mean()
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, list[Bootstrapped]]] = {}
    drawn = None
    for dataset in chosen:
        measured, values = _by_image(table[table["dataset"] == dataset], (first, second))
        known = np.asarray(np.isfinite(values).all(axis=2))
        drawn = resamples(len(values), DRAWS, rng=rng, like=drawn)
        resampled = drawn.means(values, known[:, :, None])
        for place, id in enumerate(measured):
            figures = found.setdefault(id, {"first": [], "second": []})
            for side, name in enumerate(figures):
                mine = values[known[:, place], place, side]
                mean = float(mine.mean()) if len(mine) else float("nan")
                figures[name].append(Bootstrapped(mean, resampled[:, place, side]))
    rows = []
    for id, figures in found.items():
        one, two = (mean_of(figures[name]) for name in ("first", "second"))
        kind = AUGMENTATIONS[id]
        intervals = [figure.percentile() for figure in (one, two, two - one)]
        together = (two - one).percentile(1 - (1 - LEVEL) / len(found))
        noise = training_noise.spread(means[id], training_noise.groups_of(info, (first, second)))
        rows.append(
            (
                *(id, kind.label, kind.family),
                *(value for interval in intervals for value in interval),
                noise,
                together.found and not abs(together.estimate) <= noise,
                *(id in learned(info, encoder) for encoder in (first, second)),
            )
        )
    if not rows:
        raise DataUnavailable(f"Study '{info.id}' holds no invariance of {first} and {second}.")
    return pd.DataFrame(rows, columns=list(FINGERPRINT))


def _by_image(table: pd.DataFrame, pair: Sequence[str]) -> tuple[list[str], NDArray[np.float64]]:
    """The augmentations that both of a pair were measured under, in the registry's order, and (N, A, 2) areas of one
    data set's images; nan where one is unknown."""
    there = [set(table["augmentation"][table["encoder"] == id]) for id in pair]
    kinds = [id for id in AUGMENTATIONS if all(id in known for known in there)]
    # In an order of their own: the one in which they were read is another each time, and would draw other images.
    images = pd.Categorical(table["sample_id"]).remove_unused_categories()
    images = images.set_categories(sorted(images.categories))
    values = np.full((len(images.categories), len(kinds), 2), np.nan)
    at = pd.Categorical(table["augmentation"], kinds).codes
    for side, id in enumerate(pair):
        mine = ((table["encoder"] == id) & (at >= 0)).to_numpy()
        values[images.codes[mine], at[mine], side] = table["area"].to_numpy()[mine]
    return kinds, values


def overall(info: StudyInfo, table: pd.DataFrame, first: str, second: str, without: frozenset[str]) -> Overall:
    """Over augmentations but for some, images, and data sets, whose images are drawn apart and whose means averaged.

    Args:
        table: of `areas_of_runs`.
        without: ids of augmentations to leave out.
    """
    by_set = per_image(table, without).groupby(["encoder", "dataset"], observed=True)["invariance"].mean()
    kept = by_set.groupby("encoder", observed=True).mean()
    difference = mean_of(list(gains(table, first, second, without).values())).percentile()
    noise = training_noise.spread(kept, training_noise.groups_of(info, (first, second)))
    return Overall(difference, noise, {str(id): float(value) for id, value in kept.items()})


def gains(
    table: pd.DataFrame, first: str, second: str, without: frozenset[str] = frozenset()
) -> dict[str, Bootstrapped]:
    """The second's mean invariance minus the first's by data set, with its resamples over the set's own images.

    Args:
        table: of `areas`.
        without: ids of augmentations to leave out.
    """
    rng, found = np.random.default_rng(0), {}
    for dataset, part in per_image(table, without).groupby("dataset", sort=False, observed=True):
        wide = part.pivot_table(index="sample_id", columns="encoder", values="invariance", observed=True)
        wide = wide[[first, second]].dropna()
        values = (wide[second] - wide[first]).to_numpy()
        drawn = resamples(len(values), rng=rng).mean(np.arange(len(values)), values)
        found[str(dataset)] = Bootstrapped(float(values.mean()), drawn)
    return found
