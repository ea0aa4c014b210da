"""Fits the heads that ship with an encoder, by the linear probe of the studies with seed 0.

A packaged head is therefore the one whose answers a study holds: a sample of a study opened on another page gets the
same numbers there.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core.datasets.spec import ImageSet
from core.encoders.encoder import Encoder
from core.heads.familiarity import describe
from core.heads.linear import LinearHead, save
from core.study import encoding, features
from core.study.protocols import Material, knn, linear
from core.study.protocols.base import validation_split

SEED = 0


def fit_head(
    encoder: Encoder, task_id: str, images: ImageSet, cache: Path, log: Callable[[str], None] = lambda line: None
) -> LinearHead:
    """A linear head of `encoder` for a data set, measured on its test part.

    Its facts hold `linear_top1` and `knn_top1` in percent, the image counts, the chosen C and the hash of the
    encoder's weights.

    Raises:
        DataUnavailable: images cannot be read.
    """
    found = {}
    for part in features.PARTS:
        if part in images.parts:
            for _ in encoding.compute(encoder, images, part, cache):
                pass
            key = features.key(encoder.spec, encoder.sha256, images, part)
            found[part] = features.load(features.place_of(cache, key))
    train, held_out = validation_split(found["train"], found.get("val"), SEED)
    test, classes = found["test"], len(images.classes)
    material = Material(
        train, held_out, test, classes, SEED, encoder.device, images, lambda: encoder, cache / "checkpoints"
    )
    fit = linear.fitted(material).to(encoder.device)
    values, queries = (torch.as_tensor(np.array(part.values), device=encoder.device) for part in (train, test))
    logits = fit.logits(queries)
    answers = logits.argmax(dim=1).cpu().numpy()
    votes = knn.run(material)
    head = replace(
        fit.to(torch.device("cpu")),
        task=task_id,
        facts={
            "linear_top1": _percent(answers == test.labels),
            "knn_top1": _percent(votes.logits.argmax(axis=1) == test.labels),
            "validation_top1": round(100 * fit.facts["validation_top1"], 2),
            "C": fit.facts["C"],
            "train_images": len(train),
            "test_images": len(test),
            "encoder_sha256": encoder.sha256,
        },
        familiarity=describe(values, queries, logits),
    )
    log(
        f"{encoder.spec.id} on {task_id}: linear {head.facts['linear_top1']:.1f} %, k-NN {head.facts['knn_top1']:.1f} %"
    )
    return head


def _percent(correct: np.ndarray) -> float:
    return round(100 * float(correct.mean()), 2)


def write_head(head: LinearHead, encoder_id: str, assets: Path) -> Path:
    """Write a head where the app looks for it, below an assets folder; returns the file."""
    path = assets / "heads" / encoder_id / f"{head.task}.safetensors"
    save(head, path)
    return path
