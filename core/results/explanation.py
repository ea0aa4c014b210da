"""Does invariance explain accuracy? The paper's explanation, put to the test over data sets and image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import DataUnavailable
from core.metrics.domain import RankCorrelation, rank_correlation
from core.metrics.explanation import Explained, explains
from core.results import attribution, invariance, pairs
from core.results.info import ANSWERS, StudyInfo
from core.results.reading import Results

PROTOCOL = "linear"
PROPERTIES: dict[str, str] = {
    "invariance": "invariance of the feature, all augmentations",
    "untrained": "invariance, without what either was trained to ignore",
    "maps": "stability of the map",
    "concentration": "concentration of the map",
}
"""What may explain who is right, by column prefix."""
LEAST_SETS = 4
_PLACE = {"dataset": str, "sample_id": str}


@dataclass(frozen=True, slots=True)
class Across:
    """The explanation over data sets.

    Attributes:
        sets: a row a set: dataset, label, domain, accuracy (advantage in [−1, 1]), and one column a property.
        correlation: Spearman of the accuracy advantage with each property's, with its permutation p, over the sets
            where the property is known; None for fewer than `LEAST_SETS` of them.
    """

    sets: pd.DataFrame
    correlation: Mapping[str, RankCorrelation | None]


def datasets(info: StudyInfo, first: str, second: str) -> list[str]:
    """The data sets with answers, invariance and attribution of both contenders."""
    pair = (first, second)
    measured = set(info.measured(invariance.MEASURE, pair)) & set(info.measured(attribution.MEASURE, pair))
    return [id for id in info.measured(ANSWERS, pair, PROTOCOL) if id in measured]


def images(info: StudyInfo, first: str, second: str, chosen: Sequence[str], way: str = "whitened") -> pd.DataFrame:
    """What may explain who is right, image by image: rows of images whose invariance was measured.

    Columns dataset, sample_id, label, and for `first_` and `second_`: correct, confidence (of the linear probe with
    seed 0 on the clean image), and each of `PROPERTIES`.

    Raises:
        DataUnavailable: something of this was not measured, or a file is missing or damaged.
    """
    pair = (first, second)
    with Results(info, PROTOCOL, pair, chosen, tables=("cells",)) as results:
        answers = results.frame(
            # Before temperature: one that was fitted on a handful of images may make all answers equally sure.
            "SELECT encoder, dataset, sample_id, label, prediction = label AS correct, confidence FROM rows "
            "WHERE seed = 0"
        )
    areas = invariance.areas(info, way, pair, chosen)
    maps = invariance.per_image(invariance.areas(info, "maps", pair, chosen))
    looked = attribution.images(info, pair, chosen)
    properties = {
        "correct": answers.rename(columns={"correct": "value"}),
        "confidence": answers.rename(columns={"confidence": "value"}),
        "invariance": invariance.per_image(areas).rename(columns={"invariance": "value"}),
        "untrained": invariance.per_image(areas, invariance.learned(info, *pair)).rename(
            columns={"invariance": "value"}
        ),
        "maps": maps.rename(columns={"invariance": "value"}),
        "concentration": looked.rename(columns={"gini": "value"}),
    }
    table = answers[answers["encoder"] == first].astype(_PLACE).set_index(list(_PLACE))[["label"]]
    for name, id in zip(("first", "second"), pair, strict=True):
        columns = {
            f"{name}_{key}": part[part["encoder"] == id].astype(_PLACE).set_index(list(_PLACE))["value"]
            for key, part in properties.items()
        }
        mine = pd.DataFrame(columns).dropna(subset=[f"{name}_invariance", f"{name}_correct"])
        table = table.join(mine, how="inner")
    if table.empty:
        sets = ", ".join(chosen)
        raise DataUnavailable(f"Study '{info.id}' holds no image of {sets} that both contenders were measured on.")
    return table.reset_index()


def both(
    info: StudyInfo, first: str, second: str, way: str = "whitened"
) -> tuple[Across, dict[str, dict[str, Explained]]]:
    """`across` and `within` of all data sets that have it, of images that are put together once.

    Raises:
        DataUnavailable: as `images`.
    """
    table = images(info, first, second, datasets(info, first, second), way)
    return across(info, first, second, table), within(table)


def within(table: pd.DataFrame) -> dict[str, dict[str, Explained]]:
    """Inside each set of `images`: does a property say which contender is right, of images that only one gets right?

    Returns:
        By data set and property.
    """
    found = {}
    for dataset, part in table.groupby("dataset", sort=False):
        rng = np.random.default_rng(0)
        found[str(dataset)] = {
            name: explains(
                part["first_correct"].astype(bool),
                part["second_correct"].astype(bool),
                part[f"second_{name}"] - part[f"first_{name}"],
                part["first_confidence"],
                part["second_confidence"],
                rng=rng,
            )
            for name in PROPERTIES
        }
    return found


def across(info: StudyInfo, first: str, second: str, table: pd.DataFrame) -> Across:
    """Over the data sets of `images`: where the second is more accurate, is it the more invariant one there?

    Raises:
        DataUnavailable: neither has answers, or a file is missing or damaged.
    """
    gains = pd.DataFrame(
        {name: (table[f"second_{name}"] - table[f"first_{name}"]).astype(float) for name in PROPERTIES}
    )
    gains = gains.groupby(table["dataset"]).mean().reset_index()
    accuracy = pairs.paired(info, PROTOCOL, first, second).rename(columns={"difference": "accuracy"})
    sets = accuracy[["dataset", "label", "domain", "accuracy"]].merge(gains, on="dataset")
    rng = np.random.default_rng(0)
    found: dict[str, RankCorrelation | None] = {}
    for name in PROPERTIES:
        known = sets[sets[name].notna()]
        enough = len(known) >= LEAST_SETS
        found[name] = rank_correlation(known[name], known["accuracy"], rng=rng) if enough else None
    return Across(sets, found)
