"""The invariance of a study's contenders: image by image, augmentation by augmentation, and as one fingerprint."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from core.augmentations import AUGMENTATIONS
from core.augmentations.training import trained_in
from core.metrics.invariance import area_from_identity
from core.results.info import StudyInfo
from core.results.reading import Results

MEASURE = "invariance"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to say how much is kept of an image.

    Attributes:
        label: name for people.
        unit: what an area under its curve means.
        column: of `schema.INVARIANCE`.
        floor: fact of the cell that holds the value of different images, or that value itself.
        lost: whether the column says how much is lost: 1 minus it is kept.
    """

    label: str
    unit: str
    column: str
    floor: str | float
    lost: bool = False

    @property
    def sql(self) -> str:
        """The value of a row, larger is steadier, 1 at the identity; NULL where there is none."""
        value = f"nullif({self.column}::FLOAT, 'nan'::FLOAT)"
        return f"1 - {value}" if self.lost else value


WAYS: dict[str, Way] = {
    "cosine": Way("feature, as it is", "chance-corrected cosine", "cosine", "floor_cosine"),
    "centred": Way("feature, centred", "chance-corrected cosine", "centred", "floor_centred"),
    "whitened": Way("feature, whitened", "chance-corrected cosine", "whitened", "floor_whitened"),
    "rank": Way("feature, by rank", "share of other images farther, rescaled", "rank", 0.5),
    "answers": Way("answer kept", "share of answers that stay", "flipped", 0.0, lost=True),
    "drift": Way("probabilities", "1 − Jensen-Shannon divergence", "drift", 0.0, lost=True),
    "maps": Way("map", "Spearman of maps", "map_stability", 0.0),
}
"""What invariance is read of. The first four are of the feature and differ in what counts as alike."""
NORMALISATIONS = ("cosine", "centred", "whitened", "rank")


def learned(info: StudyInfo, *encoders: str) -> frozenset[str]:
    """Ids of the augmentations that pre-training of one of some encoders had, as far as it says so."""
    recipes = (str(info.encoders[id].get("augmentation", "")) for id in encoders)
    return frozenset[str]().union(*map(trained_in, recipes))


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

    Returns:
        Columns encoder, dataset, augmentation, sample_id (categories), area; one row an image.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    return _areas(info, (way,), encoders, chosen, augmentations).rename(columns={way: "area"})


def _areas(
    info: StudyInfo,
    ways: Sequence[str],
    encoders: Sequence[str],
    chosen: Sequence[str],
    augmentations: Collection[str] = AUGMENTATIONS,
) -> pd.DataFrame:
    """As `areas`, a column each way."""
    tables = []
    columns = ["augmentation", "strength", "sample_id", *(WAYS[way].column for way in ways)]
    with Results(info, encoders=encoders, datasets=chosen, tables=("invariance",)) as results:
        for id in info.done(None, encoders, chosen, MEASURE):
            views = results.table("invariance", id, columns)
            kinds, images = (views[name].combine_chunks() for name in ("augmentation", "sample_id"))
            shown = [i for i, kind in enumerate(kinds.dictionary.to_pylist()) if kind in augmentations]
            size = len(images.dictionary)
            cell = {name: info.cells[id][name] for name in ("encoder", "dataset")}
            here = np.zeros(len(shown) * size, np.int32)
            table = {name: pa.DictionaryArray.from_arrays(here, [word]) for name, word in cell.items()}
            table["augmentation"] = pa.DictionaryArray.from_arrays(np.repeat(shown, size), kinds.dictionary)
            table["sample_id"] = pa.DictionaryArray.from_arrays(np.tile(np.arange(size), len(shown)), images.dictionary)
            # Sorted once: looking through all views for those of each augmentation took most of the time.
            order = np.argsort(kinds.indices.to_numpy(), kind="stable")
            ends = np.cumsum(np.bincount(kinds.indices.to_numpy(), minlength=len(kinds.dictionary)))
            mine = {i: order[ends[i - 1] if i else 0 : ends[i]] for i in shown}
            identity = {i: AUGMENTATIONS[kinds.dictionary[i].as_py()].identity for i in shown}
            strength, image = views["strength"].to_numpy().astype(np.float64), images.indices.to_numpy()
            away = {i: np.unique(np.abs(strength[mine[i]] - identity[i]), return_inverse=True) for i in shown}
            for way in ways:
                value = views[WAYS[way].column].to_numpy().astype(np.float64)
                value = 1 - value if WAYS[way].lost else value
                floor = floors(info, cell["dataset"], way)[cell["encoder"]]
                found = [_under_curves(*away[i], image[mine[i]], value[mine[i]], size) for i in shown]
                corrected = (np.concatenate([*found, []]) - floor) / (1 - floor if floor < 1 else np.nan)
                table[way] = pa.array(corrected)
            tables.append(pa.table(table))
    return pa.concat_tables(tables).unify_dictionaries().to_pandas().dropna()


def _under_curves(
    distance: NDArray[np.float64],
    place: NDArray[np.int64],
    image: NDArray[np.int32],
    value: NDArray[np.float64],
    images: int,
) -> NDArray[np.float64]:
    """(images,) areas of images under one augmentation; nan of those that have no value.

    Args:
        distance: (S,) of the strengths from the identity, rising.
        place: (V,) in it, of each view.
        image: (V,) number of each view's image.
        value: (V,) what is kept; nan where it is unknown.
    """
    known, shape = ~np.isnan(value), (len(distance), images)
    spot = (place * images + image)[known]
    count = np.bincount(spot, minlength=len(distance) * images).reshape(shape)
    total = np.bincount(spot, value[known], count.size).reshape(shape)
    return area_from_identity(distance, np.divide(total, count, out=np.full(shape, np.nan), where=count > 0))


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
    return found.rename("invariance").reset_index().astype({"sample_id": str})


def turning(info: StudyInfo, first: str, second: str, chosen: Sequence[str]) -> pd.DataFrame:
    """The mean difference of two contenders over all augmentations under each way of comparing features.

    Columns way, difference: where their signs differ, which of the two is the more invariant depends on what is called
    alike.
    """
    found = _areas(info, NORMALISATIONS, (first, second), chosen).groupby("encoder", observed=True)
    rows = []
    for way in NORMALISATIONS:
        mean = found[way].mean()
        rows.append((way, float(mean[second] - mean[first])))
    return pd.DataFrame(rows, columns=["way", "difference"])
