"""What came of the checks of an encoder, kept for its card."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from core.encoders.files import hashes, weights
from core.encoders.spec import EncoderSpec
from core.paths import weights_folder


@dataclass(frozen=True, slots=True)
class Check:
    """One check's result: its name, whether it passed, and a sentence with the number."""

    name: str
    ok: bool
    detail: str


def _path(spec: EncoderSpec) -> Path:
    return weights_folder() / "checks" / f"{spec.id}.json"


def record(spec: EncoderSpec, checks: list[Check]) -> None:
    """Keep the results of checks of the files that are on this machine now."""
    path = _path(spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "date": date.today().isoformat(),
        "files": {file.file: weights.verify(file) for file in spec.files},
        "checks": [asdict(check) for check in checks],
    }
    path.write_text(json.dumps(table, indent=1), encoding="utf-8")


def recorded(spec: EncoderSpec) -> tuple[str, list[Check]]:
    """Date and results of the last checks of an entry on this machine; empty when there were none of these files."""
    path = _path(spec)
    if not path.is_file():
        return "", []
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        # By the ledger and the catalog: a page must not hash gigabytes to show a card.
        known = {file.file: hashes.recorded(weights.path_of(file)) or file.sha256 for file in spec.files}
        if any(known[name] and not digest.startswith(known[name]) for name, digest in table["files"].items()):
            return "", []
        return str(table["date"]), [Check(**check) for check in table["checks"]]
    except (ValueError, KeyError, TypeError):
        return "", []  # a record is made again by the next check; a damaged one says nothing
