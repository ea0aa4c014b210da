"""Runs a study from its plan, or goes on with one that was interrupted, and tells of it step by step."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from filelock import FileLock, Timeout
from fsspec.implementations.local import LocalFileSystem

from core.datasets.address import open_address
from core.datasets.spec import ImageSet
from core.encoders import weights
from core.encoders.registry import encoder_spec
from core.errors import DataUnavailable, InvalidRequest, InvariscopeError
from core.results import writing
from core.study import cells, distances, features, manifest, plan
from core.study.cells import Cell
from core.study.engines import engine as engine_called
from core.study.engines.base import Engine, Pair, Setup
from core.study.plan import Plan

Kind = Literal["kept", "features", "cell", "failed", "distances", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a person who waits is told.

    Attributes:
        kind: `kept` (done in an earlier run), `features`, `cell`, `failed`, `distances`, or `end`.
        what: the cell, or encoder and data set.
        done: cells that are finished, failed ones included.
        total: cells of the study.
        share: of the samples that the encoder has read, for `features`.
        remaining: seconds to go, estimated from this run; None until one cell has run.
        reason: why, for `failed`.
        top1: accuracy of the cell in [0, 1], for `cell`.
    """

    kind: Kind
    what: str
    done: int
    total: int
    share: float = 1.0
    remaining: float | None = None
    reason: str = ""
    top1: float | None = None


def merged(old: Plan, new: Plan) -> Plan:
    """A plan that does what both do: a study grows, and nothing it holds is thrown away.

    Settings that exclude each other (options of a protocol, logits, title) are the new plan's.
    """
    return replace(
        new,
        encoders=tuple(dict.fromkeys((*old.encoders, *new.encoders))),
        datasets=tuple(dict.fromkeys((*old.datasets, *new.datasets))),
        protocols=tuple(dict.fromkeys((*old.protocols, *new.protocols))),
        seeds=max(old.seeds, new.seeds),
        title=new.title or old.title,
        options=old.options | new.options,
    )


def stored_plan(out: str) -> Plan | None:
    """The plan of the study in a folder; None when there is no study."""
    fs, path = writing.filesystem(f"{out}/study.toml")
    return plan.parse(fs.cat_file(path).decode(), f"{out}/study.toml") if fs.exists(path) else None


class _Study:
    """The state of a run: sets that could be opened, and what is known of each cell."""

    def __init__(self, setup: Setup, engine: str) -> None:
        self.setup, self.engine = setup, engine
        self.sets: dict[str, ImageSet] = {}
        self.unopened: dict[str, str] = {}
        self.encoders: dict[str, dict[str, Any]] = {}
        self.unloadable: dict[str, str] = {}
        self.states: dict[Cell, dict[str, Any]] = {}
        self.keys: dict[Cell, str] = {}
        self.reference: ImageSet | None = None
        self.tables: list[pa.Table] = []
        self.distances_key: str | None = None
        for address in setup.plan.datasets:
            try:
                images = open_address(address, setup.data)
            except InvariscopeError as error:
                self.unopened[address] = str(error)
                continue
            if images.spec.id in self.sets:
                raise InvalidRequest(
                    f"Two data sets are called '{images.spec.id}': give one another name with '?id=…' in its address."
                )
            self.sets[images.spec.id] = images
        if not self.sets:
            raise DataUnavailable(" ".join(self.unopened.values()))

    def pairs(self) -> list[Pair]:
        """The work that is left, encoder by encoder; fills the states of all cells."""
        found = []
        self._check_distances()
        for id in self.setup.plan.encoders:
            spec = encoder_spec(id)
            try:
                weights.fetch(spec.weights)
                sha256 = weights.verify(spec.weights)
            except InvariscopeError as error:
                self.unloadable[id], sha256 = str(error), ""
            self.encoders[id] = manifest.encoder_entry(spec, sha256)
            for images in self.sets.values():
                waiting = []
                for cell in cells.cells_of(self.setup.plan, id, images):
                    key = self.keys[cell] = cells.key_of(cell, self.setup.plan, spec, sha256, images)
                    stored = writing.facts_of(f"{self.setup.out}/cells/{cell.id}.parquet")
                    if stored.get("key") == key:
                        self.states[cell] = {"state": "done", "facts": stored["facts"]}
                    elif sha256:
                        self.states[cell] = {"state": "waiting"}
                        waiting.append(cell)
                    else:
                        self.fail(cell, self.unloadable[id])
                # Distances need the features of all sets, of those whose cells are done too.
                if waiting or (sha256 and self.distances_key is not None):
                    found.append(Pair(id, images, tuple(waiting)))
        return found

    def _check_distances(self) -> None:
        """Decide whether the distances on disk are those of these encoders and sets."""
        self.reference = next((s for s in self.sets.values() if s.spec.domain == "source"), None)
        if self.reference is None or len(self.sets) < 2:
            return
        facts = {
            "version": distances.VERSION,
            "reference": self.reference.spec.id,
            "sets": {id: images.fingerprint for id, images in self.sets.items()},
            "encoders": {id: encoder_spec(id).weights.sha256 for id in self.setup.plan.encoders},
        }
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        if writing.facts_of(f"{self.setup.out}/distances.parquet").get("key") != key:
            self.distances_key = key

    def measure(self, encoder: str) -> None:
        """Add the distances of all sets from the reference in an encoder's features; nothing where these failed."""
        found = {}
        for id, images in self.sets.items():
            key = features.key(encoder_spec(encoder), self.encoders[encoder]["weights"], images, "test")
            folder = features.folder_of(self.setup.cache, key)
            if (folder / "meta.json").is_file():
                found[id] = features.load(folder)
        if self.reference is not None and self.reference.spec.id in found:
            id = self.reference.spec.id
            # Features that are not finite fail their cells; the distances of the other encoders stand.
            with contextlib.suppress(DataUnavailable):
                self.tables.append(distances.measure(encoder, (id, found[id]), found))

    def fail(self, cell: Cell, reason: str) -> None:
        """Record a failure here and in the study's folder."""
        self.states[cell] = {"state": "failed", "reason": reason}
        writing.write_failure(self.setup.out, cell.id, self.keys[cell], reason)

    def write(self) -> None:
        """Write plan and manifest."""
        manifest.write(
            self.setup.out,
            self.setup.plan,
            self.encoders,
            {id: manifest.dataset_entry(images) for id, images in self.sets.items()},
            self.states.items(),
            self.engine,
            self.unopened,
        )

    def count(self, *states: str) -> int:
        """How many cells are in one of these states."""
        return sum(entry["state"] in states for entry in self.states.values())


