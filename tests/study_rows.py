"""Invented studies in the layout of real ones, for tests and benchmarks of what reads them."""

from pathlib import Path

import numpy as np

from core.results import schema, writing
from core.study import manifest, rows
from core.study.cells import Cell
from core.study.features import Features
from core.study.plan import Plan
from core.study.protocols.base import ProtocolAnswers

ENCODERS = {
    "supervised": ("supervised", "SL", 1.6),
    "simclr": ("self-supervised", "SSL", 1.3),
    "random": ("random", "random", 0.4),
}
"""Id to regime, family, and the strength of its signal."""

DATASETS = {"birds": ("source", 5), "flowers": ("similar", 4), "scenes": ("different", 3), "scans": ("different", 2)}
"""Id to domain and number of classes."""


def invent(
    root: Path,
    name: str = "invented",
    samples: int = 200,
    seeds: int = 2,
    protocols: tuple[str, ...] = ("linear", "knn"),
    logits: bool = False,
    distances: bool = True,
) -> Path:
    """Write a study whose encoders differ by a known signal; returns its folder.

    Of a sample's C logits the true class's is raised by the encoder's signal; noise is shared by the seeds in part,
    as it is when a test part is read again.
    """
    out = root / name
    states, measured = [], ""
    for d, (dataset, (domain, classes)) in enumerate(DATASETS.items()):
        labels = np.arange(samples, dtype=np.int64) % classes
        ids = tuple(f"test/{label}/{i:06d}.png" for i, label in enumerate(labels))
        test = Features(np.zeros((samples, 1), np.float32), labels, ids)
        for e, (encoder, (regime, _, signal)) in enumerate(ENCODERS.items()):
            base = np.random.default_rng([d, e]).normal(size=(samples, classes))
            for p, protocol in enumerate(protocols):
                for seed in range(seeds):
                    own = np.random.default_rng([d, e, p, seed, 7]).normal(size=(samples, classes))
                    scores = 2 * (base + 0.3 * own)
                    scores[np.arange(samples), labels] += 2 * signal
                    answers = ProtocolAnswers(scores.astype(np.float32), np.arange(samples), temperature=1.5)
                    cell = Cell(encoder, dataset, protocol, seed)
                    names = rows.Names(name, encoder, regime, "0" * 64, dataset, domain, "test", protocol, seed)
                    side = rows.logits_table(answers, test) if logits else None
                    facts = {"temperature": 1.5, "top1": 0.5, "seconds": 0.1}
                    hashes = writing.write_cell(
                        str(out),
                        cell.id,
                        {"logits": side, "cells": rows.table(names, answers, test)},
                        {"key": "invented", "facts": facts},
                    )
                    states.append((cell, {"state": "done", "facts": facts, "sha256": hashes}))
    if distances:
        table = {field.name: [] for field in schema.DISTANCES}
        for encoder in ENCODERS:
            for d, dataset in enumerate(list(DATASETS)[1:], start=1):
                for measure, value in (("frechet", 10.0 * d), ("auroc", min(1.0, 0.6 + 0.1 * d)), ("knn", 0.2 * d)):
                    for column, item in zip(table, (encoder, dataset, "birds", measure, value, samples), strict=True):
                        table[column].append(item)
        import pyarrow as pa

        measured = writing.write_parquet(str(out / "distances.parquet"), pa.table(table).cast(schema.DISTANCES), {})
    manifest.write(
        str(out),
        Plan(name, tuple(ENCODERS), tuple(DATASETS), protocols, seeds, title=f"{name.title()} study"),
        {
            id: {
                "label": f"Net · {id}",
                "regime": regime,
                "family": family,
                "method": id,
                "architecture": "net",
                "feature_dim": 8,
                "weights": "0" * 64,
                "data": "birds",
                "epochs": 10,
                "augmentation": "none",
                "input": "64 px",
            }
            for id, (regime, family, _) in ENCODERS.items()
        },
        {
            id: {
                "label": id.title(),
                "domain": domain,
                "metric": "top-1",
                "classes": [f"{id} {c}" for c in range(classes)],
                "samples": {"train": samples, "test": samples},
                "split_rule": "invented",
                "licence": "none",
                "citation": "none",
                "source": "none",
                "note": "",
                "address": f"folder:/nowhere/{id}",
                "fingerprint": "0" * 64,
            }
            for id, (domain, classes) in DATASETS.items()
        },
        states,
        "local",
        distances=measured,
    )
    return out
