"""Over the strength of one augmentation: how much is kept, the strength that flips an answer, how many answers stay."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.augmentations import AUGMENTATIONS
from core.metrics import invariance as metrics
from core.metrics.interval import student_interval
from core.results.info import StudyInfo
from core.results.invariance import WAYS, floors
from core.results.reading import Results

_CURVES = """
    SELECT encoder, strength, sample_id, avg({value}) AS value
    FROM invariance WHERE augmentation = $augmentation AND {value} IS NOT NULL
    GROUP BY encoder, strength, sample_id
"""


def curve(info: StudyInfo, way: str, augmentation: str, encoders: Sequence[str], dataset: str) -> pd.DataFrame:
    """Mean and 95 % Student interval over images at each strength, chance-corrected; the identity as its first row.

    Returns:
        Columns encoder, strength, mean, low, high, images.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
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
            kept = (part["value"] - floor[encoder]) / (1 - floor[encoder])
            rows.append((encoder, strength, *student_interval(kept), count))
    table = pd.DataFrame(rows, columns=["encoder", "strength", "mean", "low", "high", "images"])
    order = (table["strength"] - identity).abs()
    return table.assign(order=order).sort_values(["encoder", "order"], kind="stable").drop(columns="order")


def tipping(info: StudyInfo, augmentation: str, encoders: Sequence[str], dataset: str) -> pd.DataFrame:
    """The critical strength of every image: columns encoder, sample_id, withstood, strength, censored.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    with Results(info, encoders=encoders, datasets=(dataset,), tables=("critical",)) as results:
        return results.frame(
            "SELECT encoder, sample_id, withstood, strength, censored FROM critical WHERE augmentation = $augmentation "
            "ORDER BY encoder, sample_id",
            {"augmentation": augmentation},
        )


def survival(table: pd.DataFrame, augmentation: str) -> pd.DataFrame:
    """Share of images whose answer has not flipped up to each strength: columns encoder, strength, share.

    Args:
        table: of `tipping`.
    """
    identity, parts = AUGMENTATIONS[augmentation].identity, []
    for encoder, part in table.groupby("encoder", sort=False, observed=True):
        # Strengths may fall from the identity on, such as a scale; what grows is the distance from it.
        away = (part["strength"] - identity).abs().to_numpy(np.float64)
        sign = -1.0 if (part["strength"] < identity).any() else 1.0
        critical = metrics.CriticalStrength(away, part["censored"].to_numpy(np.bool_))
        at = np.unique(np.append(0.0, away))
        share = metrics.survival_curve(critical, at)
        parts.append(pd.DataFrame({"encoder": encoder, "strength": identity + sign * at, "share": share}))
    return pd.concat(parts, ignore_index=True)
