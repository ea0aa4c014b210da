"""Where a study's contenders look: how far their maps agree, how concentrated they are, and whether to trust them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.metrics import attribution as metrics
from core.metrics.interval import student_interval
from core.results.info import StudyInfo
from core.results.reading import Results

MEASURE = "attribution"
OBJECTS = {"in_mask": "evidence on the object", "pointing": "strongest cell on the object"}
"""What is said of maps where a set has masks, by column of the table."""
ON_OBJECTS = ("encoder", "figure", "mean", "chance", "centre", "gain", "low", "high", "images")
AGREEMENT = ("sample_id", "spearman", "iou", "chance", "mass", "first_map", "second_map", "height", "width")
FIGURES = {
    "effective": "evidence spread over (share of cells)",
    "gini": "Gini of the evidence",
    "evidence": "evidence (logits)",
    "deletion_gain": "deletion beyond a random order",
    "insertion_gain": "insertion beyond a random order",
    "centre_gain": "insertion beyond a centred order",
    "sanity_head": "likeness to maps of a random head",
    "sanity_stage": "likeness to maps of a random last stage",
}
"""What is said of one contender's maps, by column of `images`."""


def images(info: StudyInfo, encoders: Sequence[str], chosen: Sequence[str], role: str = "predicted") -> pd.DataFrame:
    """Every kept map's figures, without the maps: a row an encoder, data set and image.

    Columns encoder, dataset, sample_id, class, true_class, right, down, right_centre, degenerate and those of
    `FIGURES`; a gain is positive where the map knows more than the order beside it.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    with Results(info, encoders=encoders, datasets=chosen, tables=("attribution",)) as results:
        return results.frame(
            """
            WITH truth AS (
                SELECT encoder, dataset, sample_id, class AS true_class FROM attribution WHERE role = 'true'
            )
            SELECT encoder, dataset, sample_id, class, true_class, class = true_class AS right, down,
                "right" AS right_centre, degenerate, effective, gini, evidence,
                deletion_random - deletion AS deletion_gain, insertion - insertion_random AS insertion_gain,
                insertion - insertion_centre AS centre_gain, sanity_head, sanity_stage
            FROM attribution JOIN truth USING (encoder, dataset, sample_id)
            WHERE role = $role ORDER BY dataset, encoder, sample_id
            """,
            {"role": role},
        )


def means(table: pd.DataFrame, by: Sequence[str] = ("dataset", "encoder")) -> pd.DataFrame:
    """Mean and 95 % Student interval over images of each figure.

    Args:
        table: of `images`.
        by: columns to group by.

    Returns:
        Columns `by`, figure, mean, low, high, images; figures that no image has are left out.
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False, observed=True):
        for figure in FIGURES:
            values = part[figure].astype(float)
            values = values[np.isfinite(values)]
            if len(values):
                rows.append((*key, figure, *student_interval(values), len(values)))
    return pd.DataFrame(rows, columns=[*by, "figure", "mean", "low", "high", "images"])


def on_objects(info: StudyInfo, encoders: Sequence[str], dataset: str) -> pd.DataFrame:
    """How much of each contender's maps of its answer lies on the object, over the images of a set with masks.

    Returns:
        Columns encoder, figure (key of `OBJECTS`), mean, chance (the share of the picture that the object covers),
        centre (the share of a centred Gaussian on it), gain (mean − chance, with its 95 % Student interval low, high
        over images), images. Empty where nothing was measured against masks.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    cells = info.cells
    done = info.done(None, encoders, (dataset,), MEASURE)
    known = [cells[id]["encoder"] for id in done if cells[id]["facts"].get("masks")]
    rows = []
    if known:
        with Results(info, encoders=known, datasets=(dataset,), tables=("attribution",)) as results:
            table = results.frame(
                f"SELECT encoder, {', '.join(OBJECTS)}, mask_area, mask_centre FROM attribution "
                "WHERE role = 'predicted' AND mask_area IS NOT NULL AND NOT isnan(in_mask)"
            )
        for encoder in (id for id in encoders if id in known):
            mine = table[table["encoder"] == encoder].astype({"encoder": str})
            chance, centre = mine["mask_area"].mean(), mine["mask_centre"].mean()
            for figure in OBJECTS if len(mine) else ():
                gain = student_interval((mine[figure] - mine["mask_area"]).astype(float))
                rows.append((encoder, figure, mine[figure].mean(), chance, centre, *gain, len(mine)))
    return pd.DataFrame(rows, columns=list(ON_OBJECTS))


def agreement(info: StudyInfo, first: str, second: str, dataset: str) -> pd.DataFrame:
    """How far two contenders' maps of the true class agree, image by image, the most alike first.

    Returns:
        Columns `AGREEMENT`; maps are (h·w,) arrays. Empty when the contenders' grids differ.

    Raises:
        DataUnavailable: as `images`.
    """
    with Results(info, encoders=(first, second), datasets=(dataset,), tables=("attribution",)) as results:
        found = results.frame(
            """
            SELECT a.sample_id, a.map AS first_map, b.map AS second_map, a.height, a.width
            FROM attribution a JOIN attribution b USING (sample_id, role, height, width)
            WHERE role = 'true' AND a.encoder = $first AND b.encoder = $second
            """,
            {"first": first, "second": second},
        )
    table = found.reindex(columns=list(AGREEMENT))
    for _, part in found.groupby(["height", "width"]):
        grid = len(part), int(part["height"].iloc[0]), int(part["width"].iloc[0])
        one, two = (np.stack(list(part[name])).astype(np.float64).reshape(grid) for name in ("first_map", "second_map"))
        overlap = metrics.iou_at(one, two)
        table.loc[part.index, "spearman"] = metrics.spearman_agreement(one, two)
        table.loc[part.index, "iou"] = overlap.iou
        table.loc[part.index, "chance"] = overlap.chance
        table.loc[part.index, "mass"] = metrics.mass_overlap(one, two)
    return table.sort_values(["spearman", "sample_id"], ascending=[False, True], ignore_index=True)
