"""The invariance of a study's contenders: image by image, augmentation by augmentation, and as one fingerprint."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.augmentations import AUGMENTATIONS
from core.results import trapezoids
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
        Columns encoder, dataset, augmentation, sample_id (categories), area; one row an image.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    tables, value = [], WAYS[way].sql
    with _opened(info, encoders, chosen, augmentations) as results:
        for cell in _cells(info, encoders, chosen):
            found = _asked(results, trapezoids.AREAS, value, cell)
            if pc.any(found["unknown"]).as_py():
                whole = found.filter(pc.invert(found["unknown"])).drop_columns("unknown")
                found = pa.concat_tables([whole, _asked(results, trapezoids.PATHS, value, cell)])
            floor = floors(info, cell["dataset"], way)[cell["encoder"]]
            area = pc.divide(pc.subtract(found["area"], floor), 1 - floor if floor < 1 else np.nan)
            here = pa.array(np.zeros(len(found), np.int32))
            columns = {name: pa.DictionaryArray.from_arrays(here, [word]) for name, word in cell.items()}
            columns |= {name: found[name].dictionary_encode() for name in ("augmentation", "sample_id")}
            tables.append(pa.table(columns | {"area": area}))
    return pa.concat_tables(tables).unify_dictionaries().to_pandas()


def _asked(results: Results, sql: str, value: str, cell: dict[str, str]) -> pa.Table:
    return pa.Table.from_batches(*reversed(results.batches(sql.format(value=value), cell)))


def _cells(info: StudyInfo, encoders: Sequence[str], chosen: Sequence[str]) -> list[dict[str, str]]:
    """Encoder and data set of each finished cell."""
    done = [info.manifest["cells"][id] for id in info.done(None, encoders, chosen, MEASURE)]
    return [{name: cell[name] for name in ("encoder", "dataset")} for cell in done]


def _opened(
    info: StudyInfo, encoders: Sequence[str], chosen: Sequence[str], augmentations: Collection[str] = AUGMENTATIONS
) -> Results:
    """The views of some cells, with the identity of each augmentation that is asked for."""
    results = Results(info, encoders=encoders, datasets=chosen, tables=("invariance",))
    kinds = [(id, kind.identity) for id, kind in AUGMENTATIONS.items() if id in augmentations]
    results.register("kinds", pd.DataFrame(kinds, columns=["augmentation", "identity"]))
    return results


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
    sums = ", ".join(f"{trapezoids.MEAN.format(value=WAYS[way].sql)} AS {way}" for way in NORMALISATIONS)
    parts = []
    with _opened(info, (first, second), chosen) as results:
        for cell in _cells(info, (first, second), chosen):
            found = results.frame(trapezoids.MEANS.format(means=sums), cell).iloc[0]
            for way in NORMALISATIONS:
                floor = floors(info, cell["dataset"], way)[cell["encoder"]]
                parts.append((way, cell["encoder"], (found[way] - floor) / (1 - floor), found["areas"]))
    table = pd.DataFrame(parts, columns=["way", "encoder", "mean", "areas"])
    table["mean"] *= table["areas"]
    total = table.groupby(["way", "encoder"])[["mean", "areas"]].sum()
    mean = total["mean"] / total["areas"]
    rows = [(way, float(mean[way, second] - mean[way, first])) for way in NORMALISATIONS]
    return pd.DataFrame(rows, columns=["way", "difference"])
