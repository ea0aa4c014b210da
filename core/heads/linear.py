"""A linear head: logits are an affine map of the pooled feature."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor

from core.errors import WeightsInvalid
from core.files import write_whole
from core.heads.familiarity import Familiarity

NONE = "none"


@dataclass(frozen=True, eq=False)
class LinearHead:
    """What maps features to the classes of one task.

    Attributes:
        task: id of the label space.
        protocol: `linear` when fitted here on frozen features, `native` when published with the encoder, `none` for
            one that stands where an encoder has no head.
        pooling: recipe of the feature it reads.
        weight: (C, D) float32.
        bias: (C,) float32.
        temperature: divides the logits before the softmax; fitted on validation images. 1 when never fitted.
        calibrated: whether `temperature` was fitted.
        facts: how it was fitted and what it reached, as plain values.
        familiarity: what the task's own images look like; None when nobody measured it, as for published heads.
    """

    task: str
    protocol: str
    pooling: str
    weight: Tensor
    bias: Tensor
    temperature: float
    calibrated: bool
    facts: dict[str, Any]
    familiarity: Familiarity | None = None

    @property
    def answers(self) -> bool:
        """Whether its classes mean anything; what stands where there is no head has none to tell."""
        return self.protocol != NONE

    def logits(self, pooled: Tensor) -> Tensor:
        """(B, C) raw logits of (B, D) features, in float32."""
        return torch.nn.functional.linear(pooled.float(), self.weight, self.bias)

    def to(self, device: torch.device) -> "LinearHead":
        """The same head on a device."""
        return replace(self, weight=self.weight.to(device), bias=self.bias.to(device))

    @cached_property
    def sha256(self) -> str:
        """Of all that decides an answer: weight, bias, what they read and the temperature; part of every cache key."""
        read_as = f"{self.task} {self.pooling} {self.temperature!r} {self.calibrated}"
        digest = hashlib.sha256(read_as.encode())
        for tensor in (self.weight, self.bias):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().contiguous().cpu().numpy().data)
        return digest.hexdigest()


def stand_in(pooling: str, width: int, device: torch.device) -> LinearHead:
    """What stands where an encoder has no head and none is asked: one class without a name, whose score is always 0.

    Args:
        pooling: recipe of the encoder's feature.
        width: D of it.
        device: of the encoder.
    """
    weight, bias = torch.zeros(1, width, device=device), torch.zeros(1, device=device)
    return LinearHead("", NONE, pooling, weight, bias, temperature=1.0, calibrated=False, facts={})


def save(head: LinearHead, path: Path) -> None:
    """Write a head as safetensors, whole or not at all; everything but the tensors goes into its metadata.

    Raises:
        OSError: it could not be written.
    """
    facts = {
        name: getattr(head, name) for name in ("task", "protocol", "pooling", "temperature", "calibrated", "facts")
    }
    tensors = {"weight": head.weight.float().contiguous(), "bias": head.bias.float().contiguous()}
    if head.familiarity is not None:
        tensors |= {name: getattr(head.familiarity, name).contiguous() for name in ("bank", "reference")}
    write_whole(path, serialised(tensors, metadata={"head": json.dumps(facts)}))


def load(path: Path) -> LinearHead:
    """Read a head written by `save`.

    Raises:
        WeightsInvalid: the file is damaged or no head.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["head"])
            weight, bias = file.get_tensor("weight").float(), file.get_tensor("bias").float()
            held = set(file.keys())
            seen = [file.get_tensor(name) for name in ("bank", "reference") if name in held]
        familiarity = Familiarity(*seen) if seen else None
        head = LinearHead(weight=weight, bias=bias, familiarity=familiarity, **facts)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsInvalid(f"{path} is not a head of Invariscope ({error}). Install or fit it again.") from error
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise WeightsInvalid(f"{path} has a weight of shape {tuple(weight.shape)} and a bias of {tuple(bias.shape)}.")
    return head
