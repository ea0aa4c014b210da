"""Studies so small that their figures can be worked out by hand: the test says what each contender answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.results import store, writing
from core.results.info import StudyInfo
from core.study import manifest, rows
from core.study.cells import Cell
from core.study.features import Features
from core.study.plan import Plan
from core.study.protocols.base import ProtocolAnswers

REGIMES = {"SL": "supervised", "SSL": "self-supervised", "random": "random", "other": "vision-language"}
PROTOCOL = "linear"

Said = dict[tuple[str, str, int], Sequence[int]]
"""Predictions in the order of samples by (encoder, data set, seed)."""


def toy(
    root: Path,
    said: Said,
    labels: dict[str, Sequence[int]],
    name: str = "toy",
    families: dict[str, str] | None = None,
    domains: dict[str, str] | None = None,
    metrics: dict[str, str] | None = None,
    fingerprints: dict[str, str] | None = None,
    episodes: dict[str, Sequence[int]] | None = None,
    classes: int = 4,
    temperature: float | None = None,
    runs: dict[str, int] | None = None,
) -> StudyInfo:
    """Write a study and open it.

    Args:
        root: folder of the study's folder.
        said: predictions.
        labels: true classes by data set.
        name: of the study.
        families: by encoder; `SL` unless named.
        domains: by data set; `different` unless named.
        metrics: by data set; `top-1` unless named.
        fingerprints: by data set; its id unless named.
        episodes: number of the episode of every answer by data set, for few-shot.
        classes: of every data set.
        temperature: that was fitted.
        runs: training seed by encoder; unknown unless named.
    """
    encoders = tuple(dict.fromkeys(encoder for encoder, _, _ in said))
    families = dict.fromkeys(encoders, "SL") | (families or {})
    out = root / name
    states = []
    for (encoder, dataset, seed), predictions in said.items():
        truth = np.array(labels[dataset], np.int64)
        ids = tuple(f"{dataset}/{i:03d}.png" for i in range(len(truth)))
        test = Features(np.zeros((len(truth), 1), np.float32), truth, ids)
        # Surer by and by, so that the order by confidence is known: of the same seed the last sample is the surest.
        logits = np.zeros((len(truth), classes), np.float32)
        logits[np.arange(len(truth)), predictions] = 2 + 0.1 * np.arange(len(truth))
        episode = None if episodes is None else np.array(episodes[dataset], np.int32)
        answers = ProtocolAnswers(logits, np.arange(len(truth)), temperature, episode)
        cell = Cell(encoder, dataset, PROTOCOL, seed)
        domain = (domains or {}).get(dataset, "different")
        names = rows.Names(name, encoder, REGIMES[families[encoder]], "0" * 64, dataset, domain, "test", PROTOCOL, seed)
        facts = {"temperature": temperature}
        table = rows.table(names, answers, test)
        hashes = writing.write_cell(str(out), cell.id, {"cells": table}, {"key": "toy", "facts": facts})
        states.append((cell, {"state": "done", "facts": facts, "sha256": hashes}))
    manifest.write(
        str(out),
        Plan(name, encoders, tuple(labels), (PROTOCOL,), 1 + max(seed for _, _, seed in said)),
        {
            id: {
                "label": f"Net_{id}",
                "regime": REGIMES[families[id]],
                "family": families[id],
                "weights": "0" * 64,
                "training_seed": (runs or {}).get(id),
            }
            for id in encoders
        },
        {
            id: {
                "label": f"Set {id}",
                "domain": (domains or {}).get(id, "different"),
                "metric": (metrics or {}).get(id, "top-1"),
                "classes": [f"class {c}" for c in range(classes)],
                "samples": {"test": len(truth)},
                "fingerprint": (fingerprints or {}).get(id, id),
            }
            for id, truth in labels.items()
        },
        states,
        "local",
    )
    return store.study(name, [str(root)])