def study(setup: Setup, engine: str = "local", stop: Callable[[], None] = lambda: None) -> Iterator[Event]:
    """Run what is not done yet; yields an event after every step, the last of kind `end`.

    The folder is a valid study at any moment, whenever the process is killed: what is done stays done.

    Args:
        setup: plan and places; a study that is in `out` already is gone on with, and grows by what the plan adds.
        engine: id of the engine.
        stop: called between steps; raises `Cancelled` when the work should end.

    Raises:
        InvalidRequest: the plan cannot be run, or another process is running this study.
        DataUnavailable: no data set could be opened.
        Cancelled: as `stop` raises it; the study can be resumed.
    """
    setup.plan.check()
    runner = engine_called(engine)
    fs, path = writing.filesystem(setup.out)
    if isinstance(fs, LocalFileSystem):
        Path(path).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(Path(path) / ".lock", timeout=0):
                yield from _locked(setup, engine, runner, stop)
        except Timeout:
            raise InvalidRequest(
                f"{setup.out} is being worked on by another process: wait, or choose another --out."
            ) from None
    else:
        yield from _locked(setup, engine, runner, stop)


def _locked(setup: Setup, engine: str, runner: Engine, stop: Callable[[], None]) -> Iterator[Event]:
    old = stored_plan(setup.out)
    if old is not None:
        setup = replace(setup, plan=merged(old, setup.plan))
    work = _Study(setup, engine)
    pairs = work.pairs()
    work.write()
    total, begun = len(work.states), time.monotonic()
    ran = 0

    def event(kind: Kind, what: str, **more: Any) -> Event:
        left = work.count("waiting")
        remaining = (time.monotonic() - begun) / ran * left if ran else None
        return Event(kind, what, total - left, total, remaining=remaining, **more)

    for cell, state in work.states.items():
        if state["state"] == "failed":
            yield event("failed", cell.id, reason=state["reason"])
    if kept := work.count("done"):
        yield event("kept", f"{kept} cells of an earlier run")
    try:
        for step in runner(setup, pairs, stop):
            if step.cell is None:
                yield event("features", f"{step.encoder} on {step.dataset}", share=step.share)
                continue
            ran += 1
            if step.kind == "failed":
                work.fail(step.cell, step.reason)
            else:
                work.states[step.cell] = {"state": "done", "facts": step.facts}
            work.write()
            yield event(step.kind, step.cell.id, reason=step.reason, top1=step.facts.get("top1"))
        if work.distances_key is not None:
            for id in work.encoders:
                stop()
                yield event("distances", id)
                work.measure(id)
            distances.write(setup.out, work.tables, work.distances_key)
    finally:
        work.write()
    yield event("end", setup.out)
