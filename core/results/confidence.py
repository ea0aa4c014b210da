"""Everything the Confidence page draws: the figures of `measures` on one data set and on all of them, with intervals.

Intervals come from resampling the test samples, each with the answers of all seeds and contenders (few-shot: the
episodes), so they say what other test samples would have given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.metrics.resampling import Bootstrapped, mean_of, resamples
from core.results import abstaining, training_noise
from core.results.info import StudyInfo
from core.results.measures import MEASURES, Ranked, Redrawn
from core.results.reading import Results

DRAWS = 500
FIGURES = (
    *("encoder", "measure", "value", "low", "high", "seed_low", "seed_high", "seeds", "units"),
    *("null", "null_high"),
)
DIFFERENCES = ("measure", "difference", "low", "high", "noise", "found")
SETS = (
    *("dataset", "label", "domain", "encoder", "scaled", "units", "seeds"),
    *(measure.id for measure in MEASURES),
    *("low", "high", "null", "null_high"),
)
SIDES = ("encoder", "scaled", "inside", "outside", "gap", "low", "high", "found", "sets_inside", "sets_outside")
INSIDE, OUTSIDE = "in the domain", "different domain"
GROUPS = {"source": INSIDE, "similar": INSIDE, "different": OUTSIDE}
"""Declared domain to side; sets of unknown domain stand on neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The answers of several contenders on one data set.

    Attributes:
        seeds: of each contender by id, one ranking a seed; a contender without answers is missing, and after
            temperature also one for which none was fitted.
        units: how many units a bootstrap draws from.
        episodes: whether units are few-shot episodes and not samples.
    """

    seeds: dict[str, list[Ranked]]
    units: int
    episodes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What is drawn of one data set.

    Attributes:
        figures: of `figures`.
        differences: of the first two contenders, likewise.
        reliability: of `abstaining.reliability`.
        outcomes: of `abstaining.outcomes`.
        risks: of `abstaining.risks`.
        answered: of `abstaining.answered`.
        episodes: whether intervals are over few-shot episodes and not over test samples.
    """

    figures: pd.DataFrame
    differences: pd.DataFrame
    reliability: pd.DataFrame
    outcomes: pd.DataFrame
    risks: pd.DataFrame
    answered: pd.DataFrame
    episodes: bool


def tables(
    info: StudyInfo, protocol: str, encoders: tuple[str, ...], dataset: str, scaled: bool, scheme: str = "width"
) -> Tables:
    """The tables of some contenders on one data set.

    Args:
        scaled: after temperature; contenders for which none was fitted are then missing.
        scheme: bins of equal `width` or `mass`.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    found = compared(columns(info, protocol, encoders, dataset), scaled)
    groups = training_noise.groups_of(info, encoders[:2])
    others = [id for group in groups for id in group if id not in encoders]
    repeats = compared(columns(info, protocol, others, dataset), scaled)
    return Tables(
        *figures(found, encoders, scheme, noise(found.seeds | repeats.seeds, groups, scheme)),
        reliability=abstaining.reliability(found.seeds, found.units, scheme),
        outcomes=abstaining.outcomes(found.seeds),
        risks=abstaining.risks(found.seeds),
        answered=abstaining.answered(found.seeds),
        episodes=found.episodes,
    )


def columns(info: StudyInfo, protocol: str, encoders: Sequence[str], dataset: str) -> dict[str, pd.DataFrame]:
    """The answers of those contenders that have any on a data set, all seeds, by id.

    Returns:
        One row an answer: seed, unit, drawn (whether it is of a few-shot episode), correct (bool), confidence,
        true_probability, brier, and the last three after temperature as calibrated_…, nan where none was fitted.
        Answers share a `unit`, from 0 on and the same for all contenders, when they belong together in a bootstrap:
        those to one sample, or of one episode.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    found = {}
    for id in encoders:
        if info.done(protocol, (id,), (dataset,)):
            with Results(info, protocol, (id,), (dataset,)) as results:
                found[id] = results.frame(
                    "SELECT seed, hash(CASE WHEN episode IS NULL THEN sample_id ELSE seed || '/' || episode END) AS "
                    "unit, episode IS NOT NULL AS drawn, prediction = label AS correct, confidence, true_probability, "
                    "brier, calibrated_confidence, calibrated_true_probability, calibrated_brier FROM rows"
                )
    if found:
        _, place = np.unique(np.concatenate([t["unit"].to_numpy() for t in found.values()]), return_inverse=True)
        ends = np.cumsum([len(table) for table in found.values()])
        for table, unit in zip(found.values(), np.split(place, ends[:-1]), strict=True):
            table["unit"] = unit
    return found


def compared(tables: dict[str, pd.DataFrame], scaled: bool) -> Compared:
    """The tables of `columns` as rankings, by probabilities as they are or after temperature."""
    seeds: dict[str, list[Ranked]] = {}
    prefix = "calibrated_" if scaled else ""
    for id, table in tables.items():
        if table[f"{prefix}confidence"].isna().any():
            continue  # no temperature was fitted
        seed, unit, correct = (table[name].to_numpy() for name in ("seed", "unit", "correct"))
        values = [table[f"{prefix}{name}"].to_numpy() for name in ("confidence", "true_probability", "brier")]
        seeds[id] = []
        for number in np.unique(seed):
            mine = np.flatnonzero(seed == number)
            # The surest first, once: whatever sorts them again finds them sorted, which is most of its time.
            mine = mine[np.argsort(-values[0][mine], kind="stable")]
            sure, true, brier = (column[mine].astype(np.float64) for column in values)
            seeds[id].append(Ranked(int(number), unit[mine], sure, correct[mine], true, brier))
    units = max((int(table["unit"].max()) + 1 for table in tables.values()), default=0)
    return Compared(seeds, units, any(bool(table["drawn"].any()) for table in tables.values()))


