"""How far each data set of a study is from its source set, measured in an encoder's own features.

Fréchet distance and classifier both depend on how many images they see, so within an encoder every set is compared
with the source by the same number of images on either side, and the floor by that number too: the source's test part
is cut in halves, sets are compared with the first half, and the second half compared with the first is the floor.

A study without a source set takes what ships with an encoder's head for its own source: features of 512 of its training
images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from core.errors import DataUnavailable
from core.heads import linear, store
from core.metrics.domain import frechet_distance, knn_distance, two_sample_auroc
from core.results import schema, writing
from core.study.features import Features, by_hash
from core.tasks import tasks

VERSION = 1
"""Of what follows: part of every key, so that a change here measures anew."""
MAX_SAMPLES = 5000
"""Images of a set, and of either half of the reference, that are compared at once."""
FEW = 200
"""A set with fewer images is compared by what it has, and does not hold the others down to that."""
LEAST = 20
"""A set with fewer images is not measured; neither is anything when half of the reference has fewer."""
REPEATS = 4
"""Comparisons of disjoint images that a figure averages, where the sets are large enough for several."""
NEIGHBOUR = 10
"""The k of the k-NN distance."""

Floats = NDArray[np.float32]


MEASURES = ("frechet", "auroc", "knn")


def shipped(encoder_id: str, sha256: str) -> tuple[str, Features] | None:
    """The reference of a study without a source set: the encoder's own source task, and features that its head holds.

    None for an encoder of no such head, as those that were fetched, and for one whose head was fitted on other weights.

    Raises:
        WeightsInvalid: the head's file is damaged.
    """
    for task in tasks().values():
        path = store.fitted_path(encoder_id, task.id)
        if task.domain == "source" and task.study is None and path.is_file():
            head = linear.load(path)
            if head.familiarity is not None and head.facts.get("encoder_sha256") == sha256:
                values = head.familiarity.bank.float().numpy()
                ids = tuple(f"{task.id}/{i}" for i in range(len(values)))
                return task.id, Features(values, np.zeros(len(values), np.int64), ids, ())
    return None


def measure(
    encoder_id: str, reference: tuple[str, Features], targets: Mapping[str, Features], seed: int = 0
) -> pa.Table:
    """The distance of each target set from the reference in one encoder's features, and the floor.

    Which images stand for a set is decided by the hash of their ids: a longer run of the same study, or another
    machine, takes the same ones.

    Args:
        encoder_id: goes into the table.
        reference: id and features of what distances are from: the test part of the study's source, or `shipped`.
        targets: features of the test parts of the other sets, by id; the reference among them is passed over.
        seed: of the classifier's folds.

    Returns:
        A table as `core.results.schema.DISTANCES` says: a row a set and measure, and the floor as rows of the
        reference with itself. `samples` is how many images of either side each comparison saw. Sets of fewer than
        `LEAST` images have no rows, and no set has when the reference is smaller than twice that.

    Raises:
        DataUnavailable: features are not finite, or of different widths.
    """
    name, source = reference
    sets = {id: _shuffled(encoder_id, id, found) for id, found in targets.items() if id != name}
    bank = _shuffled(encoder_id, name, source)
    if any(values.shape[1] != bank.shape[1] for values in sets.values()):
        raise DataUnavailable(f"Features of '{encoder_id}' differ in width between data sets. Compute them anew.")
    half = len(bank) // 2
    bank, sets[name] = bank[:half], bank[half : 2 * half]
    common = min([MAX_SAMPLES, half, *(len(values) for values in sets.values() if len(values) >= FEW)])
    columns: dict[str, list[Any]] = {field.name: [] for field in schema.DISTANCES}
    # These matrices are small: threads of the linear algebra would spend ten times the work on waiting.
    with threadpool_limits(1, "blas"):
        for id, values in sets.items():
            size = min(common, len(values))
            if size < LEAST:
                continue
            for kind, value in zip(MEASURES, _average(values, bank, size, seed), strict=True):
                if np.isfinite(value):
                    for column, item in zip(columns, (encoder_id, id, name, kind, value, size), strict=True):
                        columns[column].append(item)
    return pa.table(columns).cast(schema.DISTANCES)


def write(out: str, tables: Sequence[pa.Table], key: str = "") -> str:
    """Store the distances of a study, or remove what an earlier run stored when nothing was measured.

    Returns the SHA-256 of the file; nothing without one.

    Args:
        tables: of `measure`, one an encoder; a table without rows says that measuring was tried.
        key: what the figures were made from, kept in the facts of the file.
    """
    address = f"{out}/distances.parquet"
    if tables:
        facts = {
            "key": key,
            "version": VERSION,
            "max_samples": MAX_SAMPLES,
            "few": FEW,
            "least": LEAST,
            "repeats": REPEATS,
            "neighbour": NEIGHBOUR,
            "features": "pooled, as the encoder gives them",
        }
        # One dictionary of words for all tables, as Parquet keeps one a column.
        return writing.write_parquet(address, pa.concat_tables(tables).unify_dictionaries(), facts)
    fs, path = writing.filesystem(address)
    if fs.exists(path):
        fs.rm_file(path)
    return ""


def _shuffled(encoder_id: str, name: str, features: Features) -> Floats:
    """The features in the order of their ids' hashes, no more than are ever used."""
    order = by_hash(features.ids, 2 * REPEATS * MAX_SAMPLES)
    values = np.asarray(features.values[order], np.float32)
    if not np.isfinite(values).all():
        raise DataUnavailable(f"Features of '{name}' by '{encoder_id}' are not finite: the encoder's weights are bad.")
    return values


def _average(values: Floats, bank: Floats, size: int, seed: int) -> NDArray[np.float64]:
    """The mean of comparisons of disjoint pieces of `size` images; the side with fewer pieces gives them again."""
    ours, theirs = len(values) // size, len(bank) // size
    found = [
        _compare(_piece(values, i % ours, size), _piece(bank, i % theirs, size), seed + i)
        for i in range(min(REPEATS, max(ours, theirs)))
    ]
    return np.mean(found, axis=0)


def _compare(values: Floats, reference: Floats, seed: int) -> tuple[float, float, float]:
    """One figure for each of `MEASURES`."""
    # A feature of zeros, which rectified features can be, has no direction and so no neighbours.
    queries, bank = values[values.any(axis=1)], reference[reference.any(axis=1)]
    known = len(queries) > 0 and len(bank) >= NEIGHBOUR
    return (
        frechet_distance(values, reference),
        two_sample_auroc(values, reference, rng=np.random.default_rng(seed)),
        float(knn_distance(queries, bank, NEIGHBOUR).mean()) if known else float("nan"),
    )


def _piece(values: Floats, number: int, size: int) -> Floats:
    return values[number * size : (number + 1) * size]
