"""Two contenders on the same samples: who is right where, whether a difference is more than noise, and the samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InvalidRequest
from core.metrics.accuracy import error_consistency, holm, mcnemar_exact
from core.metrics.domain import advantage
from core.metrics.interval import Interval, difference_of_means, normal_interval, z_test
from core.metrics.resampling import Bootstrapped, resampled_counts
from core.results import image_figures, training_noise
from core.results.info import StudyInfo
from core.results.reading import Results

LEVEL = 0.05
AHEAD = {1: "second ahead", -1: "first ahead", 0: "no difference found"}
PAIRED = (
    *("dataset", "label", "domain", "samples", "only_first", "only_second", "both", "neither"),
    *("difference", "low", "high", "p", "ahead", "noise", "p_holm", "verdict"),
)

CELLS = {"both": (True, True), "only first": (True, False), "only second": (False, True), "neither": (False, False)}
"""The 2 × 2 of right and wrong: whether the first and the second contender are right."""

ORDERS = {
    "confidence": "greatest(first_confidence, second_confidence) DESC",
    "uncertain": "greatest(first_confidence, second_confidence)",
    "difference": "abs(first_confidence - second_confidence) DESC",
    "margin": "least(first_margin, second_margin)",
    "sample": "sample_id",
}
"""Samples sorted: the surest first, the least sure, where confidence differs most, the closest call, by name."""

# One row a sample that both answered. Of several answers (one a seed, or one an episode) the first is that of the
# lowest seed and episode; a sample counts as right when most answers are, and of a tie the first answer decides.
_JUDGED = """
    WITH answered AS (
        SELECT dataset, sample_id, any_value(label) AS label,
            avg((prediction = label)::INT) FILTER (encoder = $first) AS first_share,
            avg((prediction = label)::INT) FILTER (encoder = $second) AS second_share,
            arg_min(prediction, turn) FILTER (encoder = $first) AS first_prediction,
            arg_min(prediction, turn) FILTER (encoder = $second) AS second_prediction{extra}
        FROM (SELECT *, seed::BIGINT << 32 | coalesce(episode, 0) AS turn FROM rows)
        GROUP BY dataset, sample_id HAVING first_share IS NOT NULL AND second_share IS NOT NULL
    ), judged AS (
        SELECT *,
            first_share > 0.5 OR (first_share = 0.5 AND first_prediction = label) AS first_correct,
            second_share > 0.5 OR (second_share = 0.5 AND second_prediction = label) AS second_correct
        FROM answered
    )
"""
_SURE = """,
            arg_min(confidence, turn) FILTER (encoder = $first) AS first_confidence,
            arg_min(confidence, turn) FILTER (encoder = $second) AS second_confidence,
            arg_min(margin, turn) FILTER (encoder = $first) AS first_margin,
            arg_min(margin, turn) FILTER (encoder = $second) AS second_margin"""

_COUNTED = (
    _JUDGED.format(extra="")
    + """
    SELECT dataset, label, first_share, second_share, first_correct, second_correct, count(*) AS samples,
        count_if(first_prediction = second_prediction) AS same
    FROM judged GROUP BY ALL ORDER BY ALL
"""
)

_EPISODES = """
    SELECT dataset, seed, episode,
        avg((prediction = label)::INT) FILTER (encoder = $second)
        - avg((prediction = label)::INT) FILTER (encoder = $first) AS difference
    FROM rows WHERE episode IS NOT NULL GROUP BY dataset, seed, episode HAVING difference IS NOT NULL
    ORDER BY dataset, seed, episode
