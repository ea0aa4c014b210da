"""What an engine is given, and what it tells while it works."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from core.datasets.spec import ImageSet
from core.errors import Cancelled, InvariscopeError
from core.study.cells import Cell
from core.study.plan import Plan

EXPECTED = (InvariscopeError, RuntimeError, ValueError, OSError, MemoryError, ArithmeticError, LookupError)
"""What may go wrong in one cell without ending the others; PyTorch's out-of-memory error is a RuntimeError."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A study and where it works.

    Attributes:
        plan: what is to be done.
        out: folder or fsspec address of the study.
        cache: folder of features and checkpoints.
        data: folder below which data sets are found.
        device: `auto`, `cpu` or `cuda`.
        options: of the engine, such as a cluster's address.
    """

    plan: Plan
    out: str
    cache: Path
    data: Path
    device: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An encoder on a data set, and its cells that are not done yet."""

    encoder: str
    images: ImageSet
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of news.

    Attributes:
        kind: `features` (some of a pair's samples are encoded), `cell` (one is done) or `failed` (one will not be).
        encoder: id.
        dataset: id.
        cell: None for `features`.
        share: of the pair's samples that are encoded, for `features`.
        done: what the manifest says of the cell, for `cell`.
        reason: why, for `failed`.
    """

    kind: Literal["features", "cell", "failed"]
    encoder: str
    dataset: str
    cell: Cell | None = None
    share: float = 1.0
    done: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


class Engine(Protocol):
    """Runs pairs and tells of it; a cell's file is on disk before its step is told."""

    def __call__(self, setup: Setup, pairs: Sequence[Pair]) -> Iterator[Step]:
        """The steps, as they happen."""


def reason_of(error: BaseException) -> str:
    """An error as one line for a person; one that was not meant for people carries its type."""
    text = " ".join(str(error).split()) or "no message"
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        return f"Out of memory: {text[:300]} Close other programs, or use a smaller encoder or data set."
    return text if isinstance(error, InvariscopeError) else f"{type(error).__name__}: {text[:500]}"


def failed(pair: Pair, error: BaseException) -> Iterator[Step]:
    """The failure of all cells of a pair."""
    if isinstance(error, Cancelled):
        raise error
    for cell in pair.cells:
        yield Step("failed", pair.encoder, pair.images.spec.id, cell, reason=reason_of(error))
