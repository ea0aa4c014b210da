"""Accuracy by data set, what it stands beside, and the generalization gap: tables of the rows of a study.

Functions take a study and ids or plain values, so that pages can cache them. Two contenders are in `pairs`.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from core.errors import DataUnavailable
from core.metrics import domain
from core.metrics.resampling import Bootstrapped
from core.results import atoms
from core.results.info import StudyInfo
from core.results.reading import Results

ACCURACY = (
    *("dataset", "label", "domain", "metric", "encoder", "encoder_label", "regime", "family", "samples", "seeds"),
    *("accuracy", "low", "high", "top5", "confidence", "overconfidence"),
)
CONTROLS = (
    *("dataset", "majority", "random_encoder"),
    *("best_supervised", "best_supervised_encoder", "best_supervised_study"),
)
GAP = ("encoder", "encoder_label", "family", "similar", "different", "gap", "low", "high")


def accuracy(info: StudyInfo, protocol: str) -> pd.DataFrame:
    """How often each contender is right on each data set, with its interval.

    Returns:
        One row a data set and encoder, in the study's order by domain: dataset, label, domain, metric, encoder,
        encoder_label, regime, family, samples, seeds, accuracy, low, high, top5, confidence, overconfidence.
        `accuracy` is in [0, 1] by the set's own metric, averaged over seeds; low and high are its 95 % interval over
        test samples, given the trained heads. `top5` is over samples, nan where answers come in episodes;
        `confidence` is the mean before temperature, and `overconfidence` that minus top-1 accuracy. For few-shot the
        metric is top-1 averaged over the episodes of all seeds, with 1.96 standard errors over episodes, and
        `samples` counts answers.

    Raises:
        DataUnavailable: the protocol has no finished cell, or a file is missing or damaged.
    """
    table, answered = estimates(info, protocol)
    intervals = [
        atoms.accuracy_interval(answered[id, encoder], metric == "mean-per-class", seeds)
        for id, encoder, metric, seeds in table[["dataset", "encoder", "metric", "seeds"]].itertuples(index=False)
    ]
    limits = {"low": [i.low for i in intervals], "high": [i.high for i in intervals]}
    return table.assign(**limits)[list(ACCURACY)]


Answered = dict[tuple[str, str], pd.DataFrame]


def estimates(info: StudyInfo, protocol: str, encoders: Collection[str] | None = None) -> tuple[pd.DataFrame, Answered]:
    """The table of `accuracy` without limits, and the atoms or episodes it comes from by data set and encoder.

    Several figures of one page ask for it: it is kept, encoder by encoder, and nobody may change it.

    Args:
        encoders: ids; None for all. A file of another one may be damaged.

    Raises:
        DataUnavailable: none has a finished cell of the protocol, or a file is missing or damaged.
    """
    with Results(info, protocol, encoders):  # what was damaged or went away since is told of
        done = {info.cells[id]["encoder"] for id in info.done(protocol, encoders)}
        found = {id: _of_encoder(info, protocol, id) for id in info.encoders if id in done}
    places = [(id, encoder) for id in info.by_domain() for encoder, sets in found.items() if id in sets]
    rows = [found[encoder][id][0] for id, encoder in places]
    return pd.DataFrame(rows), {(id, encoder): found[encoder][id][1] for id, encoder in places}


@lru_cache(maxsize=64)
def _of_encoder(info: StudyInfo, protocol: str, encoder: str) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """By data set, an encoder's row of `estimates` and the atoms or episodes that it comes from."""
    net, found = info.encoders[encoder], {}
    with Results(info, protocol, (encoder,)) as results:
        answered = [
            part for frame in (atoms.samples(results), atoms.episodes(results)) for part in frame.groupby("dataset")
        ]
    for id, part in answered:
        about = info.datasets[str(id)]
        answers = int(part["answers"].sum())
        confidence = float(part["confidence"].sum() / answers)
        drawn = "episode" in part
        metric = "top-1" if drawn else about["metric"]
        row = {
            "dataset": id,
            "label": about["label"],
            "domain": about["domain"],
            "metric": metric,
            "encoder": encoder,
            "encoder_label": net["label"],
            "regime": net["regime"],
            "family": net["family"],
            "samples": answers if drawn else int(part["samples"].sum()),
            "seeds": info.seeds_of(encoder, str(id), protocol),
            "accuracy": atoms.accuracy(part, metric == "mean-per-class"),
            "top5": float("nan") if drawn else float(part["top5"].sum() / answers),
            "confidence": confidence,
            "overconfidence": confidence - float(part["right_answers"].sum() / answers),
        }
        found[str(id)] = row, part
    return found


