"""One forward pass of a batch gives everything: map, feature, logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from core import precision as precisions
from core.encoders import encoder as encoders
from core.encoders.encoder import Encoder
from core.encoders.layouts.base import TrunkOutput
from core.encoders.registry import encoder_spec
from core.encoders.resident import residents
from core.files import Identity, identity
from core.heads import linear, store
from core.heads.linear import LinearHead
from core.pace import Progress
from core.tasks import Task, task

Stamp = tuple[Task, Path, Identity | None]


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """An encoder with its head for one task."""

    encoder: Encoder
    head: LinearHead

    @property
    def has_closed_form(self) -> bool:
        """Whether class activation maps follow from the readout alone: average pooling and a linear head."""
        return self.head.pooling == self.encoder.layout.average

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, C) float32 logits of (B, 3, S, S) normalised inputs, differentiable; for methods that need a function."""
        return self.head.logits(self.encoder.pool(self.encoder.trunk(inputs), self.head.pooling))


@dataclass(frozen=True, slots=True)
class Readout:
    """What one forward pass gives.

    Attributes:
        state: the trunk's output; holds the map (B, K, h, w).
        pooled: (B, D) float32 feature by the encoder's own recipe.
        logits: (B, C) float32, before any temperature.
    """

    state: TrunkOutput
    pooled: Tensor
    logits: Tensor

    @property
    def feature_map(self) -> Tensor:
        """(B, K, h, w) map of the attributed layer."""
        return self.state.feature_map


def load_contender(encoder_id: str, task_id: str, device: torch.device) -> Contender:
    """An encoder and its head for a task, fetched first when they are not here; loaded afresh, the caller's own.

    Raises:
        InvariscopeError: a name is unknown, a file is missing or wrong, or the encoder has no such head.
    """
    encoder = encoders.load(encoder_id, device)
    return Contender(encoder, store.load(encoder, task_id))


def shared_contender(
    encoder_id: str, task_id: str, device: torch.device, progress: Progress = lambda done, total: None
) -> Contender:
    """As `load_contender`, but encoder and head are one for all who ask: nobody may change them.

    The encoder stays in memory until others need the room (`core.encoders.resident`); its heads leave with it, or when
    one is fitted anew.

    Raises:
        InvariscopeError: as `load_contender`, or there is no room for it.
    """
    encoder = residents().get(encoder_id, device, progress)
    heads = _heads().setdefault(encoder, {})
    # Before it is read: of a file that changes meanwhile the next who asks gets the new one.
    stamp = _stamp(encoder_id, task_id)
    known = heads.get(task_id)
    if known is None or known[0] != stamp:
        known = heads[task_id] = stamp, store.load(encoder, task_id, progress)
    return Contender(encoder, known[1])


def _stamp(encoder_id: str, task_id: str) -> Stamp:
    """What a head is made of: another file, or a task of other classes, is another head."""
    path = store.fitted_path(encoder_id, task_id)
    return task(task_id), path, identity(path)


def shared_without_head(
    encoder_id: str, device: torch.device, progress: Progress = lambda done, total: None
) -> Contender:
    """As `shared_contender`, for what asks of features alone: similarity, its curve and its map.

    Raises:
        InvariscopeError: the name is unknown, the file is missing or wrong, or there is no room for it.
    """
    encoder = residents().get(encoder_id, device, progress)
    return Contender(encoder, linear.stand_in(encoder.spec.pooling, encoder.spec.feature_dim, encoder.device))


@cache
def _heads() -> "WeakKeyDictionary[Encoder, dict[str, tuple[Stamp, LinearHead]]]":
    """The heads of encoders that are in memory."""
    return WeakKeyDictionary()


def read(contender: Contender, inputs: Tensor, precision: str | None = None, sweeping: bool = False) -> Readout:
    """The readout of (B, 3, S, S) normalised inputs.

    Args:
        contender: who reads.
        inputs: on any device.
        precision: `fp32`, `fp16` or `bf16`, before what `INVARISCOPE_PRECISION` says. Half precision that would change
            an answer to a sample image is not used (`core.precision`).
        sweeping: whether bfloat16 will do where hardware computes it and nobody asked for a precision.

    Raises:
        InvalidRequest: there is no such precision.
    """
    encoder, head = contender.encoder, contender.head
    settled = precisions.settle(encoder, head, precision, sweeping)
    return Readout(*precisions.forward(encoder, head, inputs, settled))


def with_floor(contenders: Sequence[Contender], task_id: str) -> list[Contender]:
    """The contenders and, unless one of them is untrained, the packaged random encoder when it can answer the task."""
    shown = list(contenders)
    known = "random" in store.encoders_for(task_id) and store.is_here(encoder_spec("random"), task_id)
    if known and all(contender.encoder.spec.family != "random" for contender in shown):
        shown.append(shared_contender("random", task_id, contenders[0].encoder.device))
    return shown
