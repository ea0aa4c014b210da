"""Confidence of a study's contenders: how well it is calibrated, and what it says in and out of the domain.

With several seeds every figure is the mean over seeds of the seed's own figure: pooling the answers of several heads
would give the calibration of none of them. Intervals come from resampling the test samples, each with the answers of
all seeds and contenders (few-shot: the episodes), so they say what other test samples would have given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import metrics
from core.metrics import resampling
from core.metrics.resampling import Resamples
from core.results import summary
from core.results.store import StudyInfo

BINS = 15
DRAWS = 500
NULL_DRAWS = 200
IN_DOMAIN = ("source", "similar")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of confidence.

    Attributes:
        id: column in tables.
        label: as people read it.
        better: `lower`, `higher`, `zero` (nearest to it), or empty.
        low: smallest possible value.
        high: largest possible value.
        help: one sentence.
    """

    id: str
    label: str
    better: str
    low: float
    high: float
    help: str


MEASURES = (
    Measure("accuracy", "Top-1 accuracy", "higher", 0, 1, "Share of right answers."),
    Measure("confidence", "Mean confidence", "", 0, 1, "Mean of the largest softmax probability."),
    Measure("ece", "ECE", "lower", 0, 1, "Expected calibration error: mean distance of confidence and accuracy."),
    Measure("overconfidence", "Overconfidence", "zero", -1, 1, "Mean confidence minus accuracy; below 0: too modest."),
    Measure("brier", "Brier score", "lower", 0, 2, "Squared error of the probabilities, summed over classes."),
    Measure("nll", "NLL (nats)", "lower", 0, np.inf, "Negative log-likelihood of the true class."),
    Measure("when_right", "Confidence when right", "", 0, 1, "Mean confidence of right answers."),
    Measure("when_wrong", "Confidence when wrong", "", 0, 1, "Mean confidence of wrong answers."),
    Measure(
        "auroc", "AUROC of errors", "higher", 0, 1, "Chance that a right answer is surer than a wrong one; ½: none."
    ),
    Measure("aurc", "AURC", "lower", 0, 1, "Area under risk over coverage: mean risk when the surest are answered."),
    Measure("excess_aurc", "Excess AURC", "lower", 0, 1, "AURC beyond that of an ideal ranking at this accuracy."),
)
"""Every figure of the page, in the order of its table."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The answers of one contender under one seed, the surest first.

    Each array is (N,); `unit` is what a bootstrap draws together.
    """

    seed: int
    unit: NDArray[np.int64]
    label: NDArray[np.int64]
    confidence: Floats
    correct: NDArray[np.bool_]
    true_probability: Floats
    brier: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The answers of several contenders on one data set.

    Attributes:
        runs: of each contender by id, one a seed; a contender without answers is missing, and after temperature also
            one for which none was fitted.
        units: how many units a bootstrap draws from.
    """

    runs: dict[str, list[Run]]
    units: int


def answers(info: StudyInfo, protocol: str, encoders: Sequence[str], dataset: str, scaled: bool = False) -> Answers:
    """The answers of some contenders, raw or after temperature.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    return of_columns(columns_of(info, protocol, encoders, dataset), scaled)


