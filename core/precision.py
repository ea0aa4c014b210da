"""Half precision, kept only where it gives the same answers.

`INVARISCOPE_PRECISION` is `fp32`, `fp16` or `bf16`; any call may ask for its own. Without either everything is float32,
but for sweeps where hardware computes bfloat16. The weights stay in float32, because gradients of attribution need
them; matrix products and convolutions are computed in half precision (autocast), head and softmax in float32.
"""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from core import devices, samples
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.encoders.layouts.base import TrunkOutput
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest
from core.heads.linear import LinearHead

Precision = Literal["fp32", "fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DTYPES: dict[Precision, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}
VARIABLE = "INVARISCOPE_PRECISION"
MIN_COSINE = 0.999
"""Of every probe's feature with itself in half precision: a few samples cannot show every answer that would change."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What half precision changed on the bundled samples.

    Attributes:
        encoder: its id.
        asked: the precision that was asked for.
        largest: largest difference of a feature or logit, as a share of the largest one in float32; infinite where
            half precision overflowed.
        cosine: lowest cosine of a sample's feature in float32 with the same in half precision.
        changed: samples with another top-1.
        probes: how many samples there were.
    """

    encoder: str
    asked: Precision
    largest: float
    cosine: float
    changed: int
    probes: int

    @property
    def ok(self) -> bool:
        """Whether half precision may be used."""
        return self.changed == 0 and math.isfinite(self.largest) and self.cosine >= MIN_COSINE

    @property
    def sentence(self) -> str:
        """The outcome for people."""
        if not math.isfinite(self.largest):
            seen = f"{self.asked} overflows in it"
        else:
            seen = f"{self.asked} changes {self.changed} of {self.probes} answers to sample images, numbers by up to "
            seen += f"{self.largest:.2%} of the largest, and features to a cosine of {self.cosine:.5f}"
        return f"{self.encoder}: {seen}; " + ("it is used." if self.ok else "it stays at fp32.")


def settle(encoder: Encoder, head: LinearHead, asked: str | None = None, sweeping: bool = False) -> Precision:
    """The precision to compute in: what the call or else the environment asks for, unless `guard` is against it.

    Args:
        encoder: who is to answer.
        head: with which head.
        asked: by the call.
        sweeping: whether bfloat16 will do where hardware computes it and neither call nor environment says anything.

    Raises:
        InvalidRequest: there is no such precision.
    """
    own = "bf16" if sweeping and devices.has_fast_bf16(encoder.device) else "fp32"
    name = asked or os.environ.get(VARIABLE) or own
    for known in PRECISIONS:
        if name == known:
            return known if known == "fp32" or guard(encoder, head, known).ok else "fp32"
    raise InvalidRequest(f"Precision '{name}' is not known. Use {', '.join(PRECISIONS)} (see {VARIABLE}).")


@contextmanager
def computing(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute in a precision on a device; no guard stands before it."""
    if precision == "fp32":
        yield
    else:
        with torch.autocast(device.type, DTYPES[precision]):
            yield


def guard(encoder: Encoder, head: LinearHead, precision: Precision) -> Verdict:
    """Whether a contender answers in half precision as in float32; asked once for weights, head and precision."""
    known = _verdicts()
    key = (encoder.spec.id, encoder.sha256, head.sha256, str(encoder.device), precision)
    if key not in known:
        known[key] = _measure(encoder, head, precision)
        if not known[key].ok:
            logging.getLogger(__name__).warning("%s", known[key].sentence)
    return known[key]


@cache
def _verdicts() -> dict[tuple[str, ...], Verdict]:
    """The process's verdicts: some bytes for each of the few hundred encoders that there are."""
    return {}


@cache
def _probe(recipe: Preprocessing) -> Tensor:
    """(N, 3, S, S) normalised inputs of the bundled samples, on the CPU."""
    crops = preprocess.model_crops((samples.image(id).rgb for id in samples.samples()), recipe)
    return preprocess.normalise(preprocess.to_unit(crops), recipe)


def _measure(encoder: Encoder, head: LinearHead, precision: Precision) -> Verdict:
    probe = _probe(encoder.spec.preprocessing)
    full, half = (forward(encoder, head, probe, name)[1:] for name in ("fp32", precision))
    largest = max(_apart(a, b) for a, b in zip(full, half, strict=True))
    cosine = F.cosine_similarity(full[0], half[0]).min().item()
    changed = int((full[1].argmax(1) != half[1].argmax(1)).sum())
    return Verdict(encoder.spec.id, precision, largest, cosine, changed, len(probe))


def forward(
    encoder: Encoder, head: LinearHead, inputs: Tensor, precision: Precision
) -> tuple[TrunkOutput, Tensor, Tensor]:
    """One forward pass in a precision: the trunk's output, pooled features (B, D) and logits (B, C) in float32."""
    with devices.inference_slot(encoder.threads_for(len(inputs))):
        with computing(encoder.device, precision):
            state = encoder.trunk(inputs.to(encoder.device))
            pooled = encoder.pool(state)
            seen = pooled if head.pooling == encoder.spec.pooling else encoder.pool(state, head.pooling)
        return state, pooled.float(), head.logits(seen)


def _apart(full: Tensor, half: Tensor) -> float:
    if not half.isfinite().all():
        return math.inf
    return ((full - half).abs().max() / full.abs().max().clamp_min(1e-12)).item()
