"""The invariance of a study's contenders: image by image, augmentation by augmentation, and as one fingerprint."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import trained_in
from core.errors import DataUnavailable
from core.metrics.interval import LEVEL, Interval, student_interval
from core.metrics.resampling import Bootstrapped, mean_of, resamples
from core.results.info import StudyInfo
from core.results.reading import Results

MEASURE = "invariance"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to say how much is kept of an image.

    Attributes:
        label: name for people.
        unit: what an area under its curve means.
        sql: of a row of `schema.INVARIANCE`, larger is steadier; 1 at the identity.
        floor: fact of the cell that holds the value of different images, or that value itself.
    """

    label: str
    unit: str
    sql: str
    floor: str | float


WAYS: dict[str, Way] = {
    "cosine": Way("feature, as it is", "chance-corrected cosine", "cosine", "floor_cosine"),
    "centred": Way("feature, centred", "chance-corrected cosine", "centred", "floor_centred"),
    "whitened": Way("feature, whitened", "chance-corrected cosine", "whitened", "floor_whitened"),
    "rank": Way("feature, by rank", "share of other images farther, rescaled", "rank", 0.5),
    "answers": Way("answer kept", "share of answers that stay", "1 - flipped::INT", 0.0),
    "drift": Way("probabilities", "1 − Jensen-Shannon divergence", "1 - drift", 0.0),
    "maps": Way("map", "Spearman of maps", "CASE WHEN isnan(map_stability) THEN NULL ELSE map_stability END", 0.0),
}
"""What invariance is read of. The first four are of the feature and differ in what counts as alike."""
NORMALISATIONS = ("cosine", "centred", "whitened", "rank")
FINGERPRINT = (
    *("augmentation", "label", "family", "first", "first_low", "first_high", "second", "second_low", "second_high"),
    *("difference", "low", "high", "found", "trained_first", "trained_second"),
)

_AREAS = """
    WITH points AS (
        SELECT encoder, dataset, augmentation, sample_id, abs(strength - identity) AS s, avg({value}) AS v
        FROM invariance JOIN kinds USING (augmentation) WHERE {value} IS NOT NULL
        GROUP BY encoder, dataset, augmentation, sample_id, abs(strength - identity)
    ), steps AS (
        SELECT *, coalesce(lag(s) OVER path, 0) AS s0, coalesce(lag(v) OVER path, 1) AS v0
        FROM points WINDOW path AS (PARTITION BY encoder, dataset, augmentation, sample_id ORDER BY s)
    )
    SELECT encoder, dataset, augmentation, sample_id, sum((s - s0) * (v + v0) / 2) / max(s) AS area
    FROM steps GROUP BY encoder, dataset, augmentation, sample_id
"""
_CURVES = """
    SELECT encoder, strength, sample_id, avg({value}) AS value
    FROM invariance WHERE augmentation = $augmentation AND {value} IS NOT NULL
    GROUP BY encoder, strength, sample_id
"""


def floors(info: StudyInfo, dataset: str, way: str) -> dict[str, float]:
    """The value of different images by encoder, on one data set."""
    floor = WAYS[way].floor
    cells = info.cells
    return {
        cells[id]["encoder"]: float(cells[id]["facts"][floor]) if isinstance(floor, str) else floor
        for id in info.done(measure=MEASURE, datasets=(dataset,))
    }


