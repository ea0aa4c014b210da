"""Where the figures of a study come from: what differs between its encoders, what failed, and how to make it again."""

from datetime import datetime
from typing import Any

import pandas as pd
import tomli_w

from core.results.info import ANSWERS, StudyInfo
from core.results.writing import filesystem, transport_errors

CONTROLLED = {
    "architecture": "architecture",
    "data": "pre-training images",
    "epochs": "epochs",
    "augmentation": "training augmentation",
    "input": "input preprocessing",
}
"""Of what a study remembers of an encoder: key to what it is called."""


def differences(info: StudyInfo, first: str, second: str) -> list[str]:
    """What differs between two encoders besides the regime, as far as the study remembers; the head never does."""
    a, b = info.encoders[first], info.encoders[second]
    return [
        f"{name} ({_known(a.get(key))} against {_known(b.get(key))})"
        for key, name in CONTROLLED.items()
        if a.get(key) != b.get(key)
    ]


def _known(value: Any) -> str:
    return "not stated" if value in (None, "") else str(value)


def unfinished(info: StudyInfo) -> pd.DataFrame:
    """The cells without results: columns state, dataset, encoder, protocol, seed, reason; failed ones first.

    A data set that could not be opened has no cells: it is one row, with its address and no protocol.
    """
    rows = [("failed", address, "", "", "", why) for address, why in info.manifest.get("unopened", {}).items()]
    for cell in sorted(info.cells.values(), key=lambda cell: cell["state"]):
        if cell["state"] != "done":
            what = cell["protocol"] if cell.get("measure", ANSWERS) == ANSWERS else cell["measure"]
            why = cell.get("reason", "")
            rows.append((cell["state"], cell["dataset"], cell["encoder"], what, str(cell["seed"]), why))
    return pd.DataFrame(rows, columns=["state", "dataset", "encoder", "protocol", "seed", "reason"])


def provenance(info: StudyInfo) -> str:
    """One line: date, engine, machine, versions, seeds, and the weights of every encoder."""
    made = info.manifest
    machine, versions = made.get("machine", {}), made.get("versions", {})
    day = datetime.fromisoformat(made["updated"]).strftime("%Y-%m-%d %H:%M UTC")
    where = ", ".join(str(machine[key]) for key in ("processor", "platform") if machine.get(key))
    cores = f", {machine['cores']} cores" if machine.get("cores") else ""
    weights = ", ".join(f"{id} {str(about.get('weights', ''))[:8] or 'none'}" for id, about in info.encoders.items())
    return (
        f"Study {info.id}, {day}, engine {made.get('engine', 'not stated')}, on {where or 'a machine not stated'}"
        f"{cores}. {', '.join(f'{name} {number}' for name, number in versions.items())}. "
        f"Seeds: {made.get('seeds', 'not stated')}. Weights (SHA-256): {weights}."
    )


def plan_file(info: StudyInfo) -> bytes | None:
    """The study's plan as it was run, which makes it again; None when it cannot be read."""
    if "plan" in info.manifest:
        return tomli_w.dumps(info.manifest["plan"]).encode()
    fs, path = filesystem(f"{info.address}/study.toml")
    try:
        return bytes(fs.cat_file(path)) if fs.exists(path) else None
    except transport_errors():
        return None
