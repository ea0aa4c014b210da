"""When a member of the grid ends, and which one wins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.metrics.accuracy import top_k_accuracy
from core.metrics.calibration import negative_log_likelihood
from core.metrics.confidence import softmax

CHECKS = 10  # looks at the validation samples in a schedule, evenly spaced
TRUST_FROM = 0.25  # share of the schedule before which nobody is called hopeless

Ending = Literal["complete", "patience", "hopeless", "diverged"]


@dataclass(frozen=True, slots=True)
class Check:
    """What the validation samples say after `step` steps: share right, and negative log-likelihood in nats."""

    step: int
    top1: float
    loss: float

    @property
    def score(self) -> tuple[float, float]:
        """Larger is better: accuracy, then likelihood."""
        return self.top1, -self.loss


def check(step: int, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Check:
    """The validation samples' verdict; logits that are no numbers get nothing right."""
    if not np.isfinite(logits).all():
        return Check(step, 0.0, math.inf)
    return Check(step, top_k_accuracy(logits, labels), negative_log_likelihood(softmax(logits), labels))


def is_check(step: int, steps: int) -> bool:
    """Whether the validation samples are looked at after `step` of `steps`; always after the last."""
    return step * CHECKS // steps > (step - 1) * CHECKS // steps


def best(curve: Sequence[Check]) -> Check:
    """The best check of a curve, the earliest of equal ones."""
    return max(curve, key=lambda check: check.score)


def leads(curve: Sequence[Check], leader: Sequence[Check]) -> bool:
    """Whether a member has been better, at its best, than the leader, if there is one."""
    return bool(curve) and (not leader or best(curve).score > best(leader).score)


def ending(curve: Sequence[Check], leader: Sequence[Check], steps: int, patience: int, samples: int) -> Ending | None:
    """Why a member should end before its schedule does; None to go on.

    - `diverged`: its logits are no longer numbers.
    - Who leads goes on, so that the winner has always been through its whole schedule.
    - `patience`: its accuracy has not risen in the last `patience` checks.
    - `hopeless`: after a quarter of the schedule its best accuracy is below the leader's best until that step by more
      than two standard errors of a difference of two shares.

    Args:
        curve: its checks so far.
        leader: those of the best member that is through; empty when there is none.
        steps: of a whole schedule.
        samples: of validation.
    """
    if not curve:
        return None
    if not math.isfinite(curve[-1].loss):
        return "diverged"
    if leads(curve, leader):
        return None
    top = [check.top1 for check in curve]
    if len(top) - 1 - top.index(max(top)) >= patience:
        return "patience"
    now = curve[-1].step
    if now >= TRUST_FROM * steps:
        there = max((check.top1 for check in leader if check.step <= now), default=0.0)
        # One more right and one more wrong, or a perfect leader would leave no room at all.
        share = (there * samples + 1) / (samples + 2)
        if there - max(top) > 2 * math.sqrt(2 * share * (1 - share) / samples):
            return "hopeless"
    return None
