"""Times every summary of `core.results` on generated studies of 100,000 and of 5 million rows.

    python tests/benchmarks/results_queries.py [--folder DIR] [--repetitions 3]

The bars: every figure within 2 s of 100,000 rows and within 5 s of 5 million, on two cores. Each function is timed in
a process that has run nothing of the study before, as the first visit to a page is; a page calls several of them, each
cached until the study changes, so the sums say what the page's first visit costs in all. Exit code 1 when a bar is
missed. The larger study takes about 400 MB in the folder (default: a temporary one); one that is there is used again.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.results import rows, schema, store, summary, writing
from core.study import manifest
from core.study.cells import Cell
from core.study.features import Features
from core.study.plan import Plan
from core.study.protocols.base import Answers

ENCODERS = {
    "supervised": ("supervised", "SL", 1.6),
    "simclr": ("self-supervised", "SSL", 1.3),
    "random": ("random", "random", 0.4),
}
DATASETS = {
    "objects": ("source", "top-1", 200),
    "pets": ("similar", "mean-per-class", 37),
    "flowers": ("similar", "mean-per-class", 102),
    "textures": ("different", "top-1", 47),
    "aerial": ("different", "top-1", 10),
    "tissue": ("different", "top-1", 9),
}
PROTOCOLS = ("linear", "knn")
SEEDS = 3
BARS = {100_000: 2.0, 5_000_000: 5.0}


def generate(root: Path, total: int) -> None:
    """Write a study of about `total` rows, through the same code as a real one."""
    name = f"generated-{total}"
    out = root / name
    each = total // (len(ENCODERS) * len(DATASETS) * len(PROTOCOLS) * SEEDS)
    states = []
    for d, (dataset, (domain, _, classes)) in enumerate(DATASETS.items()):
        labels = np.arange(each, dtype=np.int64) % classes
        ids = tuple(f"test/class {label:03d}/{i:08d}.jpg" for i, label in enumerate(labels))
        test = Features(np.zeros((each, 1), np.float32), labels, ids)
        for e, (encoder, (regime, _, signal)) in enumerate(ENCODERS.items()):
            base = np.random.default_rng([d, e]).normal(size=(each, classes)).astype(np.float32)
            base[np.arange(each), labels] += signal * np.log2(classes) / 2
            for p, protocol in enumerate(PROTOCOLS):
                for seed in range(SEEDS):
                    own = np.random.default_rng([d, e, p, seed]).normal(size=(each, classes)).astype(np.float32)
                    answers = Answers(2 * (base + 0.3 * own), np.arange(each), temperature=1.3)
                    cell = Cell(encoder, dataset, protocol, seed)
                    names = rows.Names(name, encoder, regime, "0" * 64, dataset, domain, "test", protocol, seed)
                    facts = {"temperature": 1.3, "seconds": 0.0}
                    table = rows.table(names, answers, test)
                    writing.write_cell(str(out), cell.id, table, None, {"key": "generated", "facts": facts})
                    states.append((cell, {"state": "done", "facts": facts}))
    manifest.write(
        str(out),
        Plan(name, tuple(ENCODERS), tuple(DATASETS), PROTOCOLS, SEEDS),
        {id: {"label": id, "regime": regime, "family": family} for id, (regime, family, _) in ENCODERS.items()},
        {
            id: {
                "label": id.title(),
                "domain": domain,
                "metric": metric,
                "classes": [f"class {c:03d}" for c in range(classes)],
                "samples": {"test": each},
                "fingerprint": f"{total} {id}",
            }
            for id, (domain, metric, classes) in DATASETS.items()
        },
        states,
        "local",
    )
