"""Half precision for those who ask, kept only where it gives the same answers.

`INVARISCOPE_PRECISION` is `fp32`, `fp16` or `bf16`; any call may ask for its own. The weights stay in float32, because
gradients of attribution need them; matrix products and convolutions are computed in half precision (autocast). Without
the variable everything is float32, but for sweeps where hardware computes bfloat16 (`Contender.bf16_is_safe`).
"""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core import devices, images, samples, staging
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest
from core.heads.linear import LinearHead

Precision = Literal["fp32", "fp16", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
DTYPES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}
VARIABLE = "INVARISCOPE_PRECISION"
MIN_COSINE = 0.999
"""Of every probe's feature with itself in half precision: ten samples cannot show every answer that would change."""

Key = tuple[str, str, str, str, tuple[str, str, str] | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What half precision changed on a probe batch.

    Attributes:
        encoder: its id.
        asked: the precision that was asked for.
        largest: largest difference of a feature or logit, as a share of the largest one in float32; infinite where
            half precision overflowed.
        cosine: lowest cosine of a probe's feature in float32 with the same in half precision.
        changed: probes with another top-1: the class with a head, else which other probe is the nearest by cosine.
        probes: how many there were.
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
    def used(self) -> Precision:
        """The precision to compute in."""
        return self.asked if self.ok else "fp32"

    @property
    def sentence(self) -> str:
        """The outcome for people."""
        if not math.isfinite(self.largest):
            seen = f"{self.asked} overflows in it"
        else:
            seen = f"{self.asked} changes {self.changed} of {self.probes} answers to sample images, numbers by up to "
            seen += f"{self.largest:.2%} of the largest, and features to a cosine of {self.cosine:.5f}"
        return f"{self.encoder}: {seen}; " + ("it is used." if self.ok else "it stays at fp32.")


def chosen(asked: str | None = None) -> Precision | None:
    """The precision that a call or else the environment asks for; None where neither does.

    Raises:
        InvalidRequest: there is no such precision.
    """
    name = asked or os.environ.get(VARIABLE, "")
    if not name:
        return None
    for known in get_args(Precision):
        if name == known:
            return known
    raise InvalidRequest(f"Precision '{name}' is not known. Use {', '.join(PRECISIONS)} (see {VARIABLE}).")


@contextmanager
def computing(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute in a precision on a device; no guard stands before it."""
    if precision == "fp32":
        yield
    else:
        with torch.autocast(device.type, DTYPES[precision]):
            yield


def guard(
    encoder: Encoder, probe: Tensor | None = None, precision: str | None = None, head: LinearHead | None = None
) -> Verdict:
    """Whether an encoder answers in half precision as in float32; asked once for weights, precision and head.

    Args:
        encoder: who answers.
        probe: (N, 3, S, S) normalised inputs, N ≥ 2; the bundled samples when left out. Others are measured anew.
        precision: `fp16` or `bf16`; what the environment asks for when left out.
        head: on the encoder's device.

    Raises:
        InvalidRequest: there is no such precision, or it is not half.
    """
    name = chosen(precision)
    if name is None or name == "fp32":
        raise InvalidRequest(f"Only half precision is compared with fp32. Use fp16 or bf16 (see {VARIABLE}).")
    if probe is not None:
        return _measure(encoder, probe, name, head)
    of_head = None if head is None else (head.task, head.protocol, head.pooling)
    key = (encoder.spec.id, encoder.sha256, str(encoder.device), name, of_head)
    known = _verdicts()
    if key not in known:
        known[key] = _measure(encoder, sample_batch(encoder.spec.preprocessing), name, head)
        if not known[key].ok:
            logging.getLogger(__name__).warning("%s", known[key].sentence)
    return known[key]


@cache
def _verdicts() -> dict[Key, Verdict]:
    """The process's verdicts: some bytes for each of the few hundred encoders that there are."""
    return {}


@cache
def sample_batch(recipe: Preprocessing) -> Tensor:
    """(N, 3, S, S) normalised inputs of the bundled samples, on the CPU."""
    crops = [preprocess.model_crop(images.open_image(samples.read(id)).rgb, recipe) for id in samples.samples()]
    return preprocess.normalise(preprocess.to_unit(np.stack(crops)), recipe)


def _measure(encoder: Encoder, probe: Tensor, precision: Precision, head: LinearHead | None) -> Verdict:
    full, half = (_answers(encoder, probe, name, head) for name in ("fp32", precision))
    largest = max(_apart(a, b) for a, b in zip(full, half, strict=True))
    cosine = F.cosine_similarity(full[0], half[0]).min().item()
    return Verdict(encoder.spec.id, precision, largest, cosine, int((_top1(*full) != _top1(*half)).sum()), len(probe))


def _answers(encoder: Encoder, probe: Tensor, precision: Precision, head: LinearHead | None) -> tuple[Tensor, ...]:
    """Features and, with a head, logits in float32."""
    with devices.inference_slot():
        with computing(encoder.device, precision):
            state = encoder.trunk(staging.send(probe, encoder.device))
            pooled = encoder.pool(state)
            seen = None if head is None else encoder.pool(state, head.pooling)
        return (pooled.float(),) if head is None or seen is None else (pooled.float(), head.logits(seen))


def _apart(full: Tensor, half: Tensor) -> float:
    if not half.isfinite().all():
        return math.inf
    return ((full - half).abs().max() / full.abs().max().clamp_min(1e-12)).item()


def _top1(pooled: Tensor, logits: Tensor | None = None) -> Tensor:
    """(N,) class of each probe, or without classes the probe that is most like it."""
    if logits is not None:
        return logits.argmax(1)
    unit = F.normalize(pooled, dim=1)
    return (unit @ unit.T).fill_diagonal_(-2).argmax(1)
