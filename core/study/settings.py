"""Settings that a person gave to a protocol or an engine, checked one by one."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import InvalidRequest


class Settings:
    """The options of one owner; each getter gives a checked value, or the default when nothing was given."""

    def __init__(self, owner: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
        """Read the options of an owner, who is named as in `protocol knn`.

        Raises:
            InvalidRequest: an option is unknown.
        """
        self.owner, self.given = owner, given
        strange, names = sorted(set(given) - set(known)), ", ".join(sorted(known))
        if strange:
            raise InvalidRequest(f"{owner.capitalize()} has no option '{strange[0]}'. Its options: {names}.")

    def _refuse(self, name: str, wanted: str) -> InvalidRequest:
        return InvalidRequest(f"Option '{name}' of {self.owner} must be {wanted}, not {self.given.get(name)!r}.")

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """An integer in [low, high].

        Raises:
            InvalidRequest: it is not.
        """
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._refuse(name, f"a whole number from {low} to {high}")
        return value

    def real(self, name: str, default: float, low: float, high: float) -> float:
        """A number in [low, high].

        Raises:
            InvalidRequest: it is not.
        """
        value = self.given.get(name, default)
        if not _between(value, low, high):
            raise self._refuse(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """A word.

        Raises:
            InvalidRequest: it is not.
        """
        value = self.given.get(name, default)
        if not isinstance(value, str):
            raise self._refuse(name, "a word")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false when nothing was given.

        Raises:
            InvalidRequest: it is neither.
        """
        value = self.given.get(name, False)
        if not isinstance(value, bool):
            raise self._refuse(name, "true or false")
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
        different = isinstance(value, list | tuple) and value and len(set(map(repr, value))) == len(value)
        if not different or not all(_between(item, low, high) for item in value):
            raise self._refuse(name, f"like [{default[0]:g}], a list of different numbers from {low:g} to {high:g}")
        return tuple(float(item) for item in value)


def _between(value: Any, low: float, high: float) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return real and low <= value <= high
