"""Encoders in memory, shared by everybody in the process: at most so many bytes, the least recently used leaves.

An encoder that leaves is never moved or emptied: another session may be inside a forward pass. The last reference here
is dropped, and its memory is free once the last user has dropped theirs.
"""

import gc
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from core.encoders import encoder as encoders
from core.encoders import room
from core.encoders.encoder import Encoder
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.encoders.spec import EncoderSpec
from core.errors import Cancelled
from core.pace import Progress

GLANCE = 0.2
"""Seconds between two looks at a load that another session is at."""
GRACE = 1.0
"""Seconds from the last reference to an encoder until a GPU's memory is given back: its tensors go one by one."""

T = TypeVar("T")
Key = tuple[str, str]
Stamp = tuple[EncoderSpec, Path, tuple[int, int, int] | None]


class Load(Protocol):
    """How an encoder is loaded."""

    def __call__(self, id: str, device: torch.device, progress: Progress) -> Encoder:
        """The encoder called `id`, ready."""


@dataclass(frozen=True, slots=True)
class Resident:
    """An encoder in memory.

    Attributes:
        id: of the encoder.
        device: where it is, as PyTorch writes it.
        bytes: its parameters, buffers, and what of its file its heads read.
        leaving: whether only those still use it who began earlier.
    """

    id: str
    device: str
    bytes: int
    leaving: bool


