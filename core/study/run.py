"""Runs a study from its plan, or goes on with one that was interrupted, and tells of it step by step."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from fsspec.implementations.local import LocalFileSystem

from core.errors import InvalidRequest, InvariscopeError
from core.results import writing
from core.results.info import fault
from core.study import distances, plan
from core.study.engines import engine as engine_called
from core.study.engines.base import Engine, Setup
from core.study.estimate import Pace
from core.study.plan import Plan
from core.study.state import Work

Kind = Literal["opened", "kept", "features", "cell", "failed", "distances", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a person who waits is told.

    Attributes:
        kind: `opened` (a data set), `kept` (done in an earlier run), `features`, `cell`, `failed`, `distances`, or
            `end`.
        what: the cell, or encoder and data set.
        done: cells that are finished, failed ones included.
        total: cells of the study.
        share: of the samples that the encoder has read, for `features`.
        remaining: seconds to go, estimated from this run; None until one cell has run.
        reason: why, for `failed`; what to know of a data set, for `opened`.
        top1: accuracy of the cell in [0, 1], for `cell`.
        failed: cells that failed, for `end`.
        unopened: data sets that could not be opened, for `end`.
    """

    kind: Kind
    what: str
    done: int
    total: int
    share: float = 1.0
    remaining: float | None = None
    reason: str = ""
    top1: float | None = None
    failed: int = 0
    unopened: int = 0


def merged(old: Plan, new: Plan) -> Plan:
    """A plan that does what both do: a study grows, and nothing it holds is thrown away.

    Settings that exclude each other (options of a protocol, logits, title) are the new plan's.
    """
    return replace(
        new,
        encoders=tuple(dict.fromkeys((*old.encoders, *new.encoders))),
        datasets=tuple(dict.fromkeys((*old.datasets, *new.datasets))),
        protocols=tuple(dict.fromkeys((*old.protocols, *new.protocols))),
        measures=tuple(dict.fromkeys((*old.measures, *new.measures))),
        seeds=max(old.seeds, new.seeds),
        title=new.title or old.title,
        options={id: old.options.get(id, {}) | new.options.get(id, {}) for id in (*old.options, *new.options)},
    )


def stored_manifest(out: str) -> dict[str, Any]:
    """The manifest of the study in a folder; empty when there is none, or it is damaged."""
    fs, path = writing.filesystem(f"{out}/manifest.json")
    # Damaged, or nested by someone who wants the parser to fall: written anew by the run, which keeps whole cells.
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(fs.cat_file(path)) if fs.exists(path) else {}
        return found if fault(found) is None else {}
    return {}


def stored_plan(out: str) -> Plan | None:
    """The plan of the study in a folder; None when there is no study.

    Raises:
        InvalidRequest: study.toml is damaged, or was edited.
    """
    fs, path = writing.filesystem(f"{out}/study.toml")
    text = fs.cat_file(path) if fs.exists(path) else None
    known = stored_manifest(out).get("plan")
    if known is None:
        return None if text is None else plan.parse(text.decode(errors="replace"), f"{out}/study.toml")
    found = plan.of_table(known, f"{out}/manifest.json")
    # Read and not compared letter by letter: an older version's plan says less in other words.
    written = None
    # One that cannot be read differs, which is said below.
    with contextlib.suppress(InvariscopeError):
        written = plan.parse((text or b"").decode(errors="replace"), f"{out}/study.toml")
    if text is not None and written != found:
        raise InvalidRequest(
            f"{out}/study.toml is not what the last run wrote: it was edited, or is damaged. To run an edited plan, "
            "move it out of the folder and name it: 'invariscope study FILE --out DIR'. Otherwise delete it: the "
            "manifest knows the plan."
        )
    return found


def study(setup: Setup, engine: str = "local") -> Iterator[Event]:
    """Run what is not done yet; yields an event after every step, the last of kind `end`.

    The folder is a valid study at any moment, whenever the process is killed or a handler of a signal raises
    `Cancelled`: what is done stays done, and the study can be resumed.

    Args:
        setup: plan and places; a study that is in `out` already is gone on with, and grows by what the plan adds.
        engine: id of the engine.

    Raises:
        InvalidRequest: the plan cannot be run, or another process is running this study (told for folders; two runs
            into one address of an object store are not kept apart).
        DataUnavailable: no data set could be opened.
    """
    setup.plan.check().check_options()
    runner = engine_called(engine)
    fs, path = writing.filesystem(setup.out)
    if isinstance(fs, LocalFileSystem):
        Path(path).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(Path(path) / ".lock", timeout=0):
                yield from _locked(setup, engine, runner)
        except Timeout:
            raise InvalidRequest(
                f"{setup.out} is being worked on by another process: wait, or choose another --out."
            ) from None
    else:
        yield from _locked(setup, engine, runner)


def _locked(setup: Setup, engine: str, runner: Engine) -> Iterator[Event]:
    old, asked = stored_plan(setup.out), setup.plan.datasets
    if old is not None:
        setup = replace(setup, plan=merged(old, setup.plan))
        setup.plan.check_options()
    writing.sweep(setup.out)
    work = Work(setup, engine, stored_manifest(setup.out), asked)
    setup, pairs = work.setup, work.pairs()
    work.write()
    total, pace = (
        len(work.states),
        Pace({id: sum(len(part) for part in images.parts.values()) for id, images in work.sets.items()}),
    )

    def event(kind: Kind, what: str, **more: Any) -> Event:
        waiting = [cell for cell, state in work.states.items() if state["state"] == "waiting"]
        return Event(kind, what, total - len(waiting), total, remaining=pace.remaining(waiting), **more)

    for id, images in work.sets.items():
        counts = ", ".join(f"{len(part):,} {name}" for name, part in images.parts.items())
        yield event("opened", f"{id}: {counts} images", reason=images.spec.note)
    for cell, state in work.states.items():
        if state["state"] == "failed":
            yield event("failed", cell.id, reason=state["reason"])
    if kept := work.count("done"):
        yield event("kept", f"{kept} cells of an earlier run")
    try:
        for step in runner(setup, pairs):
            if step.cell is None:
                yield event("features", f"{step.encoder} on {step.dataset}", share=step.share)
                continue
            if step.kind == "failed":
                work.states[step.cell] = {"state": "failed", "reason": step.reason}
            else:
                work.states[step.cell] = step.done
                pace.told(step.cell, float(step.done["facts"]["seconds"]))
            work.write()
            yield event(step.kind, step.cell.id, reason=step.reason, top1=step.done.get("facts", {}).get("top1"))
        if work.distances_key is not None:
            for id in work.encoders:
                yield event("distances", id)
                work.measure(id)
            work.distances = distances.write(setup.out, work.tables, work.distances_key)
    finally:
        work.write()
    yield event("end", setup.out, failed=work.count("failed"), unopened=len(work.unopened))
