"""Everything the Confidence page draws of one data set, from one reading of its rows."""

from dataclasses import dataclass

import pandas as pd

from core.results import abstaining, calibration
from core.results.store import StudyInfo


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Tables by what they show; see the functions that make them.

    Attributes:
        figures: of `calibration.figures`.
        differences: of the first two contenders, likewise.
        reliability: of `abstaining.reliability`.
        outcomes: of `abstaining.outcomes`.
        risks: of `abstaining.risks`.
        answered: of `abstaining.answered`.
    """

    figures: pd.DataFrame
    differences: pd.DataFrame
    reliability: pd.DataFrame
    outcomes: pd.DataFrame
    risks: pd.DataFrame
    answered: pd.DataFrame


def tables(
    info: StudyInfo, protocol: str, encoders: tuple[str, ...], dataset: str, scaled: bool, scheme: str = "width"
) -> Tables:
    """The tables of some contenders on one data set.

    Args:
        info: the study.
        protocol: id.
        encoders: ids; differences are the second minus the first.
        dataset: id.
        scaled: after temperature; contenders for which none was fitted are then missing.
        scheme: bins of equal `width` or `mass`.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    found = calibration.answers(info, protocol, encoders, dataset, scaled)
    return Tables(
        *calibration.figures(found, encoders, scheme),
        reliability=abstaining.reliability(found, scheme),
        outcomes=abstaining.outcomes(found),
        risks=abstaining.risks(found),
        answered=abstaining.answered(found),
    )
