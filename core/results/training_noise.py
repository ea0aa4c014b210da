"""How far two training runs of one recipe differ: what a difference between methods has to exceed."""

from collections.abc import Iterable

import pandas as pd

from core.results import summary
from core.results.info import StudyInfo

OF_ONE_RUN = ("label", "weights", "training_seed")


def runs_of(info: StudyInfo, encoder: str) -> list[str]:
    """The encoders of a study that one recipe gave under different training seeds, `encoder` among them.

    Runs are told by the manifest: all that it remembers of them is equal but their label, weights and training seed,
    and both seeds are known. Encoders that were never trained have no runs.
    """

    def recipe(about: dict) -> dict:
        return {key: value for key, value in about.items() if key not in OF_ONE_RUN}

    mine = info.encoders[encoder]
    if mine.get("training_seed") is None or mine["family"] == "random":
        return [encoder]
    return [
        id
        for id, about in info.encoders.items()
        if id == encoder or (about.get("training_seed") is not None and recipe(about) == recipe(mine))
    ]


def groups_of(info: StudyInfo, encoders: Iterable[str]) -> list[list[str]]:
    """The runs of each encoder that the study holds."""
    return [runs_of(info, id) for id in encoders if id in info.encoders]


def spread(values: pd.Series, groups: Iterable[list[str]]) -> float:
    """The largest range of `values` (by encoder) within one of the groups of runs; nan where no group has two."""
    found = [values.reindex(group).dropna() for group in groups]
    return max((float(part.max() - part.min()) for part in found if len(part) > 1), default=float("nan"))


def of_accuracy(info: StudyInfo, protocol: str, encoders: Iterable[str]) -> dict[str, float]:
    """By data set, how far accuracies of two training runs of one of these encoders lie apart, in [0, 1].

    Empty when the study has one run of each. A range of few runs is the least that the noise can be: two give about
    1.1 standard deviations.

    Raises:
        DataUnavailable: none has a finished cell of this protocol, or a file is missing or damaged.
    """
    groups = groups_of(info, encoders)
    if all(len(group) == 1 for group in groups):
        return {}
    table = summary.estimates(info, protocol, {id for group in groups for id in group})[0]
    return {
        str(dataset): spread(part.set_index("encoder")["accuracy"], groups)
        for dataset, part in table.groupby("dataset")
    }


def of_gap(info: StudyInfo, gaps: pd.DataFrame, encoders: Iterable[str]) -> float:
    """How far the generalization gaps of two training runs of one of these encoders lie apart; nan without two runs.

    Args:
        gaps: of `summary.generalization_gap`.
    """
    return spread(gaps.set_index("encoder")["gap"], groups_of(info, encoders))
