"""How an encoder uses its feature space on a data set, and the features by which two encoders are compared.

Two encoders are compared when they are looked at, not here: a study's encoders come and go, and the kept features of
the same images are all that alignment needs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from core.augmentations import AUGMENTATIONS
from core.encoders.encoder import features as features_of
from core.encoders.preprocess import normalise, to_unit
from core.errors import DataUnavailable
from core.metrics import representation as metrics
from core.results import schema
from core.study.features import by_hash
from core.study.measures.base import Found, Measure, choose
from core.study.measures.invariance import draw_of
from core.study.protocols.base import Material
from core.study.settings import Settings

SAMPLES = 300
"""Images of a set whose features are kept, unless a plan says otherwise."""
POSITIVES = "training-recipe"
"""The augmentation whose two draws of an image are a positive pair of alignment."""


def _asked(options: Mapping[str, Any]) -> tuple[int, int]:
    """How many images' features are kept, and how many the figures are of."""
    given = Settings("measure geometry", options, GEOMETRY.options)
    return given.whole("samples", SAMPLES, 20, 20_000), given.whole("bank", 2000, 20, 100_000)


def run(material: Material) -> Found:
    """Rows as `schema.GEOMETRY` and `schema.FEATURES` say.

    Raises:
        InvalidRequest: an option is out of range.
        DataUnavailable: images cannot be read, or features are not finite.
    """
    kept, samples = _asked(material.options)
    order = by_hash(material.test.ids, max(kept, samples))
    values = np.asarray(material.test.values[order], np.float32)
    if not np.isfinite(values).all():
        raise DataUnavailable("Features are not finite: the encoder's weights are bad.")
    bank = values[:samples].astype(np.float64)
    figures = {
        "rank_me": metrics.rank_me(bank),
        "participation": metrics.participation_ratio(bank),
        "uniformity": metrics.uniformity(bank) if bank.any(axis=1).all() else float("nan"),
        "collapse": metrics.collapse_std(bank) if bank.any(axis=1).all() else float("nan"),
        "alignment": _alignment(material, kept),
        "dimensions": float(bank.shape[1]),
    }
    names = list(figures)
    geometry = schema.table(
        {"figure": names, "value": [figures[name] for name in names], "samples": [len(bank)] * len(names)},
        schema.GEOMETRY,
    )
    rows = schema.table(
        {
            "sample_id": [material.test.ids[i] for i in order[:kept]],
            "label": material.test.labels[order[:kept]],
            "feature": list(values[:kept].astype(np.float16)),
        },
        schema.FEATURES,
    )
    return Found({"features": rows, "geometry": geometry}, {"samples": len(rows), "bank": len(bank)})


def _alignment(material: Material, count: int) -> float:
    """Wang & Isola's alignment of two views of each image; nan where a view has no feature."""
    encoder, chosen = material.encoder(), choose(material, count)
    augmentation = AUGMENTATIONS[POSITIVES]
    views = []
    for seed in (0, 1):
        numbers = torch.as_tensor([draw_of(id, seed) for id in chosen.ids])
        parts = []
        for start in range(0, len(chosen.ids), 64):
            part = slice(start, start + 64)
            unit = to_unit(chosen.crops[part]).to(encoder.device)
            strengths = torch.full((len(unit),), augmentation.maximum, device=unit.device)
            made = augmentation.apply(unit, strengths, numbers[part])
            parts.append(features_of(encoder, normalise(made, encoder.spec.preprocessing)).cpu().numpy())
        views.append(np.concatenate(parts))
    there = views[0].any(axis=1) & views[1].any(axis=1)
    return metrics.alignment(views[0], views[1]) if there.all() else float("nan")


GEOMETRY = Measure(
    id="geometry",
    label="Geometry",
    description="How many dimensions the features use (RankMe, participation ratio), alignment, uniformity and "
    "collapse; features of the same images by which encoders are compared.",
    version=1,
    tables=("features", "geometry"),
    options=("samples", "bank"),
    check=_asked,
    run=run,
    passes=lambda options, test: 2.0 * min(int(options.get("samples", SAMPLES)), test),
    size=lambda options, test: 1200.0 * min(int(options.get("samples", SAMPLES)), test),
)
