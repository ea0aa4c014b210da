"""Settings of a protocol as a plan gives them, checked one by one."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import InvalidRequest


class Settings:
    """The options of one protocol; each getter gives a checked value, or the default when the plan is silent."""

    def __init__(self, protocol: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
        """Read the options of a protocol.

        Raises:
            InvalidRequest: an option is unknown.
        """
        self.protocol, self.given = protocol, given
        strange, names = sorted(set(given) - set(known)), ", ".join(sorted(known))
        if strange:
            raise InvalidRequest(f"Protocol {protocol} has no option '{strange[0]}'. Its options: {names}.")

    def _refuse(self, name: str, wanted: str) -> InvalidRequest:
        return InvalidRequest(
            f"Option '{name}' of protocol {self.protocol} must be {wanted}, not {self.given.get(name)!r}."
        )

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """An integer in [low, high].

        Raises:
            InvalidRequest: it is not.
        """
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._refuse(name, f"a whole number from {low} to {high}")
        return value

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """One of the words; the first is the default.

        Raises:
            InvalidRequest: it is not.
        """
        value = self.given.get(name, options[0])
        if value not in options:
            raise self._refuse(name, f"one of {', '.join(options)}")
        return str(value)

    def numbers(self, name: str, default: tuple[float, ...], low: float, high: float) -> tuple[float, ...]:
        """Different numbers in [low, high], at least one.

        Raises:
            InvalidRequest: they are not.
        """
        value = self.given.get(name, default)
        wanted = f"a list of different numbers from {low:g} to {high:g}"
        if not isinstance(value, list | tuple) or not value or len(set(map(repr, value))) < len(value):
            raise self._refuse(name, wanted)
        for item in value:
            real = isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)
            if not real or not low <= item <= high:
                raise self._refuse(name, wanted)
        return tuple(float(item) for item in value)
