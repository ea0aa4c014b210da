"""The strength that flips an answer, image by image, and how many answers stay."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.augmentations import AUGMENTATIONS
from core.metrics import invariance as metrics
from core.results.info import StudyInfo
from core.results.reading import Results


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
        augmentation: of it.
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
