"""Manifests that a test changes: stored as a run would store them, with the hashes of the files that are there."""

import hashlib
import json
from pathlib import Path
from typing import Any

from core.results import schema


def read(study: Path) -> dict[str, Any]:
    """The manifest of a study's folder."""
    return json.loads((study / "manifest.json").read_text())


def write(study: Path, made: dict[str, Any]) -> None:
    """Store a manifest under its seal."""

    def renew(known: str, file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest() if known and file.is_file() else known

    for id, cell in made["cells"].items() if isinstance(made["cells"], dict) else ():
        if "sha256" in cell:
            cell["sha256"] = {k: renew(known, study / k / f"{id}.parquet") for k, known in cell["sha256"].items()}
    made["distances"] = renew(made["distances"], study / "distances.parquet")
    (study / "manifest.json").write_text(json.dumps(schema.sealed(made)))
