"""Class by class: what is taken for what, and on which classes two contenders differ."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.interval import student_interval
from core.results.info import StudyInfo
from core.results.reading import Results

BY_CLASS = ("label", "samples", "first", "second", "difference", "low", "high", "first_takes", "second_takes")

_COUNTED = """
    SELECT encoder, label, prediction, count(*) AS answers FROM rows GROUP BY ALL ORDER BY ALL
"""
_SHARES = """
    SELECT sample_id, any_value(label) AS label,
        avg((prediction = label)::INT) FILTER (encoder = $first) AS first,
        avg((prediction = label)::INT) FILTER (encoder = $second) AS second
    FROM rows GROUP BY sample_id HAVING first IS NOT NULL AND second IS NOT NULL ORDER BY sample_id
"""


def confusion(info: StudyInfo, protocol: str, encoder: str, dataset: str) -> NDArray[np.float64]:
    """What a contender answers to the images of each class.

    Returns:
        (C, C) shares in [0, 1]: rows are true classes and sum to 1, or are nan where the study has no image of the
        class; columns are answers. All seeds and episodes count alike.

    Raises:
        DataUnavailable: no such cell is finished, or a file is missing or damaged.
    """
    with Results(info, protocol, (encoder,), (dataset,)) as results:
        counted = results.frame(_COUNTED)
    count = len(info.datasets[dataset]["classes"])
    table = np.zeros((count, count))
    table[counted["label"], counted["prediction"]] = counted["answers"]
    total = table.sum(axis=1, keepdims=True)
    return np.divide(table, total, out=np.full_like(table, np.nan), where=total > 0)


def by_class(info: StudyInfo, protocol: str, first: str, second: str, dataset: str) -> pd.DataFrame:
    """How often two contenders are right on each class, and what each takes it for.

    Returns:
        One row a class with images that both answered: label, samples, first and second (share right over samples and
        seeds, in [0, 1]), difference (second minus first) with its 95 % Student interval over samples (low, high; nan
        for one sample), first_takes and second_takes: the commonest wrong answer, −1 where there is none.

    Raises:
        DataUnavailable: no such cell is finished, or a file is missing or damaged.
    """
    with Results(info, protocol, (first, second), (dataset,)) as results:
        shares = results.frame(_SHARES, {"first": first, "second": second})
        counted = results.frame(_COUNTED)
    wrong = counted[counted["label"] != counted["prediction"]].sort_values("answers", ascending=False, kind="stable")
    commonest = wrong.drop_duplicates(["encoder", "label"]).set_index(["encoder", "label"])["prediction"]
    rows = []
    for label, part in shares.groupby("label"):
        found = student_interval(part["second"] - part["first"])
        takes = [int(commonest.get((id, label), -1)) for id in (first, second)]
        means = part["first"].mean(), part["second"].mean()
        rows.append((label, len(part), *means, *found, *takes))
    return pd.DataFrame(rows, columns=list(BY_CLASS))
