"""Which of two contenders keeps more of an image: augmentation by augmentation, and on the whole."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import trained_in
from core.errors import DataUnavailable
from core.metrics.interval import LEVEL, Interval
from core.metrics.resampling import Bootstrapped, mean_of, resamples
from core.results import training_noise
from core.results.info import StudyInfo
from core.results.invariance import areas, per_image

FINGERPRINT = (
    *("augmentation", "label", "family", "first", "first_low", "first_high", "second", "second_low", "second_high"),
    *("difference", "low", "high", "noise", "found", "trained_first", "trained_second"),
)


def compared(
    info: StudyInfo, way: str, first: str, second: str, chosen: Sequence[str], without: frozenset[str]
) -> tuple[pd.DataFrame, Interval | None, float]:
    """`fingerprint` and `overall`, of areas that are worked out once; None where no augmentation is left.

    The last is how far two training runs of one of the two lie apart in what `overall` compares; nan without two runs.
    """
    pair = (first, second)
    table = areas_of_runs(info, way, pair, chosen)
    shown = fingerprint(info, way, *pair, chosen, table)
    if set(table["augmentation"].unique()) <= without:
        return shown, None, float("nan")
    by_set = per_image(table, without).groupby(["encoder", "dataset"], observed=True)["invariance"].mean()
    noise = training_noise.spread(by_set.groupby("encoder", observed=True).mean(), runs(info, pair))
    return shown, overall(info, way, *pair, chosen, without, table), noise


def runs(info: StudyInfo, pair: Sequence[str]) -> list[list[str]]:
    """The training runs of each of a pair."""
    return [training_noise.runs_of(info, id) for id in pair if id in info.encoders]


def areas_of_runs(info: StudyInfo, way: str, pair: Sequence[str], chosen: Sequence[str]) -> pd.DataFrame:
    """`areas` of a pair, and of other training runs of either."""
    return areas(info, way, tuple(dict.fromkeys([*pair, *(id for group in runs(info, pair) for id in group)])), chosen)


def fingerprint(
    info: StudyInfo,
    way: str,
    first: str,
    second: str,
    chosen: Sequence[str],
    table: pd.DataFrame | None = None,
    draws: int = 4000,
) -> pd.DataFrame:
    """Each augmentation's area for two contenders with 95 % intervals over images, and their paired difference.

    Over several data sets figures are the mean of the sets', whose images are drawn apart.

    Args:
        info: the study.
        way: key of `WAYS`.
        first: id of the contender that differences are taken from.
        second: id of the other.
        chosen: ids of data sets.
        table: of `areas`, of other training runs of either too, where it is at hand.
        draws: number of resamples.

    Returns:
        Columns `FINGERPRINT`, in the registry's order. Intervals are of 95 % each; `noise` is how far two training runs
        of either lie apart, nan without two; `found` says whether the difference exceeds that and leaves 0 out by
        intervals that all hold together (Bonferroni over augmentations), and `trained_first` whether the first's card
        names the augmentation among those of its pre-training.

    Raises:
        DataUnavailable: as `areas`.
    """
    if table is None:
        table = areas_of_runs(info, way, (first, second), chosen)
    by_set = table.groupby(["augmentation", "encoder", "dataset"], observed=True)["area"].mean()
    means = by_set.groupby(["augmentation", "encoder"], observed=True).mean()
    rng = np.random.default_rng(0)
    learned = {id: trained_in(str(info.encoders[id].get("augmentation", ""))) for id in (first, second)}
    found: dict[str, dict[str, list[Bootstrapped]]] = {}
    drawn = None
    for dataset in chosen:
        measured, values = _by_image(table[table["dataset"] == dataset], (first, second))
        known = np.asarray(np.isfinite(values).all(axis=2))
        drawn = resamples(len(values), draws, rng=rng, like=drawn)
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
        noise = training_noise.spread(means[id], runs(info, (first, second)))
        rows.append(
            (
                *(id, kind.label, kind.family),
                *(value for i in intervals for value in (i.estimate, i.low, i.high)),
                noise,
                together.found and not abs(together.estimate) <= noise,
                *(id in learned[encoder] for encoder in (first, second)),
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
    images = pd.Categorical(table["sample_id"]).remove_unused_categories()
    values = np.full((len(images.categories), len(kinds), 2), np.nan)
    at = pd.Categorical(table["augmentation"], kinds).codes
    for side, id in enumerate(pair):
        mine = ((table["encoder"] == id) & (at >= 0)).to_numpy()
        values[images.codes[mine], at[mine], side] = table["area"].to_numpy()[mine]
    return kinds, values


def overall(
    info: StudyInfo,
    way: str,
    first: str,
    second: str,
    chosen: Sequence[str],
    without: frozenset[str],
    table: pd.DataFrame | None = None,
) -> Interval:
    """The second's mean invariance minus the first's, over augmentations but for some, with its 95 % interval.

    Args:
        info: the study.
        way: key of `WAYS`.
        first: id.
        second: id.
        chosen: ids of data sets; their images are drawn apart and the sets' means averaged.
        without: ids of augmentations to leave out.
        table: of `areas`, where it is at hand.

    Raises:
        DataUnavailable: as `areas`.
    """
    if table is None:
        table = areas(info, way, (first, second), chosen)
    found = gains(table, first, second, without)
    return mean_of(list(found.values())).percentile()


def gains(
    table: pd.DataFrame, first: str, second: str, without: frozenset[str] = frozenset()
) -> dict[str, Bootstrapped]:
    """The second's mean invariance minus the first's by data set, with its resamples over the set's own images.

    Args:
        table: of `areas`.
        first: id.
        second: id.
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
