"""Runs a study on a Ray cluster: a task for each shard of features, one that joins them, and one for each cell.

Which task waits for which is told to Ray, and Ray gives a task whose worker or node died to another one; what tasks
write is whole or absent. When this process dies, a second run goes on from the files.
"""

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from core.datasets.address import parse, path_of, text_of
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.errors import InvalidRequest
from core.results import writing
from core.study import features
from core.study.cells import Cell
from core.study.engines import tasks
from core.study.engines.base import EXPECTED, Pair, Setup, Step, failed
from core.study.engines.tasks import Order, Outcome
from core.study.features import Shard

try:
    import ray
except ImportError as error:
    raise InvalidRequest('The ray engine needs Ray: pip install "invariscope[ray]"') from error

from core.study.engines import connection

POLL = 0.2  # seconds that Ray waits at once, during which no signal is answered
AHEAD = 256  # tasks under way after which no other pair is begun
RETRIES = 3  # of a task whose worker died; one that kills every worker must end some time
GRACE = 2.0  # seconds for cancelled tasks to end by themselves


FUNCTIONS = {function: ray.remote(function) for function in (tasks.encode, tasks.join, tasks.run_cell)}


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What a task that was handed out is for: a cell, or a number of samples to encode; a join has neither."""

    pair: Pair
    cell: Cell | None = None
    samples: int = 0


def run(setup: Setup, pairs: Sequence[Pair]) -> Iterator[Step]:
    """The steps of all pairs, in the order in which the cluster is done with them.

    Raises:
        InvalidRequest: there is no such cluster, or it cannot run a task.
    """
    options = connection.options_of(setup.options)
    setup = _absolute(setup)
    with connection.connected(options), _token(setup, options.cache) as token:
        share = connection.share(options, setup.device)
        foreman = _Foreman(replace(setup, device=share.device, options={}), options.cache, share, token)
        yield from foreman.work(pairs)
        for pair in pairs if options.cache else ():  # distances between data sets are measured in this process
            # Cells are done without: what does not come leaves distances without a key, and the next run measures them.
            with contextlib.suppress(*EXPECTED, *writing.transport_errors()):
                features.carry(*foreman.order(pair).places(pair.images, "test"))


def _absolute(setup: Setup) -> Setup:
    """The same places for processes that work in another folder."""
    out = writing.filesystem(setup.out)[1] if writing.is_local(setup.out) else setup.out
    return replace(setup, out=out, cache=setup.cache.absolute(), data=setup.data.absolute())


@contextlib.contextmanager
def _token(setup: Setup, shared: str) -> Iterator[str]:
    """Put a file into each place that all nodes must share; its name is how a worker knows the place again."""
    token = f".cluster-{uuid.uuid4().hex}"
    places = [f"{place}/{token}" for place in (setup.out, "" if shared else str(setup.cache)) if place]
    for place in places:
        writing.write_bytes(place, b"A study runs on a cluster.\n")
    try:
        yield token
    finally:
        for place in places:
            fs, path = writing.filesystem(place)
            with contextlib.suppress(FileNotFoundError):  # the folder went with the study
                fs.rm_file(path)


class _Foreman:
    """Hands out the tasks of few pairs at a time, and takes what comes back."""

    def __init__(self, setup: Setup, shared: str, share: connection.Share, token: str) -> None:
        self.setup, self.shared, self.share, self.token = setup, shared, share, token
        self.running: dict[Any, _Task] = {}
        self.encoded: dict[Pair, int] = {}
        self.terms: dict[str, Any] = {"num_cpus": share.cpus, "num_gpus": share.gpus, "max_retries": RETRIES}
        self.terms |= {"runtime_env": {"env_vars": share.environment}}

    def work(self, pairs: Sequence[Pair]) -> Iterator[Step]:
        """The steps of all pairs."""
        waiting = deque(pairs)
        try:
            while True:
                while waiting and len(self.running) < AHEAD:
                    pair = waiting.popleft()
                    try:
                        self._begin(pair)
                    except EXPECTED + writing.transport_errors() as error:
                        yield from failed(pair, error)
                if not self.running:
                    return
                with connection.told_by_signal():
                    ready, _ = ray.wait(list(self.running), num_returns=1, timeout=POLL)
                for reference in ready:
                    yield from self._take_back(self.running.pop(reference), reference)
        finally:
            self._cancel()

    def order(self, pair: Pair) -> Order:
        """What workers must know of a pair."""
        address = parse(pair.images.address, self.setup.data)
        if address.kind == "folder":
            address = replace(address, target=str(path_of(address, self.setup.data).absolute()))
        return Order(
            setup=self.setup,
            encoder=pair.encoder,
            sha256=weights.verify(encoder_spec(pair.encoder).weights),
            address=text_of(address),
            fingerprint=pair.images.fingerprint,
            shared=self.shared,
            threads=self.share.cpus,
            token=self.token,
        )

    def _begin(self, pair: Pair) -> None:
        """Hand out all that a pair still needs, each task with those that it waits for."""
        order, parts = self.order(pair), pair.images.parts
        todo: dict[str, list[Shard]] = {}
        for name in (name for name in features.PARTS if name in parts):
            shared, own = order.places(pair.images, name)
            if self.shared:
                features.carry(own, shared)  # of an earlier run here
            if not features.is_complete(shared):
                todo[name] = features.missing(shared, len(parts[name]))
        self.encoded[pair] = sum(map(len, parts.values())) - sum(
            shard.stop - shard.start for shards in todo.values() for shard in shards
        )
        joins = []
        for name, shards in todo.items():
            encoded = [
                self._hand_out(tasks.encode, _Task(pair, samples=shard.stop - shard.start), order, name, shard)
                for shard in shards
            ]
            joins.append(self._hand_out(tasks.join, _Task(pair), order, name, *encoded))
        for cell in pair.cells:
            self._hand_out(tasks.run_cell, _Task(pair, cell), order, cell, *joins)

    def _hand_out(self, function: Callable[..., Outcome], task: _Task, *arguments: Any) -> Any:
        name = f"{function.__name__} {task.pair.encoder} on {task.pair.images.spec.id}"
        reference = FUNCTIONS[function].options(name=name, **self.terms).remote(*arguments)
        self.running[reference] = task
        return reference

    def _take_back(self, task: _Task, reference: Any) -> Iterator[Step]:
        """The news of a task; of one that failed its cells tell, which are given its outcome."""
        try:
            with connection.told_by_signal():
                outcome: Outcome = ray.get(reference)
        except ray.exceptions.RayError as error:
            outcome = Outcome(problem=_lost(error))
        encoder, images = task.pair.encoder, task.pair.images
        if task.cell is not None:
            kind: Literal["cell", "failed"] = "failed" if outcome.problem else "cell"
            yield Step(kind, encoder, images.spec.id, task.cell, done=outcome.done, reason=outcome.problem)
        elif task.samples and not outcome.problem:
            self.encoded[task.pair] += task.samples
            share = self.encoded[task.pair] / sum(map(len, images.parts.values()))
            yield Step("features", encoder, images.spec.id, share=share)

    def _cancel(self) -> None:
        """End what still runs, first by asking."""
        # The last first: a worker that is freed gets the next task in line, and Ray ends this process when a task is
        # cancelled while it is handed out ("submissible_tasks", seen with 2.60).
        left = list(reversed(self.running))
        for reference in left:
            ray.cancel(reference)
        if left:
            with connection.told_by_signal():
                _, left = ray.wait(left, num_returns=len(left), timeout=GRACE)
        for reference in left:
            ray.cancel(reference, force=True)


def _lost(error: Any) -> str:
    """Why the workers of a task, or of one that it waits for, are gone; raises what is a fault of the program."""
    while isinstance(error, ray.exceptions.RayTaskError):
        if not isinstance(error.cause, ray.exceptions.RayError):
            raise error
        error = error.cause
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "Out of memory: its workers were ended for want of it. Raise cpus_per_task, or add memory."
    text = " ".join(str(error).split())[:300]
    return f"{1 + RETRIES} workers died at it, the last with {type(error).__name__}: {text}"
