"""The four questions of the paper, each with its finding in one sentence: what the first screen leads with."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core.metrics.attribution import Overlap
from core.plots.study_words import verdicts
from core.plots.style import UNSURE
from core.results.steadiness import Overall
from core.text import signed


def accuracy(paired: pd.DataFrame, first: str, second: str) -> str:
    """Who is right more often, on how many sets.

    Args:
        paired: of `pairs.paired`.
    """
    return f"Right more often, over {len(paired)} data sets near and far: {verdicts(paired, first, second)}."


def confidence(accuracies: pd.DataFrame, names: Mapping[str, str]) -> str:
    """By how many points each contender is surer than it is right, before temperature, as a mean over sets.

    Args:
        accuracies: rows of `summary.accuracy`.
    """
    by_encoder = 100 * accuracies.groupby("encoder")["overconfidence"].mean()
    said = ", ".join(f"{name} {signed(by_encoder[id])}" for id, name in names.items())
    return f"Surer than right (confidence minus accuracy), over {accuracies['dataset'].nunique()} sets: {said} points."


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


def attribution_of_sets(overlaps: Sequence[float], chance: float) -> str:
    """How much of the strongest fifth of two contenders' maps is common, as the range over data sets.

    Args:
        overlaps: mean intersection over union by set, at least one.
        chance: of maps that know nothing of each other.
    """
    low, high = min(overlaps), max(overlaps)
    alike = sum(value > chance for value in overlaps)
    return (
        f"The fifths of a picture that speak most for its class overlap by {low:.0%} to {high:.0%} over "
        f"{len(overlaps)} sets; more than by chance ({chance:.0%}) on {alike}."
    )


def invariance(whole: Overall, names: Mapping[str, str], sets: int) -> str:
    """Who is moved less by changes of the picture, over data sets.

    Args:
        whole: of `steadiness.overall`.
    """
    said = ", ".join(f"{name} {whole.kept[id]:.2f}" for id, name in names.items())
    ahead = list(names.values())[int(whole.difference.estimate > 0)]
    verdict = f"{ahead} is the steadier" if whole.found else UNSURE.capitalize()
    return f"Kept when pictures of {sets} sets are turned, blurred, recoloured …: {said} (1 is all). {verdict}."
