"""Answers of a protocol as the rows of `core.results.schema`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.metrics import confidence
from core.results import schema

if TYPE_CHECKING:
    from core.study.features import Features
    from core.study.protocols.base import Answers

TOP = 5


@dataclass(frozen=True, slots=True)
class Names:
    """The columns that are the same in all rows of a cell."""

    study: str
    encoder: str
    regime: str
    weights: str
    dataset: str
    domain: str
    split: str
    protocol: str
    seed: int


def table(names: Names, answers: Answers, test: Features) -> pa.Table:
    """One row a sample (and episode), as `schema.ROWS` says."""
    labels = test.labels[answers.sample]
    count = len(labels)
    at = np.arange(count)
    raw = confidence.softmax(answers.logits)
    # Of equal logits the lower class comes first, as in top_k_accuracy.
    order = np.argsort(-answers.logits, axis=1, kind="stable")[:, :TOP].astype(np.int32)
    first = order[:, 0]
    none: NDArray[np.float64] | None = None
    calibrated = none if answers.temperature is None else confidence.softmax(answers.logits, answers.temperature)
    columns: dict[str, object] = {
        **{name: [value] * count for name, value in asdict(names).items()},
        "episode": answers.episode if answers.episode is not None else [None] * count,
        "sample_id": [test.ids[i] for i in answers.sample],
        "label": labels,
        "prediction": first,
        "confidence": raw[at, first],
        "calibrated_confidence": [None] * count if calibrated is None else calibrated[at, first],
        "true_probability": raw[at, labels],
        "calibrated_true_probability": [None] * count if calibrated is None else calibrated[at, labels],
        "margin": confidence.margin(raw),
        "entropy": confidence.entropy(raw),
        "brier": _brier(raw, labels),
        "calibrated_brier": [None] * count if calibrated is None else _brier(calibrated, labels),
        "top5": list(order),
        "top5_probability": list(np.take_along_axis(raw, order, axis=1).astype(np.float32)),
    }
    return pa.table({field.name: pa.array(columns[field.name]).cast(field.type) for field in schema.ROWS}, schema.ROWS)


def _brier(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    own = probabilities[np.arange(len(labels)), labels]
    return np.einsum("nk,nk->n", probabilities, probabilities) - 2 * own + 1


def logits_table(answers: Answers, test: Features) -> pa.Table:
    """The side table: (C,) half-precision logits a sample."""
    flat = pa.array(answers.logits.astype(np.float16).ravel())
    count, classes = answers.logits.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * classes)
    lists = pa.ListArray.from_arrays(offsets, flat)
    return pa.table({"sample_id": [test.ids[i] for i in answers.sample], "logits": lists}, schema.LOGITS)
