"""Gives a data set of an invented study real images: rows with the ids of an opened folder, and its address."""

from pathlib import Path

import numpy as np
import study_manifests
from PIL import Image

from core.datasets.address import open_address
from core.results import writing
from core.study import rows
from core.study.features import Features
from core.study.protocols.base import ProtocolAnswers


def draw_folder(folder: Path, classes: tuple[str, ...] = ("bone", "lung"), each: int = 6, side: int = 24) -> Path:
    """`train|test/class/*.png`, every image of another colour; returns the folder."""
    rng = np.random.default_rng(3)
    for part in ("train", "test"):
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            for i in range(each):
                pixels = np.full((side, side + 4, 3), rng.integers(0, 256, 3), np.uint8)
                pixels[: side // 2] = rng.integers(0, 256, 3)
                Image.fromarray(pixels).save(folder / part / name / f"{i:02d}.png")
    return folder


def show(study: Path, folder: Path, dataset: str = "scans", calibrated: bool = True) -> str:
    """Answer the test images of `folder` in place of `dataset`'s invented samples; returns the address."""
    address = f"folder:{folder}?id={dataset}"
    images = open_address(address)
    part = images.parts["test"]
    features = Features(np.zeros((len(part), 1), np.float32), part.labels, part.ids)
    manifest = study_manifests.read(study)
    for number, (id, cell) in enumerate(manifest["cells"].items()):
        if cell["dataset"] != dataset:
            continue
        about = manifest["encoders"][cell["encoder"]]
        rng = np.random.default_rng(number)
        scores = 2 * rng.normal(size=(len(part), len(images.classes)))
        scores[np.arange(len(part)), part.labels] += {"SL": 3.0, "SSL": 2.0}.get(about["family"], 0.5)
        answers = ProtocolAnswers(
            scores.astype(np.float32), np.arange(len(part)), temperature=1.5 if calibrated else None
        )
        names = rows.Names(
            manifest["id"],
            cell["encoder"],
            about["regime"],
            "0" * 64,
            dataset,
            manifest["datasets"][dataset]["domain"],
            "test",
            cell["protocol"],
            cell["seed"],
        )
        writing.write_cell(
            str(study), id, {"cells": rows.table(names, answers, features)}, {"key": "drawn", "facts": {}}
        )
    manifest["datasets"][dataset] |= {
        "classes": list(images.classes),
        "address": address,
        "fingerprint": images.fingerprint,
    }
    study_manifests.write(study, manifest)
    return address
