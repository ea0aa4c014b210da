"""A cell of a study: one encoder, one data set, one protocol, one seed, one measure; run by any engine the same way."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core.datasets.spec import ImageSet
from core.encoders.encoder import Encoder
from core.encoders.spec import EncoderSpec
from core.results import schema, writing
from core.study import features, heads, rows
from core.study.measures import ANSWERS, MEASURES
from core.study.plan import Plan
from core.study.protocols import PROTOCOLS, Material, linear
from core.study.protocols.base import validation_split
from core.study.protocols.linear import LINEAR


@dataclass(frozen=True, slots=True)
class Cell:
    """What is run at once. `dataset` is the id of an opened data set; measures other than answers are taken of the
    linear probe with seed 0."""

    encoder: str
    dataset: str
    protocol: str
    seed: int
    measure: str = ANSWERS

    @property
    def id(self) -> str:
        """Name of its files."""
        what = self.protocol if self.measure == ANSWERS else self.measure
        return f"{self.dataset}.{what}.{self.encoder}.{self.seed}"

    def folders(self, logits: bool) -> tuple[str, ...]:
        """Folders of its files, the one that makes it done last.

        Args:
            logits: whether the plan keeps them.
        """
        if self.measure != ANSWERS:
            return MEASURES[self.measure].tables
        return ("logits", "cells") if logits and not PROTOCOLS[self.protocol].episodic else ("cells",)


def cells_of(plan: Plan, encoder: str, images: ImageSet) -> list[Cell]:
    """The cells of an encoder on a data set, in order.

    A protocol gets as many seeds as move its answers.
    """
    found = []
    counts = {name: len(part) for name, part in images.parts.items()}
    for id in plan.protocols if ANSWERS in plan.measures else ():
        seeds = PROTOCOLS[id].seeds(counts, plan.asked(id))
        found += [Cell(encoder, images.spec.id, id, seed) for seed in range(seeds)]
    others = [id for id in plan.measures if id != ANSWERS]
    return found + [Cell(encoder, images.spec.id, LINEAR.id, 0, id) for id in others]


def key_of(cell: Cell, plan: Plan, spec: EncoderSpec, sha256: str, images: ImageSet) -> str:
    """What a finished cell must have been made from to stand for this one."""
    facts = {
        "cell": [cell.encoder, cell.dataset, cell.protocol, cell.seed],
        "protocol_version": PROTOCOLS[cell.protocol].version,
        "features_version": features.VERSION,
        "options": plan.settings(cell.protocol),
        "weights": sha256,
        "preprocessing": repr(spec.preprocessing),
        "pooling": spec.pooling,
        "data": images.fingerprint,
        "domain": images.spec.domain,
        "skip": images.skip_unreadable,
        "logits": plan.logits,
    }
    if cell.measure != ANSWERS:
        facts |= {
            "cell": [cell.encoder, cell.dataset, cell.measure],
            "measure_version": MEASURES[cell.measure].version,
            "options": plan.settings(cell.measure),
            "logits": False,
        }
        if images.parts["test"].mask is not None:
            facts["masks"] = True
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def run(cell: Cell, plan: Plan, encoder: Encoder, images: ImageSet, cache: Path, out: str) -> dict[str, Any]:
    """Run one cell, whose features are in the cache, and store its rows; returns what the manifest says of it.

    Raises:
        InvariscopeError: the cell cannot be run.
    """
    start = time.perf_counter()

    def part_key(name: str) -> str:
        return features.key(encoder.spec, encoder.sha256, images, name)

    def part(name: str) -> features.Features:
        return features.load(features.place_of(cache, part_key(name)))

    train, held_out = validation_split(part("train"), part("val") if "val" in images.parts else None, cell.seed)
    test = part("test")
    key = key_of(cell, plan, encoder.spec, encoder.sha256, images)
    material = Material(
        train=train,
        held_out=held_out,
        test=test,
        classes=len(images.classes),
        seed=cell.seed,
        device=encoder.device,
        images=images,
        encoder=lambda: encoder,
        checkpoint=cache / "checkpoints" / key[:32],
        options=plan.settings(cell.protocol if cell.measure == ANSWERS else cell.measure),
        probe=linear.kept_in(cache, part_key("train"), cell.seed),
    )
    if cell.measure != ANSWERS:
        measured = MEASURES[cell.measure].run(material)
        tables = {
            name: schema.of_cell(measured.tables[name], schema.TABLES[name], cell.encoder, cell.dataset)
            for name in MEASURES[cell.measure].tables
        }
        return _stored(out, cell, key, tables, measured.facts | _made(encoder, start))
    answers = PROTOCOLS[cell.protocol].run(material)
    if (cell.protocol, cell.seed) == (LINEAR.id, heads.SEED):
        heads.keep(out, material, encoder)
    facts = answers.facts | {
        "temperature": answers.temperature,
        "top1": float((answers.logits.argmax(axis=1) == test.labels[answers.sample]).mean()),
        "train_samples": len(train),
        "validation_samples": int(np.count_nonzero(held_out)),
        "test_samples": len(test),
        "left_out": [*train.left_out, *test.left_out],
        **_made(encoder, start),
    }
    names = rows.Names(
        study=plan.name,
        encoder=cell.encoder,
        regime=encoder.spec.regime,
        weights=encoder.sha256,
        dataset=cell.dataset,
        domain=images.spec.domain,
        split="test",
        protocol=cell.protocol,
        seed=cell.seed,
    )
    table = rows.table(names, answers, test)
    logits = rows.logits_table(answers, test) if plan.logits and answers.episode is None else None
    return _stored(out, cell, key, {"logits": logits, "cells": table}, facts)


def _made(encoder: Encoder, start: float) -> dict[str, Any]:
    """How a cell came about."""
    return {
        "seconds": round(time.perf_counter() - start, 3),
        "device": str(encoder.device),
        "threads": torch.get_num_threads(),
    }


def _stored(
    out: str, cell: Cell, key: str, tables: dict[str, pa.Table | None], facts: dict[str, Any]
) -> dict[str, Any]:
    hashes = writing.write_cell(out, cell.id, tables, {"key": key, "facts": facts})
    return {"state": "done", "facts": facts, "sha256": hashes}
