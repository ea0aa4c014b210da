"""Runs a study on a Ray cluster: shards of features, then cells, as tasks of a pipeline over pairs.

A worker or a node that dies loses nothing: its tasks are given to others, and what they write is whole or absent. When
this process dies, a second run goes on from the files.
"""

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from fsspec.implementations.local import LocalFileSystem

from core.datasets.address import parse, path_of, text_of
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.errors import InvalidRequest
from core.results import writing
from core.study import features
from core.study.engines import tasks
from core.study.engines.base import EXPECTED, Pair, Setup, Step, failed
from core.study.engines.shelf import Shelf
from core.study.engines.tasks import Order, Outcome

try:
    import ray
except ImportError as error:
    raise InvalidRequest('The ray engine needs Ray: pip install "invariscope[ray]"') from error

from core.study.engines import connection

POLL = 0.2  # seconds between looks at `stop`
AHEAD = 2  # tasks submitted for each that can run, so that no worker waits for this process
ATTEMPTS = 4  # of a task whose worker died; one that kills every worker must end some time
GRACE = 2.0  # seconds for cancelled tasks to end by themselves
FUNCTIONS = {"encode": tasks.encode, "join": tasks.join, "cell": tasks.run_cell}


@dataclass(slots=True, eq=False)
class _Work:
    """A pair under way; counts what is left before its cells can run."""

    pair: Pair
    order: Order
    shards_left: dict[str, int]
    joins_left: int
    done: int
    total: int
    dead: bool = False

    def step(self, kind: Literal["features", "cell", "failed"], **more: Any) -> Step:
        """News of this pair."""
        return Step(kind, self.pair.encoder, self.pair.images.spec.id, **more)


@dataclass(slots=True, eq=False)
class _Task:
    """One call of a function of `tasks`."""

    kind: Literal["encode", "join", "cell"]
    work: _Work
    arguments: tuple[Any, ...]
    attempts: int = field(default=0)


def run(setup: Setup, pairs: Sequence[Pair], stop: Callable[[], None]) -> Iterator[Step]:
    """The steps of all pairs, in the order in which the cluster is done with them.

    Raises:
        InvalidRequest: there is no such cluster, or it cannot run a task.
    """
    options = connection.options_of(setup.options)
    setup = _absolute(setup)
    shelf = Shelf(setup.cache, options.cache)
    with connection.connected(options), _token(setup, shelf) as token:
        yield from _Foreman(setup, shelf, connection.share(options, setup.device), token).work(pairs, stop)


def _absolute(setup: Setup) -> Setup:
    """The same places for processes that work in another folder."""
    fs, path = writing.filesystem(setup.out)
    out = path if isinstance(fs, LocalFileSystem) else setup.out
    return replace(setup, out=out, cache=setup.cache.absolute(), data=setup.data.absolute())


def _anywhere(address: str, data: Path) -> str:
    """The same data set for processes that work in another folder."""
    found = parse(address, data)
    if found.kind == "folder":
        found = replace(found, target=str(path_of(found, data).absolute()))
    return text_of(found)


@contextlib.contextmanager
def _token(setup: Setup, shelf: Shelf) -> Iterator[str]:
    """Put a file into each place that all nodes must share; its name is how a worker knows the place again."""
    token = f".cluster-{uuid.uuid4().hex}"
    places = [f"{setup.out}/{token}"] + ([] if shelf.address else [f"{shelf.cache}/{token}"])
    for place in places:
        writing.write_bytes(place, b"A study runs on a cluster.\n")
    try:
        yield token
    finally:
        for place in places:
            fs, path = writing.filesystem(place)
            with contextlib.suppress(FileNotFoundError):
                fs.rm_file(path)