def noise(seeds: dict[str, list[Ranked]], groups: Sequence[list[str]], scheme: str) -> dict[str, float]:
    """By measure, how far two training runs of one recipe lie apart; nan where no group of runs has two."""
    if all(len(group) == 1 for group in groups):
        return {}
    values = {
        measure.id: pd.Series({id: np.mean([measure.value(s, scheme) for s in mine]) for id, mine in seeds.items()})
        for measure in MEASURES
    }
    return {id: training_noise.spread(by_encoder, groups) for id, by_encoder in values.items()}


def figures(
    found: Compared, encoders: Sequence[str], scheme: str = "width", noise: Mapping[str, float] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every figure of confidence of some contenders, and the difference of the first two of `encoders`.

    Args:
        scheme: bins of equal `width` or `mass` for the ECE.
        noise: between training runs by measure, where it is known.

    Returns:
        Two tables. One row a contender and measure: encoder, measure, value (mean over seeds), low, high (95 % basic
        bootstrap over samples), seed_low, seed_high (range over seeds), seeds, units (test samples, few-shot:
        episodes), null, null_high (of a perfect model, where the measure has one). And one row a measure: measure,
        difference, low, high, noise, found (whether the interval leaves 0 out and the difference exceeds the noise);
        empty when fewer than two have answers.
    """
    rows = []
    of: dict[tuple[str, str], Bootstrapped] = {}
    if found.seeds:
        drawn = resamples(found.units, DRAWS, rng=np.random.default_rng(0))
    for id, seeds in found.seeds.items():
        redrawn = [Redrawn(seed, drawn, scheme) for seed in seeds]
        units = _units(seeds)
        for measure in MEASURES:
            by_seed = measure.over(redrawn)
            figure = of[id, measure.id] = mean_of(by_seed)
            interval = figure.basic(low=measure.low, high=measure.high)
            ends = [end([one.value for one in by_seed]) for end in (np.min, np.max)]
            limits = (*interval, *ends)
            rows.append((id, measure.id, *limits, len(seeds), units, *measure.perfect(seeds, scheme)))
    pair = [id for id in encoders[:2] if id in found.seeds]
    gaps = []
    if len(pair) == 2:
        for measure in MEASURES:
            gap = (of[pair[1], measure.id] - of[pair[0], measure.id]).basic()
            least = (noise or {}).get(measure.id, np.nan)
            sure = gap.found and not abs(gap.estimate) <= least
            gaps.append((measure.id, *gap, least, sure))
    return pd.DataFrame(rows, columns=list(FIGURES)), pd.DataFrame(gaps, columns=list(DIFFERENCES))


def _units(seeds: Sequence[Ranked]) -> int:
    """How many different units the answers of some seeds are of."""
    return int(np.count_nonzero(np.bincount(np.concatenate([seed.unit for seed in seeds]))))


def by_domain(
    info: StudyInfo, protocol: str, encoders: tuple[str, ...], measure: str = "ece"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures of confidence on every set of the study, raw and after temperature, and what leaving the domain costs.

    Args:
        measure: id of the figure that intervals and sides are of.

    Returns:
        Two tables. One row a set, contender and state, sets by domain: dataset, label, domain, encoder, scaled,
        units (test samples, few-shot: episodes), seeds, every figure of `MEASURES`, and of `measure` low and high
        (95 % basic bootstrap), null and null_high (of a perfect model); states without a fitted temperature have no
        row. And one row a contender and state with sets on both sides: encoder, scaled, inside and outside (mean of
        `measure` over the sets of either side), gap (outside minus inside) with low and high, found (whether the
        interval leaves 0 out), sets_inside, sets_outside. The sets are taken as given: the interval says nothing of
        other sets.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    shown = next(m for m in MEASURES if m.id == measure)
    rows = []
    sides: dict[tuple[str, bool, str], list[Bootstrapped]] = {}
    for number, dataset in enumerate(info.by_domain()):
        about = info.datasets[dataset]
        read = columns(info, protocol, encoders, dataset)
        if not read:
            continue
        # Draws of a set's samples are independent of those of the other sets, and the same for all that is compared.
        raw = compared(read, False)
        drawn = resamples(raw.units, DRAWS, rng=np.random.default_rng(number))
        for scaled, found in ((False, raw), (True, compared(read, True))):
            for id, seeds in found.seeds.items():
                figure = mean_of(shown.over([Redrawn(seed, drawn) for seed in seeds]))
                interval = figure.basic(low=shown.low, high=shown.high)
                facts = (dataset, about["label"], about["domain"], id, scaled, _units(seeds), len(seeds))
                means = [np.mean([m.value(seed, "width") for seed in seeds]) for m in MEASURES]
                rows.append((*facts, *means, interval.low, interval.high, *shown.perfect(seeds, "width")))
                if about["domain"] in GROUPS:
                    sides.setdefault((id, scaled, GROUPS[about["domain"]]), []).append(figure)
    return pd.DataFrame(rows, columns=list(SETS)), _sides(sides)


def _sides(drawn: dict[tuple[str, bool, str], list[Bootstrapped]]) -> pd.DataFrame:
    rows = []
    for id, scaled, side in drawn:
        if side != INSIDE or (id, scaled, OUTSIDE) not in drawn:
            continue
        sets = drawn[id, scaled, INSIDE], drawn[id, scaled, OUTSIDE]
        inside, outside = map(mean_of, sets)
        gap = (outside - inside).basic()
        values = (inside.value, outside.value, *gap, gap.found, *map(len, sets))
        rows.append((id, scaled, *values))
    return pd.DataFrame(rows, columns=list(SIDES))
