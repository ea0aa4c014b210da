"""Every way to put the paper's claims to a study: what each claim leaves open to choice, and what each choice gives.

A claim's ways are a function of (study, first, second) that gives them one by one: what was chosen, and an estimate
with its 95 % interval, oriented so that more than 0 speaks for the claim about the second contender.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from core.metrics.interval import Interval, difference_of_means, student_interval
from core.metrics.resampling import Bootstrapped, mean_of, resamples
from core.results import attribution, confidence, explanation, invariance, pairs, steadiness, training_noise
from core.results.info import ANSWERS, StudyInfo
from core.results.measures import MEASURES, Redrawn

Way = tuple[tuple[str, ...], Interval]
"""What was chosen, and what it gives."""
LIMITS = ("estimate", "low", "high")
ALL, SIMILAR, DIFFERENT = "all sets", "similar sets", "different sets"
SIDES = (DIFFERENT, ALL, SIMILAR)
ON = "on "
"""Before the label of a single set: no way of its own to ask, but what says on which sets a claim holds."""


def protocols(info: StudyInfo, first: str, second: str) -> list[str]:
    """The protocols by which both answered, in the study's order."""
    return [id for id in info.manifest["protocols"] if info.measured(ANSWERS, (first, second), id)]


def _mean(intervals: Sequence[Interval]) -> Interval:
    return difference_of_means(intervals, [Interval(0.0, 0.0, 0.0)])


