"""A frozen encoder: a network with its weights, on its device, and nothing that changes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core import devices
from core.encoders import architectures, weights
from core.encoders.architectures import Network
from core.encoders.layouts import LAYOUTS, Layout, State
from core.encoders.registry import encoder_spec
from core.encoders.spec import EncoderSpec


@dataclass(frozen=True, slots=True)
class Encoder:
    """A network in evaluation mode whose parameters take no gradient.

    Attributes:
        spec: the catalog entry.
        network: the network.
        layout: how it is cut.
        device: where it is.
        sha256: of the weight file it came from.
    """

    spec: EncoderSpec
    network: Network
    layout: Layout
    device: torch.device
    sha256: str

    def trunk(self, inputs: Tensor) -> State:
        """State after the attributed layer, for (B, 3, S, S) normalised inputs on the encoder's device."""
        return self.layout.trunk(self.network, inputs)

    def pool(self, state: State, recipe: str | None = None) -> Tensor:
        """(B, D) feature, by the encoder's own recipe unless a head asks for another."""
        return self.layout.pool(self.network, state, recipe or self.spec.pooling)

    @property
    def megabytes(self) -> float:
        """Memory of the parameters and buffers."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors) / 1e6


def load(id: str, device: torch.device, progress: weights.Progress = lambda done, total: None) -> Encoder:
    """The encoder called `id`, ready; its weights are fetched first when they are not here.

    Raises:
        UnknownName: the catalog has no such encoder.
        WeightsUnavailable: the weights are not here and cannot be fetched.
        WeightsInvalid: they are not what the catalog says.
    """
    spec = encoder_spec(id)
    weights.fetch(spec.weights, progress)
    digest = weights.verify(spec.weights)
    network = architectures.build(spec.architecture)
    weights.load_strictly(network, spec.weights)
    return freeze(spec, network, device, digest)


def freeze(spec: EncoderSpec, network: Network, device: torch.device, sha256: str) -> Encoder:
    """The encoder of a network that already has its weights; the network is put into evaluation mode for good."""
    network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    return Encoder(spec, network, LAYOUTS[spec.layout], device, sha256)


def features(encoder: Encoder, inputs: Tensor, batch: int = 128) -> Tensor:
    """(N, D) float32 pooled features of (N, 3, S, S) normalised inputs, on the encoder's device.

    In bfloat16 where hardware computes it: meant for sweeps and probes, not for one image's confidence.
    """
    parts = []
    with devices.inference_slot(), devices.reduced_precision(encoder.device, allowed=True):
        for chunk in inputs.split(batch):
            parts.append(encoder.pool(encoder.trunk(chunk.to(encoder.device, non_blocking=True))).float())
    return torch.cat(parts)