def columns_of(info: StudyInfo, protocol: str, encoders: Sequence[str], dataset: str) -> dict[str, pd.DataFrame]:
    """`summary.columns` of those contenders that have answers on a data set, by id.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    here = [id for id in encoders if info.done(protocol, (id,), (dataset,))]
    return {id: summary.columns(info, protocol, id, dataset) for id in here}


def positions(columns: dict[str, pd.DataFrame]) -> tuple[int, dict[str, NDArray[np.int64]]]:
    """How many units some tables of `summary.columns` have between them, and (N,) which of them each row is of."""
    if not columns:
        return 0, {}
    known, place = np.unique(np.concatenate([t["unit"].to_numpy() for t in columns.values()]), return_inverse=True)
    ends = np.cumsum([len(table) for table in columns.values()])
    return len(known), dict(zip(columns, np.split(place, ends[:-1]), strict=True))


def of_columns(columns: dict[str, pd.DataFrame], scaled: bool) -> Answers:
    """Tables of `summary.columns` by contender as arrays by contender and seed."""
    return arranged(columns, *positions(columns), scaled)


def arranged(
    columns: dict[str, pd.DataFrame], units: int, place: dict[str, NDArray[np.int64]], scaled: bool
) -> Answers:
    """What `of_columns` gives, from the units of `positions`."""
    prefix = "calibrated_" if scaled else ""
    runs: dict[str, list[Run]] = {}
    for id, table in columns.items():
        unit = place[id]
        if table[f"{prefix}confidence"].isna().any():
            continue  # no temperature was fitted
        seeds = table["seed"].to_numpy()
        values = {
            name: table[column].to_numpy()
            for name, column in (
                ("label", "label"),
                ("confidence", f"{prefix}confidence"),
                ("correct", "correct"),
                ("true_probability", f"{prefix}true_probability"),
                ("brier", f"{prefix}brier"),
            )
        }
        runs[id] = []
        for seed in np.unique(seeds):
            mine = np.flatnonzero(seeds == seed)
            # The surest first, once: whatever sorts them again finds them sorted, which is most of its time.
            mine = mine[np.argsort(-values["confidence"][mine], kind="stable")]
            part = {name: column[mine] for name, column in values.items()}
            for name in ("confidence", "true_probability", "brier"):
                part[name] = part[name].astype(np.float64)
            runs[id].append(Run(int(seed), unit[mine], **part))
    return Answers(runs, units)


def units_of(runs: Sequence[Run]) -> int:
    """How many different units the answers of some seeds are of."""
    return int(np.count_nonzero(np.bincount(np.concatenate([run.unit for run in runs]))))


def values_of(run: Run, scheme: str = "width", bins: int = BINS) -> dict[str, float]:
    """Every figure of `MEASURES` for one seed; nan where it is undefined."""
    outcome = metrics.confidence_by_outcome(run.confidence, run.correct)
    aurc = metrics.aurc(run.confidence, run.correct)
    # Two classes, the true one and all others: the log-likelihood reads no more of the probabilities.
    two = np.column_stack([run.true_probability, 1 - run.true_probability])
    return {
        "accuracy": float(run.correct.mean()),
        "confidence": float(run.confidence.mean()),
        "ece": metrics.calibration_error(run.confidence, run.correct, bins, scheme),
        "overconfidence": metrics.overconfidence(run.confidence, run.correct),
        "brier": float(run.brier.mean()),
        "nll": metrics.negative_log_likelihood(two, np.zeros(len(two), dtype=np.int64)),
        "when_right": outcome.correct,
        "when_wrong": outcome.wrong,
        "auroc": metrics.misclassification_auroc(run.confidence, run.correct).value,
        "aurc": aurc,
        "excess_aurc": metrics.excess_aurc(run.confidence, run.correct),
    }


def draws_of(drawn: Resamples, run: Run, scheme: str = "width", bins: int = BINS) -> dict[str, Floats]:
    """(draws,) of every figure of `MEASURES` for one seed; nan in draws where it is undefined."""
    sure, right, unit = run.confidence, run.correct, run.unit
    accuracy = resampling.resampled_mean(drawn, unit, right)
    confidence = resampling.resampled_mean(drawn, unit, sure)
    aurc, auroc = resampling.resampled_ranking(drawn, unit, sure, right)
    with np.errstate(divide="ignore", invalid="ignore"):  # a label held impossible, a draw without errors
        loss = -np.log(run.true_probability)
        nll = resampling.resampled_mean(drawn, unit, loss) if np.isfinite(loss).all() else np.full_like(aurc, np.nan)
        when_right = resampling.resampled_mean(drawn, unit, sure * right) / accuracy
        when_wrong = resampling.resampled_mean(drawn, unit, sure * ~right) / (1 - accuracy)
        ideal = np.where(accuracy > 0, 1 - accuracy + accuracy * np.log(accuracy), 1.0)
    return {
        "accuracy": accuracy,
        "confidence": confidence,
        "ece": resampling.resampled_calibration_error(drawn, unit, sure, right, bins, scheme),
        "overconfidence": confidence - accuracy,
        "brier": resampling.resampled_mean(drawn, unit, run.brier),
        "nll": nll,
        "when_right": when_right,
        "when_wrong": when_wrong,
        "auroc": auroc,
        "aurc": aurc,
        "excess_aurc": aurc - ideal,
    }


def null_of(runs: Sequence[Run], scheme: str = "width", bins: int = BINS) -> tuple[float, float]:
    """Mean and 95 % upper end of the ECE that a perfect model with these confidences would get, meaned over seeds.

    Seeds share their test samples, so the upper end is the mean of the seeds' own: what it is when they err together,
    and an upper bound otherwise.
    """
    means, ends = [], []
    for run in runs:
        null = metrics.calibration_null(
            run.confidence, bins, scheme, draws=NULL_DRAWS, rng=np.random.default_rng(run.seed)
        )
        means.append(null.mean())
        ends.append(np.quantile(null, 0.95))
    return float(np.mean(means)), float(np.mean(ends))


def figures(found: Answers, encoders: Sequence[str], scheme: str = "width") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every figure of confidence of some contenders, and the difference of the first two of `encoders`.

    Args:
        found: their answers.
        encoders: ids; differences are the second minus the first.
        scheme: bins of equal `width` or `mass` for the ECE.

    Returns:
        Two tables. One row a contender and measure: encoder, measure, value (mean over seeds), low, high (95 % basic
        bootstrap over samples), seed_low, seed_high (range over seeds), seeds, units (test samples, few-shot:
        episodes), null, null_high (of a perfect model; for the ECE alone). And one row a measure: measure,
        difference, low, high, found (whether the interval leaves 0 out); empty when fewer than two have answers.
    """
    if not found.runs:
        return pd.DataFrame(columns=list(FIGURES)), pd.DataFrame(columns=list(DIFFERENCES))
    drawn = resampling.resamples(found.units, DRAWS, rng=np.random.default_rng(0))
    rows, means, draws = [], {}, {}
    for id, runs in found.runs.items():
        by_seed = pd.DataFrame([values_of(run, scheme) for run in runs])
        per_seed = [draws_of(drawn, run, scheme) for run in runs]
        null, null_high = null_of(runs, scheme)
        units = units_of(runs)
        for measure in MEASURES:
            name = measure.id
            seeds = by_seed[name].to_numpy(dtype=np.float64)
            means[id, name] = float(seeds.mean())
            draws[id, name] = np.mean([values[name] for values in per_seed], axis=0)
            interval = resampling.basic_interval(means[id, name], draws[id, name], low=measure.low, high=measure.high)
            perfect = (null, null_high) if name == "ece" else (float("nan"), float("nan"))
            values = (interval.estimate, interval.low, interval.high, seeds.min(), seeds.max(), len(runs), units)
            rows.append(dict(zip(FIGURES, (id, name, *values, *perfect), strict=True)))
    pair = [id for id in encoders[:2] if id in found.runs]
    gaps = []
    if len(pair) == 2:
        for measure in MEASURES:
            first, second = ((id, measure.id) for id in pair)
            gap = resampling.basic_interval(means[second] - means[first], draws[second] - draws[first])
            sure = bool(gap.low > 0 or gap.high < 0)
            gaps.append(dict(zip(DIFFERENCES, (measure.id, gap.estimate, gap.low, gap.high, sure), strict=True)))
    return pd.DataFrame(rows, columns=list(FIGURES)), pd.DataFrame(gaps, columns=list(DIFFERENCES))


FIGURES = (
    *("encoder", "measure", "value", "low", "high", "seed_low", "seed_high", "seeds", "units"),
    *("null", "null_high"),
)
DIFFERENCES = ("measure", "difference", "low", "high", "found")