def controls(info: StudyInfo, others: Iterable[StudyInfo], protocol: str) -> pd.DataFrame:
    """What each accuracy stands beside: the majority class, an untrained encoder, the best supervised figure at hand.

    Args:
        others: all studies at hand; this one may be among them.

    Returns:
        One row a data set: dataset, majority, random_encoder, best_supervised, best_supervised_encoder,
        best_supervised_study; accuracies in [0, 1] by the set's own metric. `majority` is what always answering the
        commonest class of the *test* part gives (rows do not tell the training part's); for few-shot, and for the
        mean per class, that is chance. `random_encoder` is the best encoder without training, nan when there is none.
        `best_supervised` is the highest figure of a supervised encoder for the same images (by fingerprint) and
        protocol in any study at hand, missing when there is none; a study that cannot be read
        gives none.

    Raises:
        DataUnavailable: the protocol has no finished cell, or a file of this study is missing or damaged.
    """
    own, answered = estimates(info, protocol)
    supervised = _supervised(info, others, protocol, own)
    rows = []
    for (id, metric), part in own.groupby(["dataset", "metric"], sort=False):
        untrained = part["accuracy"][part["family"] == "random"]
        best = supervised[supervised["dataset"] == id].nlargest(1, "accuracy")
        encoder, study = best[["encoder", "study"]].iloc[0] if len(best) else (None, None)
        rows.append(
            {
                "dataset": id,
                "majority": _majority(answered[str(id), part["encoder"].iloc[0]], metric == "mean-per-class"),
                "random_encoder": float(untrained.max()) if len(untrained) else float("nan"),
                "best_supervised": float(best["accuracy"].iloc[0]) if len(best) else float("nan"),
                "best_supervised_encoder": encoder,
                "best_supervised_study": study,
            }
        )
    return pd.DataFrame(rows, columns=list(CONTROLS))


def _majority(answered: pd.DataFrame, per_class: bool) -> float:
    """Accuracy of a constant answer on the samples or episodes of one contender."""
    if "episode" in answered:
        return float((1 / answered["ways"]).mean())
    counts = answered.groupby("label")["samples"].sum()
    return 1 / len(counts) if per_class else float(counts.max() / counts.sum())


def _supervised(info: StudyInfo, others: Iterable[StudyInfo], protocol: str, own: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of supervised encoders on this study's data sets, in this study and the others at hand."""
    found = [own.assign(study=info.id)]
    here = {about["fingerprint"]: id for id, about in info.datasets.items()}
    for other in others:
        same = {id: here[a["fingerprint"]] for id, a in other.datasets.items() if a["fingerprint"] in here}
        labelled = [id for id, net in other.encoders.items() if net["family"] == "SL"]
        # Other settings (shots, steps) make another figure.
        settings = (s.manifest.get("options", {}).get(protocol, {}) for s in (info, other))
        if next(settings) != next(settings):
            continue
        if other.address == info.address or not other.done(protocol, labelled, same):
            continue
        try:
            table = estimates(other, protocol, labelled)[0]
        except DataUnavailable:
            continue  # whoever opens that study is told
        found.append(table[table["dataset"].isin(same)].assign(study=other.id, dataset=table["dataset"].map(same)))
    supervised = pd.concat(found, ignore_index=True)
    return supervised[supervised["family"] == "SL"]


def generalization_gap(info: StudyInfo, protocol: str) -> pd.DataFrame:
    """Each encoder's accuracy on the sets declared different minus that on those declared similar.

    Returns:
        One row an encoder that has answers on both kinds: encoder, encoder_label, family, similar, different, gap,
        low, high. `similar` is the mean accuracy over the sets declared similar, each by its own metric (the source
        set is not among them), `different` likewise; gap is different minus similar, in [−1, 1], and low and high its
        95 % interval from a bootstrap of the samples (few-shot: of the episodes) within each set. The sets are taken as
        given: the interval says nothing of other sets.

    Raises:
        DataUnavailable: the protocol has no finished cell, or a file is missing or damaged.
    """
    table, answered = estimates(info, protocol)
    rows = []
    for encoder, part in table.groupby("encoder", sort=False):
        sides: dict[str, list[Bootstrapped]] = {"similar": [], "different": []}
        for kind, first in (("similar", 0), ("different", len(part))):
            sets = part[part["domain"] == kind]
            # Sets are drawn apart from each other: one seed for all would make their noise common.
            sides[kind] = [
                atoms.bootstrapped(answered[id, str(encoder)], metric == "mean-per-class", seed)
                for seed, (id, metric) in enumerate(zip(sets["dataset"], sets["metric"], strict=True), start=first)
            ]
        if all(sides.values()):
            gap = domain.generalization_gap(**sides)
            means = (float(np.mean([accuracy.value for accuracy in side])) for side in sides.values())
            about = part.iloc[0]
            rows.append((encoder, about["encoder_label"], about["family"], *means, *gap))
    return pd.DataFrame(rows, columns=list(GAP))
