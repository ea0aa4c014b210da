"""Settings of fine-tuning, and the grid of Kornblith et al. 2019."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.study.settings import Settings

ID = "fine-tune"

FULL_RATES = tuple(10 ** (-4 + 0.5 * i) for i in range(7))
FULL_DECAYS = (0.0, *(10 ** (-6 + 0.5 * i) for i in range(7)))
"""Shrinkage a step at the full learning rate. The L2 coefficient is this divided by the learning rate, as in Chen et
al. 2020 (B.8.2) and Ericsson et al. 2021, so that a decay means the same at every rate."""

SMALL_RATES = (1e-2, 1e-1, 1e-3)
SMALL_DECAYS = (0.0,)
"""A rate a decade, the middle one first, because who leads early ends others sooner; and no decay, which in a thousand
steps would shrink a weight by 5 % at 1e-4."""


@dataclass(frozen=True, slots=True)
class Member:
    """One point of the grid: learning rate at the start, and shrinkage a step (see `FULL_DECAYS`)."""

    rate: float
    decay: float

    @property
    def l2(self) -> float:
        """Coefficient of the weights in the gradient: what SGD calls weight decay."""
        return self.decay / self.rate


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to fine-tune.

    Attributes:
        steps: of SGD in a whole schedule.
        batch: samples a step.
        rates: learning rates tried.
        decays: weight decays tried at each rate.
        patience: checks without a rise of validation top-1 after which a member that does not lead ends.
    """

    steps: int
    batch: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    patience: int

    @property
    def members(self) -> tuple[Member, ...]:
        """The grid in the order in which it is tried."""
        return tuple(Member(rate, decay) for decay in self.decays for rate in self.rates)


def read(given: Mapping[str, Any]) -> SearchOptions:
    """The settings of a plan, or the defaults.

    `grid = "full"` is the 7 × 8 of Kornblith et al. 2019, `"small"` three rates of it without decay; `rates` and
    `decays` replace either's.

    Raises:
        InvalidRequest: one is unknown or out of range.
    """
    settings = Settings(f"protocol {ID}", given, (*SearchOptions.__slots__, "grid"))
    full = settings.choice("grid", ("small", "full")) == "full"
    return SearchOptions(
        steps=settings.whole("steps", 1000, 1, 1_000_000),
        batch=settings.whole("batch", 64, 2, 4096),
        rates=settings.numbers("rates", FULL_RATES if full else SMALL_RATES, 1e-8, 100),
        decays=settings.numbers("decays", FULL_DECAYS if full else SMALL_DECAYS, 0, 0.1),
        patience=settings.whole("patience", 3, 1, 1000),
    )
