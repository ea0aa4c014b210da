"""Calibration in the domain against calibration away from it: all sets of a study side by side."""

import numpy as np
import pandas as pd

from core.metrics import resampling
from core.results.calibration import DRAWS, Floats, arranged, columns_of, null_of, positions, units_of, values_of
from core.results.store import StudyInfo

GROUPS = {"source": "in the domain", "similar": "in the domain", "different": "different domain"}
"""Declared domain to side; sets of unknown domain stand on neither."""
INSIDE, OUTSIDE = "in the domain", "different domain"

SETS = (
    *("dataset", "label", "domain", "encoder", "scaled", "units", "seeds", "accuracy"),
    *("ece", "low", "high", "null", "null_high", "overconfidence", "brier", "nll", "auroc", "aurc", "excess_aurc"),
)
SIDES = ("encoder", "scaled", "inside", "outside", "gap", "low", "high", "found", "sets_inside", "sets_outside")
FIGURES = ("accuracy", "ece", "overconfidence", "brier", "nll", "auroc", "aurc", "excess_aurc")


def by_domain(info: StudyInfo, protocol: str, encoders: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures of confidence on every set of the study, raw and after temperature, and what leaving the domain costs.

    Args:
        info: the study.
        protocol: id.
        encoders: ids.

    Returns:
        Two tables. One row a set, contender and state, sets by domain: dataset, label, domain, encoder, scaled,
        units (test samples, few-shot: episodes), seeds, accuracy, ece with low and high (95 % basic bootstrap), null
        and null_high (of a perfect model), overconfidence, brier, nll, auroc, aurc, excess_aurc; states without a
        fitted temperature have no row. And one row a contender and state with sets on both sides: encoder, scaled,
        inside and outside (mean ECE over the sets of either side), gap (outside minus inside) with low and high, found
        (whether the interval leaves 0 out), sets_inside, sets_outside. The sets are taken as given: the interval says
        nothing of other sets.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    rows = []
    drawn_ece: dict[tuple[str, bool, str], list[tuple[float, Floats]]] = {}
    for number, dataset in enumerate(info.by_domain()):
        about = info.datasets[dataset]
        columns = columns_of(info, protocol, encoders, dataset)
        if not columns:
            continue
        units, place = positions(columns)
        # Draws of a set's samples are independent of those of the other sets, and the same for all that is compared.
        drawn = resampling.resamples(units, DRAWS, rng=np.random.default_rng(number))
        for scaled in (False, True):
            found = arranged(columns, units, place, scaled)
            for id, runs in found.runs.items():
                draws = np.mean(
                    [
                        resampling.resampled_calibration_error(drawn, run.unit, run.confidence, run.correct)
                        for run in runs
                    ],
                    axis=0,
                )
                means = pd.DataFrame([values_of(run) for run in runs])[list(FIGURES)].mean(skipna=False).to_dict()
                interval = resampling.basic_interval(means["ece"], draws, low=0, high=1)
                null, null_high = null_of(runs)
                rows.append(
                    {
                        "dataset": dataset,
                        "label": about["label"],
                        "domain": about["domain"],
                        "encoder": id,
                        "scaled": scaled,
                        "units": units_of(runs),
                        "seeds": len(runs),
                        **means,
                        "low": interval.low,
                        "high": interval.high,
                        "null": null,
                        "null_high": null_high,
                    }
                )
                if about["domain"] in GROUPS:
                    drawn_ece.setdefault((id, scaled, GROUPS[about["domain"]]), []).append((means["ece"], draws))
    return pd.DataFrame(rows, columns=list(SETS)), _sides(drawn_ece)


def _sides(drawn: dict[tuple[str, bool, str], list[tuple[float, Floats]]]) -> pd.DataFrame:
    rows = []
    for id, scaled, side in drawn:
        if side != INSIDE or (id, scaled, OUTSIDE) not in drawn:
            continue
        inside, outside = drawn[id, scaled, INSIDE], drawn[id, scaled, OUTSIDE]
        means = [float(np.mean([value for value, _ in part])) for part in (inside, outside)]
        draws = [np.mean([values for _, values in part], axis=0) for part in (inside, outside)]
        gap = resampling.basic_interval(means[1] - means[0], draws[1] - draws[0])
        found = bool(gap.low > 0 or gap.high < 0)
        values = (id, scaled, *means, gap.estimate, gap.low, gap.high, found, len(inside), len(outside))
        rows.append(dict(zip(SIDES, values, strict=True)))
    return pd.DataFrame(rows, columns=list(SIDES))
