"""The linear probe of the studies with seed 0 as a head: those that ship with an encoder, and those of a study.

Either is therefore the one whose answers a study holds: a sample of a study opened on another page gets the same
numbers there.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from core import tasks
from core.datasets.spec import ImageSet
from core.encoders.encoder import Encoder
from core.files import seal
from core.heads import store
from core.heads.familiarity import describe
from core.heads.linear import LinearHead, save
from core.results import writing
from core.study import encoding, features
from core.study.protocols import Material, knn, linear
from core.study.protocols.base import validation_split
from core.tasks import Task

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
    parts = [part for part in features.PARTS if part in images.parts]
    keys = {part: features.key(encoder.spec, encoder.sha256, images, part) for part in parts}
    found = {}
    for part in parts:
        for _ in encoding.compute(encoder, images, part, cache):
            pass
        found[part] = features.load(features.place_of(cache, keys[part]))
    train, held_out = validation_split(found["train"], found.get("val"), SEED)
    test, classes = found["test"], len(images.classes)
    where, probe = cache / "checkpoints", linear.kept_in(cache, keys["train"], SEED)
    material = Material(train, held_out, test, classes, SEED, encoder.device, images, lambda: encoder, where, {}, probe)
    head = measured(material, encoder, task_id)
    votes = knn.run(material)
    head = replace(head, facts=head.facts | {"knn_top1": _percent(votes.logits.argmax(axis=1) == test.labels)})
    log(
        f"{encoder.spec.id} on {task_id}: linear {head.facts['linear_top1']:.1f} %, k-NN {head.facts['knn_top1']:.1f} %"
    )
    return head


def measured(material: Material, encoder: Encoder, task_id: str) -> LinearHead:
    """The linear probe of a data set as a head: with what it reached, and what the set's own images look like.

    Args:
        task_id: the label space that the head answers.
    """
    fit = linear.fitted(material).to(material.device)
    values, queries = (
        torch.as_tensor(np.array(part.values), device=material.device) for part in (material.train, material.test)
    )
    logits = fit.logits(queries)
    facts = {
        "linear_top1": _percent(logits.argmax(dim=1).cpu().numpy() == material.test.labels),
        "validation_top1": round(100 * fit.facts["validation_top1"], 2),
        "C": fit.facts["C"],
        "train_images": len(material.train),
        "test_images": len(material.test),
        "encoder_sha256": encoder.sha256,
    }
    seen = describe(values, queries, logits)
    return replace(fit.to(torch.device("cpu")), task=task_id, facts=facts, familiarity=seen)


def keep(out: str, material: Material, encoder: Encoder) -> None:
    """Store the head with its study, and the question that it answers, for pages that ask it of other images.

    A study at an address that is no folder keeps none: pages load heads from this machine.

    Raises:
        OSError: they could not be written.
    """
    if not writing.is_local(out):
        return
    folder, about = Path(writing.filesystem(out)[1]), material.images.spec
    id = f"{folder.name}/{about.id}"
    asked = Task(id, about.label, about.domain, material.images.classes, about.source, about.licence, about.note)
    question = folder / "tasks" / f"{about.id}.toml"
    head = write_head(measured(material, encoder, id), encoder.spec.id, folder)
    seal(head)
    tasks.write(question, asked)
    seal(question)


def _percent(correct: np.ndarray) -> float:
    return round(100 * float(correct.mean()), 2)


def write_head(head: LinearHead, encoder_id: str, assets: Path) -> Path:
    """Write a head where the app looks for it, below an assets folder; returns the file."""
    path = store.path_below(assets, encoder_id, head.task)
    save(head, path)
    return path
