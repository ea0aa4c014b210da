"""Answers of a protocol as the rows of `core.results.schema`."""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.metrics import calibration, confidence
from core.results import schema
from core.study.features import Features
from core.study.protocols.base import ProtocolAnswers

TOP = 5
BLOCK = 2**22  # probabilities at once: 32 MB each in double precision
NOT_ON_OFFER = 1e6  # below any logit on offer; exp gives exactly 0 at every temperature that can be fitted


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


def table(names: Names, answers: ProtocolAnswers, test: Features) -> pa.Table:
    """One row a sample (and episode), as `schema.ROWS` says; a class that was not on offer has probability 0."""
    labels = test.labels[answers.sample]
    count, classes = answers.logits.shape
    # In blocks: double-precision probabilities of 45,000 few-shot queries over 1,000 classes would fill gigabytes.
    size = max(1, BLOCK // classes)
    blocks = [
        _columns(answers.logits[start : start + size], labels[start : start + size], answers.temperature)
        for start in range(0, count, size)
    ]
    joined = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    columns: dict[str, object] = {
        **{name: [value] * count for name, value in asdict(names).items()},
        "episode": answers.episode if answers.episode is not None else [None] * count,
        "sample_id": [test.ids[i] for i in answers.sample],
        "label": labels,
        **joined,
        "top5": list(joined["top5"]),  # a table holds lists here, not a matrix
    }
    if answers.temperature is None:
        columns |= {f"calibrated_{name}": [None] * count for name in ("confidence", "true_probability", "brier")}
    return pa.table({field.name: pa.array(columns[field.name]).cast(field.type) for field in schema.ROWS}, schema.ROWS)


def _columns(
    logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float | None
) -> dict[str, NDArray[np.generic]]:
    """What a block of answers says."""
    at = np.arange(len(labels))
    raw = _probabilities(logits, 1.0)
    # Of equal logits the lower class comes first, as in top_k_accuracy.
    order = np.argsort(-logits, axis=1, kind="stable")[:, :TOP].astype(np.int32)
    first = order[:, 0]
    columns: dict[str, NDArray[np.generic]] = {
        "prediction": first,
        "confidence": raw[at, first],
        "true_probability": raw[at, labels],
        "margin": confidence.margin(raw),
        "entropy": confidence.entropy(raw),
        "brier": calibration.brier_score(raw, labels),
        "top5": order,
    }
    if temperature is not None:
        calibrated = _probabilities(logits, temperature)
        columns |= {
            "calibrated_confidence": calibrated[at, first],
            "calibrated_true_probability": calibrated[at, labels],
            "calibrated_brier": calibration.brier_score(calibrated, labels),
        }
    return columns


def _probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Softmax in which −inf gives exactly 0; the metric itself takes finite numbers alone."""
    scores = logits.astype(np.float64)
    off = np.isneginf(scores)
    if off.any():
        lowest = np.where(off, np.inf, scores).min(axis=1, keepdims=True)
        scores = np.where(off, lowest - NOT_ON_OFFER, scores)
    return confidence.softmax(scores, temperature)


def logits_table(answers: ProtocolAnswers, test: Features) -> pa.Table:
    """The side table: (C,) half-precision logits a sample."""
    flat = pa.array(answers.logits.astype(np.float16).ravel())
    count, classes = answers.logits.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * classes)
    lists = pa.ListArray.from_arrays(offsets, flat)
    return pa.table({"sample_id": [test.ids[i] for i in answers.sample], "logits": lists}, schema.LOGITS)
