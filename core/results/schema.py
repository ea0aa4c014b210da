"""The table every figure of a study is drawn from: one row a test sample and contender. And the manifest's seal."""

import hashlib
import json
from typing import Any

import pyarrow as pa

VERSION = 2
"""Of the layout of a study. A manifest of version 1 holds no hashes; nothing else differs."""
READABLE = (1, 2)

_WORD = pa.dictionary(pa.int32(), pa.string())

ROWS = pa.schema(
    [
        pa.field("study", _WORD),
        pa.field("encoder", _WORD),
        pa.field("regime", _WORD),
        pa.field("weights", _WORD),  # SHA-256 of the encoder's file
        pa.field("dataset", _WORD),
        pa.field("domain", _WORD),
        pa.field("split", _WORD),
        pa.field("protocol", _WORD),
        pa.field("seed", pa.int16()),
        pa.field("episode", pa.int32()),  # few-shot only, null elsewhere
        pa.field("sample_id", pa.string()),
        pa.field("label", pa.int32()),
        pa.field("prediction", pa.int32()),
        pa.field("confidence", pa.float32()),  # largest softmax of the logits as they are
        pa.field("calibrated_confidence", pa.float32()),  # the same after temperature; null when none was fitted
        pa.field("true_probability", pa.float32()),
        pa.field("calibrated_true_probability", pa.float32()),
        pa.field("margin", pa.float32()),  # first minus second probability, before temperature
        pa.field("entropy", pa.float32()),  # nats, before temperature
        pa.field("brier", pa.float32()),  # sum over classes of (p - y)^2, before temperature
        pa.field("calibrated_brier", pa.float32()),
        pa.field("top5", pa.list_(pa.int32())),  # classes, most probable first
        pa.field("top5_probability", pa.list_(pa.float32())),
    ]
)
"""Columns of `cells/*.parquet`. Probabilities are in [0, 1]; labels and predictions index the data set's classes."""

LOGITS = pa.schema(
    [
        pa.field("sample_id", pa.string()),
        pa.field("logits", pa.list_(pa.float16())),  # (C,) before temperature
    ]
)
"""Columns of `logits/*.parquet`: the side table, one file a cell, named like the cell."""

DISTANCES = pa.schema(
    [
        pa.field("encoder", _WORD),
        pa.field("dataset", _WORD),
        pa.field("reference", _WORD),
        pa.field("measure", _WORD),  # frechet, auroc or knn
        pa.field("value", pa.float64()),
        pa.field("samples", pa.int32()),  # of the data set; the reference gives as many or what it has
    ]
)
"""Columns of `distances.parquet`: how far each set is from the reference set in an encoder's own features."""


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the hash of its content, which tells an intact one from a damaged one."""
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return content | {"sha256": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}
