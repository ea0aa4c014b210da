"""Turns the cells of an invented study into few-shot ones: answers in episodes that share samples."""

from pathlib import Path

import numpy as np
import study_manifests

from core.results import writing
from core.study import rows
from core.study.features import Features
from core.study.protocols.base import ProtocolAnswers


def few_shot(study: Path, episodes: int = 12, queries: int = 10) -> None:
    """Write every cell anew: `queries` samples an episode, without temperature."""
    manifest = study_manifests.read(study)
    for number, (id, cell) in enumerate(manifest["cells"].items()):
        about = manifest["encoders"][cell["encoder"]]
        entry = manifest["datasets"][cell["dataset"]]
        classes = len(entry["classes"])
        labels = np.arange(40, dtype=np.int64) % classes
        ids = tuple(f"test/{label}/{i:06d}.png" for i, label in enumerate(labels))
        # The same episodes for all encoders, other ones for each seed.
        sample = np.random.default_rng(cell["seed"]).integers(0, 40, size=episodes * queries)
        scores = np.random.default_rng(number).normal(size=(len(sample), classes))
        scores[np.arange(len(sample)), labels[sample]] += {"SL": 2.0, "SSL": 1.5}.get(about["family"], 0.3)
        episode = np.repeat(np.arange(episodes, dtype=np.int32), queries)
        answers = ProtocolAnswers(scores.astype(np.float32), sample, temperature=None, episode=episode)
        names = rows.Names(
            manifest["id"],
            cell["encoder"],
            about["regime"],
            "0" * 64,
            cell["dataset"],
            entry["domain"],
            "test",
            cell["protocol"],
            cell["seed"],
        )
        test = Features(np.zeros((40, 1), np.float32), labels, ids)
        writing.write_cell(str(study), id, {"cells": rows.table(names, answers, test)}, {"key": "drawn", "facts": {}})
    study_manifests.write(study, manifest)