"""


def _open(info: StudyInfo, protocol: str, first: str, second: str, dataset: str | None = None) -> Results:
    if first == second:
        raise InvalidRequest("Choose two different contenders: one cannot be compared with itself.")
    return Results(info, protocol, (first, second), None if dataset is None else (dataset,))


def paired(info: StudyInfo, protocol: str, first: str, second: str) -> pd.DataFrame:
    """How far the second contender is ahead of the first on each data set, and whether that is more than noise.

    Returns:
        One row a data set that both answered, in the study's order by domain: dataset, label, domain, samples, the
        2 × 2 of samples (only_first, only_second, both, neither), difference, low, high, p, ahead, noise, p_holm,
        verdict.
        `difference` is the accuracy of the second minus that of the first, by the set's own metric and averaged over
        seeds, in [−1, 1], over the samples both answered; low and high are its 95 % interval from a bootstrap over
        samples. In the 2 × 2 a sample counts as right when most of its answers are (of a tie the lowest seed
        decides), and p is McNemar's exact test of it. Few-shot answers come in episodes that share samples: there
        the difference, its interval (1.96 standard errors) and p (a paired z test) are over episodes. p_holm is
        adjusted over the data sets. `ahead` is 1 when both the difference and the 2 × 2 speak for the second, −1 when
        both speak for the first, else 0. `noise` is how far two training runs of one of the two recipes lie apart on
        the set, nan where the study has one run of each. The verdict names who is ahead when p_holm is below .05 and
        the difference exceeds the noise, else it is "no difference found".

    Raises:
        DataUnavailable: neither has a finished cell of this protocol, or a file is missing or damaged.
        InvalidRequest: first and second are the same.
    """
    with _open(info, protocol, first, second) as results:
        names = {"first": first, "second": second}
        counted = dict(iter(results.frame(_COUNTED, names).groupby("dataset")))
        drawn = dict(iter(results.frame(_EPISODES, names).groupby("dataset")))
    noise = training_noise.of_accuracy(info, protocol, (first, second))
    rows = []
    for id in info.by_domain():
        if id not in counted:
            continue
        entry = info.datasets[id]
        table = _two_by_two(counted[id])
        if id in drawn:
            interval = normal_interval(drawn[id]["difference"].to_numpy())
            p = z_test(interval)
            ahead = np.sign(interval.estimate)
        else:
            one, other, samples = (counted[id][name].to_numpy() for name in ("first_share", "second_share", "samples"))
            labels = counted[id]["label"].to_numpy(np.int64) if entry["metric"] == "mean-per-class" else None
            interval = advantage(one, other, samples, labels, rng=np.random.default_rng(0))
            p = mcnemar_exact(table["only first"], table["only second"])
            ahead = np.sign(table["only second"] - table["only first"])
        cells = [table[cell] for cell in ("only first", "only second", "both", "neither")]
        agreed = int(ahead) if ahead == np.sign(interval.estimate) else 0
        tested = (*interval, p, agreed, noise.get(id, np.nan))
        rows.append((id, entry["label"], entry["domain"], sum(cells), *cells, *tested))
    found = pd.DataFrame(rows, columns=list(PAIRED[:-2]))
    if found.empty:
        return found.reindex(columns=list(PAIRED))
    found["p_holm"] = holm(found["p"].to_numpy())
    sure = (found["p_holm"] < LEVEL) & ~(found["difference"].abs() <= found["noise"])
    found["verdict"] = [AHEAD[ahead if known else 0] for ahead, known in zip(found["ahead"], sure, strict=True)]
    return found[list(PAIRED)]


def gap_difference(paired: pd.DataFrame) -> Interval | None:
    """The second contender's generalization gap minus the first's, in [−2, 2].

    Mean difference (second minus first) over the different sets minus that over the similar ones, which are
    independent. None when there is no similar or no different set.

    Args:
        paired: of `paired`.
    """
    limits = {domain: part[["difference", "low", "high"]].to_numpy(float) for domain, part in paired.groupby("domain")}
    similar, different = ([Interval(*row) for row in limits.get(domain, ())] for domain in ("similar", "different"))
    return difference_of_means(different, similar) if similar and different else None


def _two_by_two(counted: pd.DataFrame) -> dict[str, int]:
    """Samples by cell of the 2 × 2."""
    return {
        cell: int(counted["samples"][(counted["first_correct"] == a) & (counted["second_correct"] == b)].sum())
        for cell, (a, b) in CELLS.items()
    }


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two contenders' answers go together.

    Attributes:
        samples: that both answered.
        kappa: error consistency with its 95 % interval, in [−1, 1]; nan where it is undefined.
        same: share of samples with the same prediction, in [0, 1].
    """

    samples: int
    kappa: Interval
    same: float


def agreement(info: StudyInfo, protocol: str, first: str, second: str, dataset: str) -> tuple[pd.DataFrame, Agreement]:
    """Whether two contenders answer the same, and fail on the same samples.

    Returns:
        The 2 × 2: four rows, columns cell (keys of `CELLS`), samples, share in [0, 1], where a sample counts as in
        `paired`; and what follows from it.

    Raises:
        DataUnavailable: neither has a finished cell on this data set, or a file is missing or damaged.
        InvalidRequest: first and second are the same.
    """
    with _open(info, protocol, first, second, dataset) as results:
        counted = results.frame(_COUNTED, {"first": first, "second": second})
    counts = np.array(list(_two_by_two(counted).values()))
    total = int(counts.sum())
    table = pd.DataFrame({"cell": list(CELLS), "samples": counts, "share": counts / max(total, 1)})
    same = int(counted["same"].sum()) / total if total else float("nan")
    return table, Agreement(total, consistency(counts), same)


