"""What a measure is given, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import DataUnavailable
from core.readout import Contender
from core.study import encoding
from core.study.features import by_hash
from core.study.protocols.base import Material
from core.study.protocols.linear import fitted


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a measure found.

    Attributes:
        tables: by folder of the study, as `core.results.schema.TABLES` says; the columns that name the cell are added
            to them. The last one is what makes the cell done.
        facts: figures of the whole cell, and what was chosen on the way, as plain values.
    """

    tables: Mapping[str, pa.Table]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured of an encoder on a data set.

    Attributes:
        id: key in the registry, in plans and in tables.
        label: name for people.
        description: one sentence for people.
        version: part of every cell's key: raise it when the same material should give other rows.
        tables: the folders of its tables, the one that makes a cell done last.
        options: names of the settings that a plan may give.
        check: raises where these are out of range, before anything is run.
        run: material to what was found.
        passes: (options, test images) to how many images an encoder reads.
        size: (options, test images) to bytes of its tables, about.
    """

    id: str
    label: str
    description: str
    version: int
    tables: tuple[str, ...]
    options: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], object]
    run: Callable[[Material], Found]
    passes: Callable[[Mapping[str, Any], int], float]
    size: Callable[[Mapping[str, Any], int], float]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The test samples that a measure looks at.

    Attributes:
        crops: (N, S, S, 3) uint8, what the encoder sees.
        labels: (N,) int64.
        ids: (N,) sample ids.
        sample: (N,) positions in the test features.
    """

    crops: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    sample: NDArray[np.int64]


def choose(material: Material, count: int) -> Chosen:
    """Up to `count` samples of the test part, by the hash of their ids: the same ones for every encoder.

    Raises:
        DataUnavailable: one of them can no longer be read.
    """
    sample = by_hash(material.test.ids, count)
    ids = [material.test.ids[i] for i in sample]
    part = material.images.parts["test"]
    places = {id: position for position, id in enumerate(part.ids)}
    crops, _, problems = encoding.read_crops(material.encoder(), part, [places[id] for id in ids])
    if problems:
        raise DataUnavailable(f"{len(problems)} test images can no longer be read: {'; '.join(problems[:3])}.")
    return Chosen(np.stack(crops), material.test.labels[sample], tuple(ids), sample)


def contender(material: Material) -> Contender:
    """The encoder with the linear probe that the study's own answers rest on."""
    return Contender(material.encoder(), fitted(material).to(material.device))
