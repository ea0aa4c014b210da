"""Times every figure of the study pages on generated studies of 100,000 and of 5 million rows.

    python tests/benchmarks/results_queries.py [--folder DIR] [--repetitions 3] [--rows 100000,5000000]

The bars: every figure within 2 s of 100,000 rows and within 5 s of 5 million, on two cores. Times are medians of whole
computations, from opening the study to the table; only the operating system's file cache is warm. A page computes
several figures on its first visit, each kept until the study changes: the sums say what that visit costs. CPU seconds
stand beside them, because on a machine that does other work at the same time they are the fairer figure. Exit code 1
when a bar is missed. The larger study takes about 400 MB in the folder (default: a temporary one); a study that is
there already is used again.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.results import (
    abstaining,
    confidence,
    distances,
    origin,
    pairs,
    store,
    summary,
    writing,
)
from core.results.info import StudyInfo
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
                    answers = ProtocolAnswers(2 * (base + 0.3 * own), np.arange(each), temperature=1.3)
                    cell = Cell(encoder, dataset, protocol, seed)
                    names = rows.Names(name, encoder, regime, "0" * 64, dataset, domain, "test", protocol, seed)
                    facts = {"temperature": 1.3, "seconds": 0.0}
                    table = rows.table(names, answers, test)
                    about = {"key": "generated", "facts": facts}
                    hashes = writing.write_cell(str(out), cell.id, {"cells": table}, about)
                    states.append((cell, {"state": "done", "facts": facts, "sha256": hashes}))
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


def figures(info: StudyInfo) -> dict[str, dict[str, Callable[[], Any]]]:
    """By page, what it computes on a first visit, with the choices that it opens with."""
    protocol, pair, dataset = "linear", ("supervised", "simclr"), "objects"
    shown = (*pair, "random")
    return {
        "Study": {
            "studies in the folder": lambda: store.survey([info.address.rpartition("/")[0]]),
            "accuracy": lambda: summary.accuracy(info, protocol),
            "controls": lambda: summary.controls(info, store.studies().values(), protocol),
            "paired": lambda: pairs.paired(info, protocol, *pair),
            "generalization gap": lambda: summary.generalization_gap(info, protocol),
            "distances": lambda: distances.distances(info),
            "provenance": lambda: (origin.differences(info, *pair), origin.unfinished(info), origin.provenance(info)),
        },
        "Confidence": {
            "one data set": lambda: confidence.tables(info, protocol, shown, dataset, False),
            "by domain": lambda: confidence.by_domain(info, protocol, shown),
            "samples at a threshold": lambda: abstaining.at_threshold(
                info, protocol, pair[0], dataset, False, 0.5, next(iter(abstaining.KINDS))
            ),
        },
        "Samples": {
            "agreement": lambda: pairs.agreement(info, protocol, *pair, dataset),
            "paired": lambda: pairs.paired(info, protocol, *pair),
            "surest": lambda: pairs.samples(info, protocol, *pair, dataset),
            "filtered, another order": lambda: pairs.samples(
                info, protocol, *pair, dataset, "only first", 3, None, (0.5, 1.0), True, "difference", 24, 0
            ),
        },
    }


def timed(compute: Callable[[], Any], repetitions: int) -> tuple[float, float]:
    """Median wall and CPU seconds."""
    wall, busy = [], []
    for _ in range(repetitions):
        start, worked = time.perf_counter(), time.process_time()
        compute()
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
    return float(np.median(wall)), float(np.median(busy))


def measure(info: StudyInfo, bar: float, repetitions: int) -> bool:
    """Print a line a figure; True when all are within the bar."""
    met = True
    for page, parts in figures(info).items():
        total = np.zeros(2)
        for name, compute in parts.items():
            wall, busy = timed(compute, repetitions)
            total += wall, busy
            met &= wall <= bar
            print(f"  {page:12}  {name:24}  {wall:6.2f} s  {busy:6.2f} s CPU  {'' if wall <= bar else 'MISSED'}")
        print(f"  {page:12}  {'first visit':24}  {total[0]:6.2f} s  {total[1]:6.2f} s CPU\n", flush=True)
    return met


def main() -> int:
    """Generate what is missing, measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the generated studies are kept")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rows", default=",".join(map(str, BARS)), help="of the studies, separated by commas")
    arguments = parser.parse_args()
    met = True
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.folder or Path(temporary)
        os.environ["INVARISCOPE_RESULTS"] = str(root)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        for number, total in enumerate(int(rows) for rows in arguments.rows.split(",")):
            if not (root / f"generated-{total}" / "manifest.json").exists():
                generate(root, total)
            info = store.study(f"generated-{total}", [str(root)])
            bar = next((bar for rows, bar in BARS.items() if total <= rows), max(BARS.values()))
            if number == 0:
                summary.accuracy(info, PROTOCOLS[0])  # imports and start-up are not a query's
            load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
            print(f"{total:,} rows, bar {bar:.0f} s a figure, {cores} cores{load}")
            met &= measure(info, bar, arguments.repetitions)
    print("every bar is met" if met else "a bar was MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