class _Foreman:
    """Hands out tasks, few at a time, and takes what comes back."""

    def __init__(self, setup: Setup, shelf: Shelf, share: connection.Share, token: str) -> None:
        self.setup, self.shelf, self.share, self.token = setup, shelf, share, token
        self.urgent: deque[_Task] = deque()  # joins and cells, so that a pair ends before others begin
        self.shards: deque[_Task] = deque()
        self.running: dict[Any, _Task] = {}
        self.functions = {kind: ray.remote(function) for kind, function in FUNCTIONS.items()}
        # Lost tasks are given out again here, where they can be counted, and not by Ray.
        self.terms: dict[str, Any] = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_retries": 0}
        self.terms |= {"runtime_env": {"env_vars": share.environment}}
        self.sha256 = lru_cache(maxsize=None)(lambda id: weights.verify(encoder_spec(id).weights))

    def work(self, pairs: Sequence[Pair], stop: Callable[[], None]) -> Iterator[Step]:
        """The steps of all pairs."""
        waiting = deque(pairs)
        try:
            while True:
                stop()
                yield from self._hand_out(waiting)
                if not self.running:
                    return
                with connection.told_by_signal():
                    ready, _ = ray.wait(list(self.running), num_returns=1, timeout=POLL)
                for reference in ready:
                    yield from self._take_back(self.running.pop(reference), reference)
        finally:
            self._cancel()

    def _hand_out(self, waiting: deque[Pair]) -> Iterator[Step]:
        limit = AHEAD * max(1, self.share.slots())
        while len(self.running) < limit:
            if not self.urgent and not self.shards:
                if not waiting:
                    return
                yield from self._begin(waiting.popleft())
                continue
            task = (self.urgent or self.shards).popleft()
            if task.work.dead:
                continue
            task.attempts += 1
            name = f"{task.kind} {task.work.pair.encoder} on {task.work.pair.images.spec.id}"
            call = self.functions[task.kind].options(name=name, **self.terms)
            self.running[call.remote(task.work.order, *task.arguments)] = task

    def _begin(self, pair: Pair) -> Iterator[Step]:
        """Find out what a pair still needs, and line it up."""
        images, share = pair.images, self.share
        try:
            order = Order(
                plan=self.setup.plan,
                encoder=pair.encoder,
                sha256=self.sha256(pair.encoder),
                address=_anywhere(images.address, self.setup.data),
                fingerprint=images.fingerprint,
                data=self.setup.data,
                shelf=self.shelf,
                out=self.setup.out,
                device=share.device,
                threads=share.cpus,
                token=self.token,
            )
            todo = {}
            for name in (name for name in features.PARTS if name in images.parts):
                key = order.key(images, name)
                self.shelf.offer(key)
                if not self.shelf.is_complete(key):
                    todo[name] = self.shelf.missing(key, len(images.parts[name]))
        except EXPECTED + writing.transport_errors() as error:
            yield from failed(pair, error)
            return
        total = sum(len(part) for part in images.parts.values())
        left = sum(shard.stop - shard.start for shards in todo.values() for shard in shards)
        counts = {name: len(shards) for name, shards in todo.items()}
        work = _Work(pair, order, counts, len(todo), total - left, total)
        for name, shards in todo.items():
            self.shards.extend(_Task("encode", work, (name, shard)) for shard in shards)
            if not shards:
                self.urgent.append(_Task("join", work, (name,)))
        if not todo:
            yield from self._encoded(work)

    def _take_back(self, task: _Task, reference: Any) -> Iterator[Step]:
        try:
            with connection.told_by_signal():
                outcome: Outcome = ray.get(reference)
        except ray.exceptions.TaskCancelledError:
            if not task.work.dead:
                raise
            return
        except ray.exceptions.RayTaskError:
            raise  # a fault of the program
        except ray.exceptions.RayError as error:  # the worker, or its node, is gone
            if task.attempts < ATTEMPTS:
                self.urgent.append(task)
                return
            outcome = Outcome(problem=_lost(error))
        if task.work.dead:
            return
        if outcome.problem:
            yield from self._fail(task, outcome.problem)
        elif task.kind == "cell":
            yield task.work.step("cell", cell=task.arguments[0], facts=outcome.facts)
        elif task.kind == "join":
            task.work.joins_left -= 1
            if not task.work.joins_left:
                yield from self._encoded(task.work)
        else:
            part, shard = task.arguments
            task.work.done += shard.stop - shard.start
            task.work.shards_left[part] -= 1
            if not task.work.shards_left[part]:
                self.urgent.append(_Task("join", task.work, (part,)))
            yield task.work.step("features", share=task.work.done / task.work.total)

    def _encoded(self, work: _Work) -> Iterator[Step]:
        """Line up the cells of a pair whose features are there."""
        try:
            # Distances between data sets are measured in this process, from the test parts.
            self.shelf.bring(work.order.key(work.pair.images, "test"))
        except EXPECTED + writing.transport_errors() as error:
            yield from failed(work.pair, error)
            return
        self.urgent.extend(_Task("cell", work, (cell,)) for cell in work.pair.cells)

    def _fail(self, task: _Task, reason: str) -> Iterator[Step]:
        """The failure of a cell, or of a pair that cannot be encoded: its other tasks are of no use."""
        if task.kind == "cell":
            yield task.work.step("failed", cell=task.arguments[0], reason=reason)
            return
        task.work.dead = True
        for reference, other in self.running.items():
            if other.work is task.work:
                ray.cancel(reference)
        for cell in task.work.pair.cells:
            yield task.work.step("failed", cell=cell, reason=reason)

    def _cancel(self) -> None:
        """End what still runs, first by asking."""
        left = list(self.running)
        for reference in left:
            ray.cancel(reference)
        end = time.monotonic() + GRACE
        while left and time.monotonic() < end:
            with connection.told_by_signal():
                _, left = ray.wait(left, num_returns=len(left), timeout=POLL)
        for reference in left:
            ray.cancel(reference, force=True)
        self.running.clear()


def _lost(error: BaseException) -> str:
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"Out of memory: {ATTEMPTS} workers were ended for want of it. Raise cpus_per_task, or add memory."
    text = " ".join(str(error).split())[:300]
    return f"{ATTEMPTS} workers died at it, the last with {type(error).__name__}: {text}"
