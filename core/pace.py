"""How fast something arrives and how long it will still take, from successive "so much is done" calls."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all; 0 when unknown) while something arrives."""

WINDOW = 10.0
"""Seconds over which speed is averaged: short enough to follow a network, long enough to hold a number still."""

SETTLED = 0.5
"""Seconds that must be seen before a speed is worth saying."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where a download stands.

    Attributes:
        done: bytes that are here.
        total: bytes in all; 0 when unknown.
        rate: bytes per second, averaged over the last seconds; None until there is something to average.
    """

    done: int
    total: int
    rate: float | None = None

    @property
    def share(self) -> float:
        """What is done, in [0, 1]; 0 when the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds still to wait at this speed; None when the speed or the total is unknown, or nothing moves."""
        if not self.rate or not self.total:
            return None
        return max(0.0, self.total - self.done) / self.rate

    @property
    def text(self) -> str:
        """In words: "118 of 352 MB, 9.3 MB/s, 25 s left", with what is known of it."""
        parts = [f"{self.done / 1e6:.0f}" + (f" of {self.total / 1e6:.0f} MB" if self.total else " MB")]
        if self.rate is not None and (not self.total or self.done < self.total):
            parts.append(f"{self.rate / 1e6:.1f} MB/s")
            if self.remaining is not None:
                parts.append(f"{duration(self.remaining)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time to wait, as people say it: "25 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Pace:
    """Turns the calls of a progress function into speed and remaining time; one for each thing that is shown.

    Bytes that were here before the first call (a continued download) count as done and not as speed. When `done`
    falls, another file, or the same one again, has begun, and so does the average.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """A pace that has seen nothing; `clock` gives seconds that never go back."""
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, done: int, total: int) -> Transfer:
        """The state after a call of a progress function with the same arguments."""
        now = self._clock()
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW:
            self._seen.popleft()
        start, before = self._seen[0]
        rate = (done - before) / (now - start) if now - start >= SETTLED else None
        return Transfer(done, total, rate)
