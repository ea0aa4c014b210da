"""What a study measured of each image, as one number an image and contender, to choose images by."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.augmentations import AUGMENTATIONS
from core.errors import UnknownName
from core.results import attribution, invariance
from core.results.info import StudyInfo
from core.results.reading import Results

MOVED = invariance.MEASURE
"""The measure whose figures are of one augmentation."""
WAY = "whitened"
"""What an area is the area of, a key of `invariance.WAYS`: the same one that pages show unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of an image for a contender.

    Attributes:
        label: name for people.
        measure: that has it; an augmentation's, where that is invariance.
        table: folder of the study that holds it.
        sql: of the rows of one encoder and image.
        low: lower end of its range; None for that of the augmentation's strengths.
        about: one sentence for people.
    """

    label: str
    measure: str
    table: str
    sql: str
    low: float | None
    about: str


FIGURES: dict[str, Figure] = {
    "withstood": Figure(
        *("strength withstood", MOVED, "critical", "any_value(withstood)", None),
        "The strongest change tried before the answer flips; the strongest of all where it never does.",
    ),
    "kept": Figure(
        *("probability kept", MOVED, "invariance", "avg(kept)", 0.0),
        "Calibrated probability of the clean answer, as a mean over the tested strengths.",
    ),
    "area": Figure(
        *("area under the curve", MOVED, "invariance", "", -1.0),
        "Whitened similarity over the tested strengths, chance-corrected: 1 unmoved, 0 as of another image.",
    ),
    "effective": Figure(
        *("evidence spread over", attribution.MEASURE, "attribution", "any_value(effective)", 0.0),
        "Effective number of cells with evidence for the answered class, as a share of all: small is concentrated.",
    ),
    "gini": Figure(
        *("Gini of the evidence", attribution.MEASURE, "attribution", "any_value(gini)", 0.0),
        "Inequality of the cells' evidence for the answered class: large is concentrated.",
    ),
}
"""What images can be chosen by: those of invariance are of one augmentation, and 1 is the upper end of all but the
first."""


def augmentations(info: StudyInfo, encoders: Sequence[str], dataset: str) -> list[str]:
    """The augmentations under which invariance of all these encoders was measured on a data set, as a cell has them."""
    cells = [info.cells[id] for id in info.done(None, encoders, (dataset,), invariance.MEASURE)]
    listed = [cell["facts"]["augmentations"] for cell in cells]
    return [id for id in listed[0] if all(id in other for other in listed)] if listed else []


def name_of(figure: str, augmentation: str) -> str:
    """A figure in words, with the augmentation that it is of."""
    kind = FIGURES[figure]
    return f"{kind.label}, {AUGMENTATIONS[augmentation].label}" if kind.measure == MOVED else kind.label


def of_pair(info: StudyInfo, figure: str, augmentation: str, first: str, second: str, dataset: str) -> pd.DataFrame:
    """A figure of every measured image for two contenders, whose answers are those of the linear probe with seed 0.

    Args:
        figure: key of `FIGURES`.
        augmentation: id; nothing where the figure is of no augmentation.

    Returns:
        Columns sample_id, first_value, second_value; an image that one contender lacks has nan there.

    Raises:
        UnknownName: there is no such figure.
        DataUnavailable: it was measured of neither, or a file is missing or damaged.
    """
    if figure not in FIGURES:
        raise UnknownName("figure", figure, FIGURES)
    kind, pair = FIGURES[figure], (first, second)
    if figure == "area":
        found = invariance.areas(info, WAY, pair, (dataset,), (augmentation,)).rename(columns={"area": "value"})
    else:
        which, part = ("augmentation", augmentation) if kind.measure == MOVED else ("role", "predicted")
        with Results(info, encoders=pair, datasets=(dataset,), tables=(kind.table,)) as results:
            found = results.frame(
                f"SELECT encoder, sample_id, {kind.sql} AS value FROM {kind.table} WHERE {which} = $part GROUP BY ALL",
                {"part": part},
            )
    wide = found.pivot(index="sample_id", columns="encoder", values="value").reindex(columns=list(pair))
    return wide.set_axis(["first_value", "second_value"], axis=1).astype(float).reset_index()
