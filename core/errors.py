"""The errors a person can cause, each saying what is wrong and what to do.

InvariscopeError
├── ImageError
│   ├── UnreadableImage
│   └── ImageTooLarge
├── UnknownName          an id that no registry holds
├── WeightsUnavailable   a file that is neither shipped, fetched nor reachable
│   └── LicenceNotAccepted   one that is fetched only after its licence was accepted
├── WeightsInvalid       a file that is there but is not what the catalog says
├── HeadUnavailable      an encoder without a head for the task asked for
├── InvalidRequest       options that cannot work together, or out of range
├── DataUnavailable      a data folder that is missing or has no usable images
└── Cancelled            work that a person stopped
"""

import difflib
from collections.abc import Iterable

MANY = 20
"""Of more names than this, only the nearest are listed."""


class InvariscopeError(Exception):
    """Root of every error with a message meant for the person who caused it."""


class ImageError(InvariscopeError):
    """An image that cannot be used."""


class UnreadableImage(ImageError):
    """Bytes that are not a complete image in a supported format."""


class ImageTooLarge(ImageError):
    """An image with more pixels than it is safe to decode."""


class UnknownName(InvariscopeError):
    """A name that is not in its registry."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        if len(known) > MANY:
            near = difflib.get_close_matches(name, known, n=5, cutoff=0)
            super().__init__(f"There is no {kind} called '{name}'. Nearest of {len(known)}: {', '.join(near)}.")
        else:
            super().__init__(f"There is no {kind} called '{name}'. Known: {', '.join(known)}.")


class WeightsUnavailable(InvariscopeError):
    """Weights that are neither on this machine nor reachable."""


class LicenceNotAccepted(WeightsUnavailable):
    """Weights whose licence must be accepted before they are fetched, and was not.

    Attributes:
        terms: which licence, a key of `core.encoders.files.licences.TERMS`.
    """

    def __init__(self, message: str, terms: str) -> None:
        super().__init__(message)
        self.terms = terms


class WeightsInvalid(InvariscopeError):
    """Weights that do not match what the catalog says of them."""


class HeadUnavailable(InvariscopeError):
    """An encoder that has no head for the task asked for."""


class InvalidRequest(InvariscopeError):
    """Options that are out of range or cannot work together."""


class DataUnavailable(InvariscopeError):
    """A data folder that is missing, or that holds nothing usable."""


class Cancelled(InvariscopeError):
    """Work that a person stopped; what is done stays done."""