@dataclass(slots=True, eq=False)
class _Place:
    """What is known of one encoder; `encoder` is None once it has to leave, while others may still use it."""

    stamp: Stamp
    encoder: Encoder | None
    seen: "weakref.ref[Encoder]"
    network: "weakref.ref[Any]"
    bytes: int
    belongings: dict[Hashable, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Loading:
    """A load under way: the bytes it will take, who waits for it, and how far its download is."""

    need: int = 0
    future: "Future[Encoder]" = field(default_factory=Future)
    told: tuple[int, int] | None = None


class _Abandoned(Exception):
    """Who was loading stopped for a reason of their own."""


def empty_gpu(network: "weakref.ref[Any]") -> None:
    """Give a GPU's unused memory back, that of a network that just went included."""
    if network() is not None:
        gc.collect()  # its layers may refer to each other in a circle
    torch.cuda.empty_cache()


def soon(work: Callable[[], None]) -> None:
    """Do something a moment later, in a thread of its own."""
    if not sys.is_finalizing():
        timer = threading.Timer(GRACE, work)
        timer.daemon = True
        timer.start()


class Residents:
    """Encoders in memory, on any number of devices; each device has its budget."""

    def __init__(
        self,
        load: Load = encoders.load,
        budget: Callable[[torch.device], int] = room.budget,
        spec_of: Callable[[str], EncoderSpec] = encoder_spec,
        empty: Callable[["weakref.ref[Any]"], None] = empty_gpu,
        soon: Callable[[Callable[[], None]], None] = soon,
    ) -> None:
        self._load, self._budget, self._spec_of, self._empty, self._soon = load, budget, spec_of, empty, soon
        self._lock = threading.RLock()
        self._places: OrderedDict[Key, _Place] = OrderedDict()
        self._loads: dict[Key, _Loading] = {}

    def get(self, id: str, device: torch.device, progress: Progress = lambda done, total: None) -> Encoder:
        """The encoder called `id` on a device: at once where it is resident, else loaded, once for all who ask.

        Raises:
            InvalidRequest: it alone needs more than the budget; nothing was fetched or loaded if its size was known.
            InvariscopeError: as `encoders.load`.
        """
        key = (id, str(device))
        while True:
            stamp = self._stamp(id)
            with self._lock:
                if (found := self._find(key, stamp)) is not None:
                    return found
                mine = key not in self._loads
                loading = self._loads.setdefault(key, _Loading())
            if mine:
                return self._fill(key, stamp, device, loading, progress)
            while not wait([loading.future], GLANCE).done:
                if loading.told is not None:
                    progress(*loading.told)
            try:
                return loading.future.result()
            except _Abandoned:
                continue

    def belonging(self, encoder: Encoder, name: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, kept while the encoder is resident; one that is not resident, or leaves, gets its own.

        It may refer to the encoder, and must allow weak references.
        """
        with self._lock:
            place = self._places.get((encoder.spec.id, str(encoder.device)))
            if place is not None and place.encoder is encoder and name in place.belongings:
                kept: T = place.belongings[name]
                return kept
        made = make()
        with self._lock:
            if place is None or place.encoder is not encoder:
                return made
            # Whoever was first is what all share.
            shared: T = place.belongings.setdefault(name, made)
            return shared

    def resident(self) -> tuple[Resident, ...]:
        """What is in memory, the most recently used last; what has to leave is in it until it is gone."""
        with self._lock:
            self._forget()
            return tuple(
                Resident(id, device, place.bytes, leaving=place.encoder is None)
                for (id, device), place in self._places.items()
            )

    def keep(self, count: int) -> None:
        """Let all but the `count` most recently used leave."""
        with self._lock:
            staying = [key for key, place in self._places.items() if place.encoder is not None]
            for key in staying[: max(0, len(staying) - count)]:
                self._release(key, even_in_use=True)

    def _stamp(self, id: str) -> Stamp:
        """What an encoder is made of: with another entry or another file it is another encoder."""
        spec = self._spec_of(id)
        path = weights.path_of(spec.weights)
        try:
            now = path.stat()
        except OSError:
            return spec, path, None
        return spec, path, (now.st_size, now.st_mtime_ns, now.st_ino)

    def _find(self, key: Key, stamp: Stamp) -> Encoder | None:
        """The encoder where it is in memory and still the same; it becomes the most recently used."""
        place = self._places.get(key)
        encoder = None if place is None else place.seen()
        if place is None or encoder is None:
            return None
        # A file that is gone does not make wrong what was read from it.
        if place.stamp[:2] != stamp[:2] or stamp[2] not in (None, place.stamp[2]):
            del self._places[key]
            return None
        self._places.move_to_end(key)
        if place.encoder is None:
            place.encoder = encoder
            self._make_room(key[1], self._budget(encoder.device))
        return encoder

    def _fill(self, key: Key, stamp: Stamp, device: torch.device, loading: _Loading, progress: Progress) -> Encoder:
        def tell(done: int, total: int) -> None:
            loading.told = (done, total)
            progress(done, total)

        try:
            spec, limit = stamp[0], self._budget(device)
            need = room.expected(spec)
            if not 0 < need <= limit:
                need = room.exact(spec)
            room.require(spec, need, limit)
            with self._lock:
                loading.need = need
                self._make_room(key[1], limit)
            encoder = self._load(key[0], device, tell)
            size = room.taken(encoder)
            room.require(spec, size, limit)
            stamp = self._stamp(key[0])
            with self._lock:
                del self._loads[key]
                self._places[key] = self._place(stamp, encoder, size)
                self._places.move_to_end(key)
                self._make_room(key[1], limit)
        except BaseException as error:
            with self._lock:
                self._loads.pop(key, None)
            # What one person stopped is not the others' failure: one of them loads it instead.
            own = isinstance(error, Cancelled) or not isinstance(error, Exception)
            loading.future.set_exception(_Abandoned() if own else error)
            raise
        loading.future.set_result(encoder)
        return encoder

    def _place(self, stamp: Stamp, encoder: Encoder, size: int) -> _Place:
        network = weakref.ref(encoder.network)

        def gone(_: weakref.ref[Encoder]) -> None:
            # Called while the last user drops the encoder, with whatever locks that user holds: so nothing at once.
            self._soon(lambda: self._empty(network))

        on_gpu = encoder.device.type == "cuda"
        return _Place(stamp, encoder, weakref.ref(encoder, gone if on_gpu else None), network, size)

    def _make_room(self, device: str, limit: int) -> None:
        """Let encoders leave, the least recently used first, those in use only when there are no others."""
        for even_in_use in (False, True):
            for key in [key for key in self._places if key[1] == device]:
                # What leaves and is still used takes memory as well, but to drop more would not free it.
                if self._taken(device, leaving=not even_in_use) <= limit:
                    break
                self._release(key, even_in_use)

    def _taken(self, device: str, leaving: bool) -> int:
        self._forget()
        there = [p.bytes for k, p in self._places.items() if k[1] == device and (leaving or p.encoder is not None)]
        return sum(there) + sum(loading.need for key, loading in self._loads.items() if key[1] == device)

    def _release(self, key: Key, even_in_use: bool) -> None:
        """Drop an encoder and what belongs to it; taken back at once when others use it, unless it is to go anyway."""
        place = self._places.get(key)
        if place is None:
            return
        belongings = {name: weakref.ref(value) for name, value in place.belongings.items()}
        place.belongings, place.encoder = {}, None
        in_use = place.seen()
        if in_use is None:
            del self._places[key]
            if key[1].startswith("cuda"):
                self._empty(place.network)
            elif place.network() is not None:
                gc.collect()
        elif not even_in_use:
            place.encoder = in_use
            place.belongings = {name: value for name, ref in belongings.items() if (value := ref()) is not None}

    def _forget(self) -> None:
        """Forget what is gone."""
        for key in [key for key, place in self._places.items() if place.seen() is None]:
            del self._places[key]


@cache
def residents() -> Residents:
    """The encoders in this process's memory."""
    return Residents()


def resident() -> tuple[Resident, ...]:
    """What is in this process's memory, the most recently used last."""
    return residents().resident()