def areas(
    info: StudyInfo,
    way: str,
    encoders: Sequence[str],
    chosen: Sequence[str],
    augmentations: Collection[str] = AUGMENTATIONS,
) -> pd.DataFrame:
    """The area under each image's own curve, over the tested range, chance-corrected: 1 unmoved, 0 as of another image.

    Args:
        info: the study.
        way: key of `WAYS`.
        encoders: ids.
        chosen: ids of data sets.
        augmentations: ids.

    Returns:
        Columns encoder, dataset, augmentation, sample_id, area; one row an image.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    with Results(info, encoders=encoders, datasets=chosen, tables=("invariance",)) as results:
        kinds = [(id, kind.identity) for id, kind in AUGMENTATIONS.items() if id in augmentations]
        results.register("kinds", pd.DataFrame(kinds, columns=["augmentation", "identity"]))
        found = results.frame(_AREAS.format(value=WAYS[way].sql))
    for name in ("encoder", "dataset", "augmentation"):
        found[name] = found[name].astype("category")
    floor = found["dataset"].map(dict.fromkeys(chosen, 0.0)).astype(float)
    for dataset in chosen:
        for encoder, value in floors(info, dataset, way).items():
            floor[(found["dataset"] == dataset) & (found["encoder"] == encoder)] = value
    found["area"] = (found["area"] - floor) / (1 - floor).where(floor < 1)
    return found


def per_image(table: pd.DataFrame, without: frozenset[str] = frozenset()) -> pd.DataFrame:
    """`invariance_of_sample`: the mean of each image's areas over augmentations, but for some.

    Args:
        table: of `areas`.
        without: ids of augmentations to leave out.

    Returns:
        Columns encoder, dataset, sample_id, invariance.
    """
    kept = table[~table["augmentation"].isin(list(without))]
    found = kept.groupby(["encoder", "dataset", "sample_id"], observed=True)["area"].mean()
    return found.rename("invariance").reset_index()


def fingerprint(
    info: StudyInfo, way: str, first: str, second: str, chosen: Sequence[str], draws: int = 4000
) -> pd.DataFrame:
    """Each augmentation's area for two contenders with 95 % intervals over images, and their paired difference.

    Over several data sets figures are the mean of the sets', whose images are drawn apart.

    Args:
        info: the study.
        way: key of `WAYS`.
        first: id of the contender that differences are taken from.
        second: id of the other.
        chosen: ids of data sets.
        draws: number of resamples.

    Returns:
        Columns `FINGERPRINT`, in the registry's order. Intervals are of 95 % each; `found` says whether the difference
        leaves 0 out by intervals that all hold together (Bonferroni over augmentations), and `trained_first` whether
        the first's card names the augmentation among those of its pre-training.

    Raises:
        DataUnavailable: as `areas`.
    """
    table = areas(info, way, tuple(dict.fromkeys((first, second))), chosen)
    rng = np.random.default_rng(0)
    learned = {id: trained_in(str(info.encoders[id].get("augmentation", ""))) for id in (first, second)}
    found: dict[str, dict[str, list[Bootstrapped]]] = {}
    for dataset in chosen:
        wide = table[table["dataset"] == dataset].pivot_table(
            index="sample_id", columns=["augmentation", "encoder"], values="area", observed=True
        )
        drawn, unit = resamples(len(wide), draws, rng=rng), np.arange(len(wide))
        for id in AUGMENTATIONS:
            if (id, first) not in wide or (id, second) not in wide:
                continue
            pair = wide[[(id, first), (id, second)]] if first != second else wide[[(id, first), (id, first)]]
            known = pair.notna().all(axis=1).to_numpy()
            figures = found.setdefault(id, {"first": [], "second": []})
            for place, name in enumerate(figures):
                values = np.where(known, pair.iloc[:, place].to_numpy(), 0.0)
                mean = float(values[known].mean()) if known.any() else float("nan")
                figures[name].append(Bootstrapped(mean, drawn.mean(unit, values, known)))
    rows = []
    for id, figures in found.items():
        one, two = (mean_of(figures[name]) for name in ("first", "second"))
        kind = AUGMENTATIONS[id]
        intervals = [figure.percentile() for figure in (one, two, two - one)]
        together = (two - one).percentile(1 - (1 - LEVEL) / len(found))
        rows.append(
            (
                *(id, kind.label, kind.family),
                *(value for i in intervals for value in (i.estimate, i.low, i.high)),
                together.found,
                *(id in learned[encoder] for encoder in (first, second)),
            )
        )
    if not rows:
        raise DataUnavailable(f"Study '{info.id}' holds no invariance of {first} and {second}.")
    return pd.DataFrame(rows, columns=list(FINGERPRINT))


def overall(
    info: StudyInfo, way: str, first: str, second: str, chosen: Sequence[str], without: frozenset[str]
) -> Interval:
    """The second's mean invariance minus the first's, over augmentations but for some, with its 95 % interval.

    Args:
        info: the study.
        way: key of `WAYS`.
        first: id.
        second: id.
        chosen: ids of data sets; their images are drawn apart and the sets' means averaged.
        without: ids of augmentations to leave out.

    Raises:
        DataUnavailable: as `areas`.
    """
    found = gains(areas(info, way, (first, second), chosen), first, second, without)
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
        wide = part.pivot_table(index="sample_id", columns="encoder", values="invariance", observed=True).dropna()
        values = (wide[second] - wide[first]).to_numpy()
        drawn = resamples(len(values), rng=rng).mean(np.arange(len(values)), values)
        found[str(dataset)] = Bootstrapped(float(values.mean()), drawn)
    return found


def turning(info: StudyInfo, first: str, second: str, chosen: Sequence[str]) -> pd.DataFrame:
    """The mean difference of two contenders over all augmentations under each way of comparing features.

    Columns way, difference: where their signs differ, which of the two is the more invariant depends on what is called
    alike.
    """
    rows = []
    for way in NORMALISATIONS:
        table = per_image(areas(info, way, (first, second), chosen))
        found = table.groupby("encoder", observed=True)["invariance"].mean()
        rows.append((way, float(found[second] - found[first])))
    return pd.DataFrame(rows, columns=["way", "difference"])


def curve(info: StudyInfo, way: str, augmentation: str, encoders: Sequence[str], dataset: str) -> pd.DataFrame:
    """Mean and 95 % Student interval over images at each strength, chance-corrected; the identity as its first row.

    Returns:
        Columns encoder, strength, mean, low, high, images.

    Raises:
        DataUnavailable: as `areas`.
    """
    with Results(info, encoders=encoders, datasets=(dataset,), tables=("invariance",)) as results:
        points = results.frame(_CURVES.format(value=WAYS[way].sql), {"augmentation": augmentation})
    floor, rows = floors(info, dataset, way), []
    identity = AUGMENTATIONS[augmentation].identity
    for encoder in encoders:
        mine = points[points["encoder"] == encoder]
        count = mine["sample_id"].nunique()
        rows.append((encoder, identity, 1.0, 1.0, 1.0, count))
        for strength, part in mine.groupby(mine["strength"].astype(float)):
            at = student_interval((part["value"] - floor[encoder]) / (1 - floor[encoder]))
            rows.append((encoder, strength, at.estimate, at.low, at.high, count))
    table = pd.DataFrame(rows, columns=["encoder", "strength", "mean", "low", "high", "images"])
    order = (table["strength"] - identity).abs()
    return table.assign(order=order).sort_values(["encoder", "order"], kind="stable").drop(columns="order")
