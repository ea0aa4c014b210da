"""One forward pass of a batch gives everything: map, feature, logits."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core import devices, staging
from core.encoders import encoder as encoders
from core.encoders import precision as precisions
from core.encoders.encoder import Encoder
from core.encoders.files import weights
from core.encoders.layouts import State
from core.encoders.preprocess import normalise
from core.encoders.resident import residents
from core.heads import store
from core.heads.linear import LinearHead

MIN_BF16_COSINE = 0.999
BF16_PROBES = 8


@dataclass(frozen=True, eq=False)
class Contender:
    """An encoder with its head for one task."""

    encoder: Encoder
    head: LinearHead

    @cached_property
    def bf16_is_safe(self) -> bool:
        """Whether sweeps may run in bfloat16: fast here, features within cosine .999, no answer of a probe changed.

        The probe is a batch of smooth random images, so the answer depends on nobody's upload. Asked once.
        """
        if not devices.has_fast_bf16(self.encoder.device):
            return False
        recipe = self.encoder.spec.preprocessing
        noise = torch.from_numpy(np.random.default_rng(0).random((BF16_PROBES, 3, 8, 8), dtype=np.float32))
        probe = F.interpolate(noise, (recipe.size, recipe.size), mode="bicubic").clamp(0, 1)
        inputs = normalise(probe, recipe)
        full, half = read(self, inputs, precision="fp32"), read(self, inputs, reduced=True)
        cosine = F.cosine_similarity(full.pooled, half.pooled).min().item()
        return cosine >= MIN_BF16_COSINE and bool((full.logits.argmax(1) == half.logits.argmax(1)).all())

    @property
    def has_closed_form(self) -> bool:
        """Whether class activation maps follow from the readout alone: average pooling and a linear head."""
        return self.encoder.layout.is_average(self.head.pooling)

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

    state: State
    pooled: Tensor
    logits: Tensor

    @property
    def feature_map(self) -> Tensor:
        """(B, K, h, w) map of the attributed layer."""
        return self.state.feature_map


def load_contender(
    encoder_id: str, task_id: str, device: torch.device, progress: weights.Progress = lambda done, total: None
) -> Contender:
    """An encoder and its head for a task, fetched first when they are not here; loaded afresh, the caller's own.

    Raises:
        InvariscopeError: a name is unknown, a file is missing or wrong, or the encoder has no such head.
    """
    encoder = encoders.load(encoder_id, device, progress)
    return Contender(encoder, store.load(encoder, task_id, progress))


def shared_contender(
    encoder_id: str, task_id: str, device: torch.device, progress: weights.Progress = lambda done, total: None
) -> Contender:
    """As `load_contender`, but one for all who ask: nobody may change it.

    It stays in memory until others need the room (`core.encoders.resident`); a head leaves with its encoder.

    Raises:
        InvariscopeError: as `load_contender`, or there is no room for it.
    """
    encoder = residents().get(encoder_id, device, progress)
    return residents().belonging(
        encoder, f"contender for {task_id}", lambda: Contender(encoder, store.load(encoder, task_id, progress))
    )


def read(contender: Contender, inputs: Tensor, reduced: bool = False, precision: str | None = None) -> Readout:
    """The readout of (B, 3, S, S) normalised inputs.

    Args:
        contender: who reads.
        inputs: on any device.
        reduced: let the encoder run in bfloat16 where hardware computes it; head and softmax stay in float32.
        precision: `fp32`, `fp16` or `bf16`, before what `INVARISCOPE_PRECISION` says; either goes before `reduced`.
            Half precision that would change an answer to a sample image is not used (`core.encoders.precision`).

    Raises:
        InvalidRequest: there is no such precision.
    """
    encoder, head = contender.encoder, contender.head
    with devices.inference_slot(), _computing(contender, reduced, precision):
        state = encoder.trunk(staging.send(inputs, encoder.device))
        pooled = encoder.pool(state)
        seen = pooled if head.pooling == encoder.spec.pooling else encoder.pool(state, head.pooling)
    with devices.inference_slot():
        return Readout(state, pooled.float(), head.logits(seen))


def _computing(contender: Contender, reduced: bool, precision: str | None) -> AbstractContextManager[None]:
    """The precision to read in."""
    encoder, chosen = contender.encoder, precisions.chosen(precision)
    if chosen is None:
        return devices.reduced_precision(encoder.device, reduced)
    if chosen != "fp32":
        chosen = precisions.guard(encoder, precision=chosen, head=contender.head).used
    return precisions.computing(encoder.device, chosen)