def consistency(counts: NDArray[np.int64]) -> Interval:
    """`error_consistency` of the (4,) counts of `CELLS`, with a percentile bootstrap over samples."""
    value = float(error_consistency(counts))
    if np.isnan(value):
        return Interval(value, value, value)
    drawn = resampled_counts(counts, rng=np.random.default_rng(0))
    return Bootstrapped(value, error_consistency(drawn)).percentile()


def samples(
    info: StudyInfo,
    protocol: str,
    first: str,
    second: str,
    dataset: str,
    cell: str | None = None,
    label: int | None = None,
    predicted: int | None = None,
    confidence: tuple[float, float] = (0.0, 1.0),
    disagree: bool | None = None,
    measured: tuple[str, str, float, float] | None = None,
    order: str = "confidence",
    limit: int = 60,
    offset: int = 0,
) -> pd.DataFrame:
    """The samples that two contenders both answered, filtered and sorted, one page of them.

    Args:
        cell: a key of `CELLS`; None for all.
        label: class index of the samples; None for all.
        predicted: class index that at least one of the two predicts; None for all.
        confidence: range in which the confidence of at least one of the two lies, both ends included.
        disagree: True for samples with different predictions, False for equal ones, None for all.
        measured: key of `image_figures.FIGURES`, id of an augmentation where that is of one, and the range in which
            the figure of at least one of the two lies, both ends included; None for all, measured or not.
        order: a key of `ORDERS`; ties by sample id.

    Returns:
        sample_id, label, first_prediction, second_prediction, first_confidence, second_confidence, first_margin,
        second_margin (of the lowest seed, before temperature), first_correct, second_correct (by most seeds, as in
        `paired`), first_share, second_share (of answers that are right), cell, total (how many rows pass the filters
        on all pages), and with `measured` first_value and second_value.

    Raises:
        DataUnavailable: neither has a finished cell on this data set or was not measured there, or a file is missing
            or damaged.
        InvalidRequest: first and second are the same, or no such cell or order.
    """
    if order not in ORDERS:
        raise InvalidRequest(f"Samples cannot be sorted by '{order}'. Known: {', '.join(ORDERS)}.")
    if cell is not None and cell not in CELLS:
        raise InvalidRequest(f"There is no cell '{cell}' of right and wrong. Known: {', '.join(CELLS)}.")
    values: dict[str, Any] = {"first": first, "second": second, "low": confidence[0], "high": confidence[1]}
    wanted = ["(first_confidence BETWEEN $low AND $high OR second_confidence BETWEEN $low AND $high)"]
    if cell is not None:
        wanted.append("first_correct = $a AND second_correct = $b")
        values["a"], values["b"] = CELLS[cell]
    if label is not None:
        wanted.append("label = $label")
        values["label"] = label
    if predicted is not None:
        wanted.append("(first_prediction = $predicted OR second_prediction = $predicted)")
        values["predicted"] = predicted
    if disagree is not None:
        wanted.append("(first_prediction <> second_prediction) = $disagree")
        values["disagree"] = disagree
    figures, join, more = None, "", ""
    if measured is not None:
        figure, augmentation, values["least"], values["most"] = measured
        figures = image_figures.of_pair(info, figure, augmentation, first, second, dataset)
        join, more = "JOIN figures USING (sample_id)", ", first_value, second_value"
        wanted.append("(first_value BETWEEN $least AND $most OR second_value BETWEEN $least AND $most)")
    sql = (
        _JUDGED.format(extra=_SURE)
        + f"""
        SELECT sample_id, label, first_prediction, second_prediction, first_confidence, second_confidence,
            first_margin, second_margin, first_correct, second_correct, first_share, second_share,
            CASE WHEN first_correct AND second_correct THEN 'both' WHEN first_correct THEN 'only first'
                WHEN second_correct THEN 'only second' ELSE 'neither' END AS cell,
            count(*) OVER () AS total{more}
        FROM judged {join} WHERE {" AND ".join(wanted)}
        ORDER BY {ORDERS[order]}, sample_id LIMIT {int(limit)} OFFSET {int(offset)}
        """
    )
    with _open(info, protocol, first, second, dataset) as results:
        if figures is not None:
            results.register("figures", figures)
        return results.frame(sql, values)
