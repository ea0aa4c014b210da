"""Encoders in memory, shared by everybody in the process: at most so many bytes, the least recently used leaves.

An encoder that leaves is never moved or emptied: another session may be inside a forward pass. The last reference here
is dropped, and its memory is free once the last user has dropped theirs; who asks before that gets the same one back.
"""

import gc
import threading
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from core.encoders import encoder as encoders
from core.encoders import room
from core.encoders.encoder import Encoder
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.encoders.spec import EncoderSpec
from core.files import Identity, identity
from core.pace import Progress

Key = tuple[str, torch.device]
Stamp = tuple[EncoderSpec, Path, Identity | None]


@dataclass(slots=True, eq=False)
class _Place:
    """What is known of one encoder; `kept` is None once it has to leave, while others may still use it."""

    stamp: Stamp
    bytes: int
    seen: "weakref.ref[Encoder]"
    kept: Encoder | None


class Residents:
    """Encoders in memory, on any number of devices; each device has its budget."""

    def __init__(
        self,
        load: Callable[[str, torch.device, Progress], Encoder] = encoders.load,
        budget: Callable[[torch.device], int] = room.budget,
        spec_of: Callable[[str], EncoderSpec] = encoder_spec,
    ) -> None:
        self._load, self._budget, self._spec_of = load, budget, spec_of
        self._lock = threading.RLock()
        self._doors: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._places: OrderedDict[Key, _Place] = OrderedDict()
        self._coming: dict[Key, int] = {}

    def get(self, id: str, device: torch.device, progress: Progress = lambda done, total: None) -> Encoder:
        """The encoder called `id` on a device: at once where it is resident, else loaded, once for all who ask.

        Raises:
            InvalidRequest: it alone needs more than the budget; nothing was fetched or loaded if its size was known.
            InvariscopeError: as `encoders.load`.
        """
        key = (id, device)
        with self._lock:
            door = self._doors[key]
        # Who waits here finds what the first one loaded; where that failed or was stopped, the next one tries.
        with door:
            stamp = self._stamp(id)
            with self._lock:
                if (found := self._find(key, stamp)) is not None:
                    return found
            limit = self._budget(device)
            need = room.expected(stamp[0], limit)
            room.require(stamp[0], need, limit)
            with self._lock:
                self._coming[key] = need
                self._make_room(device)
            try:
                encoder = self._load(id, device, progress)
            finally:
                with self._lock:
                    del self._coming[key]
            size = room.taken(encoder)
            room.require(stamp[0], size, limit)
            with self._lock:
                # Anew: the file may be here only now.
                self._places[key] = _Place(self._stamp(id), size, weakref.ref(encoder), encoder)
                self._make_room(device)
            return encoder

    def resident(self) -> list[Encoder]:
        """What is in memory, the most recently used last; what has to leave is in it until its users have gone."""
        with self._lock:
            return [encoder for place in self._places.values() if (encoder := place.seen()) is not None]

    def keep(self, count: int) -> None:
        """Let all but the `count` most recently used leave."""
        with self._lock:
            staying = [place for place in self._places.values() if place.kept is not None]
            self._release(staying[: max(0, len(staying) - count)])

    def _stamp(self, id: str) -> Stamp:
        """What an encoder is made of: with another entry or another file it is another encoder."""
        spec = self._spec_of(id)
        path = weights.path_of(spec.weights)
        return spec, path, identity(path)

    def _find(self, key: Key, stamp: Stamp) -> Encoder | None:
        """The encoder where it is in memory and still the same; it becomes the most recently used."""
        place = self._places.get(key)
        encoder = None if place is None else place.seen()
        # A file that is gone does not make wrong what was read from it.
        same = place is not None and place.stamp[:2] == stamp[:2] and stamp[2] in (None, place.stamp[2])
        if place is None or encoder is None or not same:
            self._places.pop(key, None)
            return None
        self._places.move_to_end(key)
        if place.kept is None:
            place.kept = encoder
            self._make_room(key[1])
        return encoder

    def _make_room(self, device: torch.device) -> None:
        """Let the least recently used leave until what stays, and what is being loaded, fits."""
        taken = sum(need for key, need in self._coming.items() if key[1] == device)
        leaving, limit = [], self._budget(device)
        for key, place in reversed(self._places.items()):
            if key[1] == device and place.kept is not None:
                taken += place.bytes
                if taken > limit:
                    leaving.append(place)
        self._release(leaving)

    def _release(self, places: list[_Place]) -> None:
        for place in places:
            place.kept = None
        if places:
            gc.collect()  # layers of a network may refer to each other in a circle


@cache
def residents() -> Residents:
    """The encoders in this process's memory."""
    return Residents()
