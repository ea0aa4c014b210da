"""What a killed search leaves behind, whole or not at all; what is damaged counts as absent."""

import io
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.study import sealed

STATE, RESULT = "state.pt", "result.npz"


@dataclass(slots=True)
class SearchState:
    """Where a search stands.

    Attributes:
        made_from: settings and samples; another search does not continue from it.
        micro: samples on the device at once.
        seconds: spent so far, earlier runs included.
        finished: a record of each member that has ended.
        leader: index of the best member that is through its schedule; −1 for none.
        validation: the leader's (V, C) validation logits at its end.
        run: state of the run in progress; None between two.
        curve: checks of the run in progress.
    """

    made_from: str
    micro: int
    seconds: float = 0.0
    finished: list[dict[str, Any]] = field(default_factory=list)
    leader: int = -1
    validation: torch.Tensor | None = None
    run: dict[str, Any] | None = None
    curve: list[tuple[int, float, float]] = field(default_factory=list)


def save(folder: Path, state: SearchState) -> None:
    """Store a state; a kill at any moment leaves the one before or this one."""
    buffer = io.BytesIO()
    torch.save({name: getattr(state, name) for name in SearchState.__slots__}, buffer)
    sealed.write(str(folder / STATE), buffer.getvalue())


def load(folder: Path, made_from: str, device: torch.device) -> SearchState | None:
    """The stored state of this search; None when there is none, or it is of another search."""
    data = sealed.read(str(folder / STATE))
    if data is None:
        return None
    state = SearchState(**torch.load(io.BytesIO(data), map_location=device, weights_only=True))
    return state if state.made_from == made_from else None


def finish(folder: Path, made_from: str, logits: NDArray[np.float32], facts: dict[str, Any]) -> None:
    """Store the result of a search and remove everything it was made with."""
    buffer = io.BytesIO()
    np.savez(buffer, made_from=made_from, logits=logits, facts=json.dumps(facts))
    sealed.write(str(folder / RESULT), buffer.getvalue())
    for entry in folder.iterdir():
        if entry.name != RESULT:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def result(folder: Path, made_from: str) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
    """Logits and facts of a finished search; None when it is not finished, or another one is."""
    data = sealed.read(str(folder / RESULT))
    if data is None:
        return None
    with np.load(io.BytesIO(data)) as found:
        if str(found["made_from"]) != made_from:
            return None
        return found["logits"], json.loads(str(found["facts"]))
