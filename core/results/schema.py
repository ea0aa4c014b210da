"""The tables every figure of a study is drawn from, and the manifest's seal."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

VERSION = 3
"""Of the layout of a study: version 1 holds no hashes, version 2 answers alone; nothing else differs."""
READABLE = (1, 2, 3)

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


_CELL = (pa.field("encoder", _WORD), pa.field("dataset", _WORD))
"""What stands before the columns of a measure's table."""

INVARIANCE = pa.schema(
    [
        *_CELL,
        pa.field("augmentation", _WORD),
        pa.field("strength", pa.float32()),  # in the augmentation's unit
        pa.field("seed", pa.int16()),
        pa.field("sample_id", _WORD),
        pa.field("cosine", pa.float16()),  # between the clean and the augmented feature
        pa.field("centred", pa.float16()),  # the same about the mean of the training features
        pa.field("whitened", pa.float16()),  # the same after whitening by their covariance (Ericsson et al. 2021)
        pa.field("rank", pa.float16()),  # share of other images that are less like the view than its own image
        pa.field("kept", pa.float16()),  # calibrated probability of the clean view's class
        pa.field("flipped", pa.bool_()),
        pa.field("drift", pa.float16()),  # Jensen-Shannon divergence of the two answers, bits
        pa.field("map_stability", pa.float16()),  # Spearman of the maps, brought back into place; may be nan
    ]
)
"""Columns of `invariance/*.parquet`: one row a test image, augmentation, strength and seed. The identity, at which
nothing changes, has no rows."""

CRITICAL = pa.schema(
    [
        *_CELL,
        pa.field("augmentation", _WORD),
        pa.field("sample_id", _WORD),
        pa.field("withstood", pa.float32()),  # strength at which the answer is still the clean one
        pa.field("strength", pa.float32()),  # and the next one tried, at which it is another; equal when censored
        pa.field("censored", pa.bool_()),  # no tested strength flips the answer
    ]
)
"""Columns of `critical/*.parquet`: one row a test image and augmentation."""

ATTRIBUTION = pa.schema(
    [
        *_CELL,
        pa.field("sample_id", pa.string()),
        pa.field("role", _WORD),  # whose map: the `true` or the `predicted` class
        pa.field("class", pa.int32()),
        pa.field("height", pa.int16()),
        pa.field("width", pa.int16()),
        pa.field("map", pa.list_(pa.float16())),  # (h·w,) logits per cell, before any ReLU
        pa.field("evidence", pa.float32()),  # sum of the positive part, logits
        pa.field("degenerate", pa.bool_()),  # no positive evidence worth drawing
        pa.field("effective", pa.float32()),  # effective number of cells, as a share of all
        pa.field("gini", pa.float32()),
        pa.field("down", pa.float32()),  # centre of the evidence, share of the side
        pa.field("right", pa.float32()),
        pa.field("sanity_head", pa.float32()),  # Spearman to the map under a random head
        pa.field("sanity_stage", pa.float32()),  # and under a random last stage
        *[
            pa.field(f"{kind}{order}", pa.float32())  # area, of the predicted class; null where not measured
            for order in ("", "_random", "_centre")
            for kind in ("deletion", "insertion")
        ],
        # Where the set has masks; else null, and not there in studies of before.
        pa.field("in_mask", pa.float32()),  # share of the positive evidence on the object
        pa.field("pointing", pa.float32()),  # whether the strongest cell is: share of that cell which the object covers
        pa.field("mask_area", pa.float32()),  # share of the crop that the object covers, which is chance for both
        pa.field("mask_centre", pa.float32()),  # share of a centred Gaussian on the object
    ]
)
"""Columns of `attribution/*.parquet`: one row a test image and role."""

GEOMETRY = pa.schema(
    [*_CELL, pa.field("figure", _WORD), pa.field("value", pa.float64()), pa.field("samples", pa.int32())]
)
"""Columns of `geometry/*.parquet`: one row a figure of the feature space."""

FEATURES = pa.schema(
    [
        *_CELL,
        pa.field("sample_id", pa.string()),
        pa.field("label", pa.int32()),
        pa.field("feature", pa.list_(pa.float16())),  # (D,) pooled, as the encoder gives it
    ]
)
"""Columns of `features/*.parquet`: one row a test image."""

TABLES: dict[str, pa.Schema] = {
    "cells": ROWS,
    "logits": LOGITS,
    "invariance": INVARIANCE,
    "critical": CRITICAL,
    "attribution": ATTRIBUTION,
    "geometry": GEOMETRY,
    "features": FEATURES,
}
"""Tables of one file a cell, by folder."""

MEASURE_OF = {
    "cells": "answers",
    "logits": "answers",
    "invariance": "invariance",
    "critical": "invariance",
    "attribution": "attribution",
    "geometry": "geometry",
    "features": "geometry",
}
"""The measure whose cells write to a folder."""


def table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A table of these columns, cast as a schema says; those that name the cell come later (`of_cell`)."""
    fields = [field for field in schema if field not in _CELL]
    arrays = {field.name: pa.array(columns[field.name]).cast(field.type) for field in fields}
    return pa.table(arrays, pa.schema(fields))


def of_cell(rows: pa.Table, schema: pa.Schema, encoder: str, dataset: str) -> pa.Table:
    """A measure's table with the columns that name its cell."""
    named = {"encoder": encoder, "dataset": dataset}
    for place, field in enumerate(_CELL):
        rows = rows.add_column(place, field, pa.array([named[field.name]] * len(rows)).cast(field.type))
    return rows.cast(schema)


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the hash of its content, which tells an intact one from a damaged one."""
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return content | {"sha256": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}
