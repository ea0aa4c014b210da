"""Several images of one's own: every contender's answer to each, and, once they are labelled, a small study."""

from collections.abc import Mapping, Sequence

import pandas as pd

from core.confidence import Prediction, agreement
from core.encoders.spec import EncoderSpec
from core.metrics.accuracy import mcnemar_exact, wilson_interval

TRUE = "true class"


def answers(
    names: Sequence[str],
    sizes: Sequence[str],
    predictions: Sequence[Sequence[Prediction]],
    specs: Sequence[EncoderSpec],
    classes: Sequence[str],
) -> pd.DataFrame:
    """One row an image: image, size, of each contender `id` (its answer) and `id confidence`, and whether all agree.

    Args:
        names: of the images.
        sizes: likewise, in words.
        predictions: one sequence an image, one prediction a contender.
        classes: names in label order.
    """
    rows = []
    for name, size, found in zip(names, sizes, predictions, strict=True):
        row: dict[str, object] = {"image": name, "size": size}
        for spec, prediction in zip(specs, found, strict=True):
            row[spec.id] = classes[prediction.top]
            row[f"{spec.id} confidence"] = prediction.confidence
        rows.append(row | {"agree": agreement(list(found))})
    return pd.DataFrame(rows)


def scores(table: pd.DataFrame, specs: Sequence[EncoderSpec]) -> pd.DataFrame:
    """How often each contender is right on the labelled images, with the 95 % Wilson interval in percent.

    Args:
        table: of `answers`, with the column `TRUE`, missing where an image has no label; one label at least.

    Returns:
        One row a contender: contender, right, of, accuracy, low, high.
    """
    labelled = table[table[TRUE].notna()]
    rows = []
    for spec in specs:
        right = int((labelled[spec.id] == labelled[TRUE]).sum())
        limits = (round(100 * value, 1) for value in wilson_interval(right, len(labelled)))
        rows.append((spec.label, right, len(labelled), *limits))
    return pd.DataFrame(rows, columns=["contender", "right", "of", "accuracy", "low", "high"])


def two_by_two(table: pd.DataFrame, first: EncoderSpec, second: EncoderSpec) -> dict[str, int]:
    """Labelled images that both, one or neither of two contenders get right."""
    labelled = table[table[TRUE].notna()]
    one, other = (labelled[spec.id] == labelled[TRUE] for spec in (first, second))
    return {
        "both": int((one & other).sum()),
        "only first": int((one & ~other).sum()),
        "only second": int((~one & other).sum()),
        "neither": int((~one & ~other).sum()),
    }


def advantage(cells: Mapping[str, int]) -> float:
    """McNemar's exact two-sided p of `two_by_two`: how often luck alone would split them so far."""
    return mcnemar_exact(cells["only first"], cells["only second"])