def _sides(info: StudyInfo, ids: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The groups of data sets that a claim is asked over, those without a set left out, and each set by itself."""
    known = [id for id in ids if info.datasets[id]["domain"] != "source"]
    yield from ((ON + str(info.datasets[id]["label"]), [id]) for id in known)
    for side in SIDES:
        domain = side.removesuffix(" sets")
        found = [id for id in known if side == ALL or info.datasets[id]["domain"] == domain]
        if found:
            yield side, found


def accuracy(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By protocol, metric, contrast (the different sets alone, or against the similar ones), and without each set."""
    for protocol in protocols(info, first, second):
        table = pairs.paired(info, protocol, first, second)
        for metric in ("accuracy", "chance-corrected accuracy"):
            sets: dict[str, dict[str, Interval]] = {}
            for row in table.to_dict("records"):
                classes = len(info.datasets[str(row["dataset"])]["classes"])
                scale = 1.0 if metric == "accuracy" else 1 / (1 - 1 / classes)
                limits = (scale * float(row[name]) for name in ("difference", "low", "high"))
                interval = Interval(*limits)
                sets.setdefault(str(row["domain"]), {})[str(row["label"])] = interval
                if row["domain"] != "source":
                    yield (protocol, metric, f"{ON}{row['label']}", "every one"), interval
            far, near = sets.get("different", {}), list(sets.get("similar", {}).values())
            leaves = [None, *far] if len(far) > 1 else [None]
            for left in leaves if far else []:
                kept = [interval for label, interval in far.items() if label != left]
                which = "every one" if left is None else f"without {left}"
                yield (protocol, metric, DIFFERENT, which), _mean(kept)
                if near:
                    contrast = "different minus similar"
                    yield (protocol, metric, contrast, which), difference_of_means(kept, near)


def _confidence(info: StudyInfo, first: str, second: str, figures: dict[str, int]) -> Iterator[Way]:
    chosen = [measure for measure in MEASURES if measure.id in figures]
    for protocol in protocols(info, first, second):
        gaps: dict[tuple[str, str, str], Bootstrapped] = {}
        sets = info.measured(ANSWERS, (first, second), protocol)
        for number, dataset in enumerate(sets):
            read = confidence.columns(info, protocol, (first, second), dataset)
            raw = confidence.compared(read, False)
            drawn = resamples(raw.units, confidence.DRAWS, rng=np.random.default_rng(number))
            for state, found in (("as given", raw), ("after temperature", confidence.compared(read, True))):
                if len(found.seeds) < 2:
                    continue
                one, two = ([Redrawn(seed, drawn) for seed in found.seeds[id]] for id in (first, second))
                for measure in chosen:
                    gap = mean_of(measure.over(two)) - mean_of(measure.over(one))
                    gaps[state, measure.id, dataset] = gap
        for state in ("as given", "after temperature"):
            for measure in chosen:
                for side, ids in _sides(info, sets):
                    of = [gaps[state, measure.id, id] for id in ids if (state, measure.id, id) in gaps]
                    if of:
                        i = mean_of(of).basic()
                        ends = (i.low, i.high) if figures[measure.id] > 0 else (-i.high, -i.low)
                        value = figures[measure.id] * i.estimate
                        yield (protocol, measure.label, state, side), Interval(value, *ends)


def surer(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By protocol, figure of confidence, before and after temperature, and side."""
    yield from _confidence(info, first, second, {"confidence": 1, "when_right": 1, "when_wrong": 1})


def calibrated(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By protocol, figure of calibration, before and after temperature, and side; errors saved are positive."""
    yield from _confidence(info, first, second, {"ece": -1, "brier": -1, "nll": -1, "excess_aurc": -1})


def concentrated(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By figure of concentration, class of the map, and side, paired by image."""
    sets = info.measured(attribution.MEASURE, (first, second))
    for role in ("predicted", "true"):
        table = attribution.images(info, (first, second), sets, role)
        for name, figure, sign in (("Gini", "gini", 1), ("cells in use", "effective", -1)):
            by_dataset = {}
            for id, part in table.groupby("dataset", observed=True):
                wide = part.pivot_table(index="sample_id", columns="encoder", values=figure, observed=True)
                by_dataset[str(id)] = student_interval(sign * (wide[second] - wide[first]).dropna())
            for side, ids in _sides(info, [id for id in sets if id in by_dataset]):
                yield (name, f"of the {role} class", side), _mean([by_dataset[id] for id in ids])


def elsewhere(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """Paired by image: how much more two runs of one recipe agree than the two contenders do; empty without two."""
    runs = [(run, other) for run in (first, second) for other in training_noise.runs_of(info, run) if other != run]
    kinds = {"Spearman": "spearman", "top fifth (IoU)": "iou", "mass": "mass"}
    for run, other in runs:
        sets = info.measured(attribution.MEASURE, (first, second, other))
        both = {
            id: [
                attribution.agreement(info, *pair, id).set_index("sample_id")
                for pair in ((run, other), (first, second))
            ]
            for id in sets
        }
        for name, kind in kinds.items():
            found = {id: student_interval((one[kind] - two[kind]).dropna()) for id, (one, two) in both.items()}
            for side, ids in _sides(info, sets):
                label = str(info.encoders[run]["label"])
                yield (name, f"than two runs of {label}", side), _mean([found[id] for id in ids])


def invariant(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By what is compared and how, with and without what either was pre-trained with, and side."""
    sets = info.measured(invariance.MEASURE, (first, second))
    sorts = {"all": frozenset[str](), "without those of pre-training": invariance.learned(info, first, second)}
    for way, about in invariance.WAYS.items():
        table = invariance.areas(info, way, (first, second), sets)
        for name, without in sorts.items():
            found = steadiness.gains(table, first, second, without)
            for side, ids in _sides(info, sets):
                yield (about.label, name, side), mean_of([found[id] for id in ids]).percentile()


def explained(info: StudyInfo, first: str, second: str) -> Iterator[Way]:
    """By property, comparison of features, beyond clean confidence or not, and side: AUROC above ½."""
    sets = explanation.datasets(info, first, second)
    for way in invariance.NORMALISATIONS:
        found = explanation.within(explanation.images(info, first, second, sets, way))
        label = invariance.WAYS[way].label
        for name, about in explanation.PROPERTIES.items():
            of_features = name in ("invariance", "untrained")
            if not of_features and way != "whitened":
                continue  # a property of the map does not depend on how features are compared
            for test in ("auroc", "beyond"):
                known = {id: getattr(each[name], test) for id, each in found.items()}
                known = {id: i for id, i in known.items() if i.estimate == i.estimate}
                for side, ids in _sides(info, known):
                    limits = (value - 0.5 for value in _mean([known[id] for id in ids]))
                    asked = "as it is" if test == "auroc" else "beyond clean confidence"
                    yield (about, label if of_features else "map", asked, side), Interval(*limits)
