"""The four questions of the paper, each with its finding in one sentence: what the first screen leads with."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core.metrics.attribution import Overlap
from core.plots.study_words import signed, verdicts
from core.sweeps import AtStrength


def accuracy(paired: pd.DataFrame, first: str, second: str) -> str:
    """Who is right more often, on how many sets.

    Args:
        paired: of `pairs.paired`.
        first: name of the contender that differences are taken from.
        second: name of the other.
    """
    return f"Data sets near and far, linear probe: {verdicts(paired, first, second)}."


def confidence(accuracies: pd.DataFrame, names: Mapping[str, str]) -> str:
    """By how many points each contender is surer than it is right, before temperature, as a mean over sets.

    Args:
        accuracies: rows of `summary.accuracy`.
        names: of the contenders by id, in order.
    """
    by_encoder = 100 * accuracies.groupby("encoder")["overconfidence"].mean()
    said = ", ".join(f"{name} {signed(by_encoder[id])}" for id, name in names.items())
    return f"Confidence minus accuracy over {accuracies['dataset'].nunique()} sets: {said} points."


def attribution(overlaps: Sequence[Overlap]) -> str:
    """How much of the strongest fifth of two maps is common; of more contenders the range over pairs.

    Args:
        overlaps: of `metrics.attribution.overlaps`; none where no two maps lie on one grid, and the sentence says so.
    """
    if not overlaps:
        return "Maps of one grid would be needed to say how far they look alike."
    low, high = min(o.iou for o in overlaps), max(o.iou for o in overlaps)
    reach = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    return f"The strongest fifths of their maps of this picture overlap by {reach} (chance {overlaps[0].chance:.0%})."


def invariance(at: AtStrength, done: str, names: Mapping[str, str]) -> str:
    """How much of each contender's similarity outlives an augmentation.

    Args:
        at: of `sweeps.at_strength`, chance-corrected.
        done: what was done, such as "turned by 180°".
        names: of the contenders by id; untrained ones are left out by leaving out their names.
    """
    kept = ", ".join(f"{name} {at.kept[id]:.2f}" for id, name in names.items() if id in at.kept)
    return f"Kept of this picture's feature when {done}: {kept} (1 is all, 0 as of another picture)."
