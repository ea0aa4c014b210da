"""A frozen encoder: a network with its weights, on its device, and nothing that changes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core import devices, samples
from core.encoders import preprocess, skeletons, timm_files
from core.encoders.architectures import Network
from core.encoders.files import weights
from core.encoders.layouts import LAYOUTS
from core.encoders.layouts.base import Layout, TrunkOutput
from core.encoders.opening import reading
from core.encoders.registry import encoder_spec
from core.encoders.spec import EncoderSpec
from core.pace import Progress

GUARDED = ("mps",)
"""Kinds of device whose answers are held against the CPU's as an encoder is loaded."""
MIN_COSINE, MOST_APART = 0.999, 0.01
"""Of every sample's feature with the CPU's, and the largest difference as a share of the largest number."""
SINGLE_SIDE, SINGLE_BATCH = 96, 24
"""Up to this side in pixels and this many images, a batch is read by one thread."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Encoder:
    """A network in evaluation mode whose parameters take no gradient.

    Attributes:
        spec: the catalog entry.
        network: the network.
        layout: how it is cut.
        device: where it is.
        sha256: of the weight file it came from.
        classifier: weight (C, D) and bias (C,) that timm loaded with the network; None where the head is elsewhere.
        published: what its heads read of its own file, by key, on the CPU: no second look into the file.
    """

    spec: EncoderSpec
    network: Network
    layout: Layout
    device: torch.device
    sha256: str
    classifier: tuple[Tensor, Tensor] | None = None
    published: Mapping[str, Tensor] = field(default_factory=dict)

    def trunk(self, inputs: Tensor) -> TrunkOutput:
        """The attributed map and what pooling needs, of (B, 3, S, S) normalised inputs on the encoder's device."""
        return self.layout.trunk(self.network, inputs)

    def pool(self, state: TrunkOutput, recipe: str | None = None) -> Tensor:
        """(B, D) feature, by the encoder's own recipe unless a head asks for another."""
        return self.layout.pool(self.network, state, recipe or self.spec.pooling)

    def threads_for(self, count: int) -> int:
        """PyTorch's threads for a batch of `count` images; 0 stands for all that the process has.

        A second thread hardly helps a few small images on idle cores, and beside one busy process it waits for the
        other more than it computes: 20 photos one by one took 0.96 s by two threads there and 0.31 s by one.
        """
        few = count <= SINGLE_BATCH and self.spec.preprocessing.size <= SINGLE_SIDE
        return 1 if few and self.device.type == "cpu" else 0

    @property
    def megabytes(self) -> float:
        """Memory of the parameters and buffers."""
        return skeletons.megabytes(self.network)


def load(id: str, device: torch.device, progress: Progress = lambda done, total: None) -> Encoder:
    """The encoder called `id`, ready; its weights are fetched first when they are not here.

    On Apple's GPU only where it gives the CPU's answers there; else it stays on the CPU, which its `device` says.

    Raises:
        UnknownName: the catalog has no such encoder.
        WeightsUnavailable: the weights are not here and cannot be fetched.
        WeightsInvalid: they are not what the catalog says.
    """
    spec = encoder_spec(id)
    weights.fetch(spec.weights, progress)
    digest = weights.verify(spec.weights)
    tensors = reading.state_dict(spec.weights, digest)
    published = _for_heads(spec, tensors)
    if spec.weights.reader == "timm":
        network, classifier = timm_files.load(spec, tensors)
    else:
        network, classifier = skeletons.build(spec), None
        reading.load_strictly(network, spec.weights, tensors)
    if device.type in GUARDED:
        found = freeze(spec, network, torch.device("cpu"), digest, classifier, published)
        return moved(found, device)
    return freeze(spec, network, device, digest, classifier, published)


def moved(encoder: Encoder, device: torch.device) -> Encoder:
    """An encoder on the CPU, on another device instead where it gives the same features of sample images there.

    Args:
        encoder: on the CPU, nobody else's yet.
        device: whose kernels may be wrong.

    Returns:
        The encoder on the device, or as it was, with a warning that says why.
    """
    crops = preprocess.model_crops((samples.image(id).rgb for id in samples.samples()), encoder.spec.preprocessing)
    probe = preprocess.normalise(preprocess.to_unit(crops), encoder.spec.preprocessing)
    expected = _pooled(encoder, probe)
    try:
        there = freeze(
            encoder.spec, encoder.network, device, encoder.sha256, encoder.classifier, dict(encoder.published)
        )
        found = _pooled(there, probe)
        reason = _differs(expected, found)
    # PyTorch says with any of these that a device has no kernel, no memory, or is none.
    except (RuntimeError, NotImplementedError, TypeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
    if not reason:
        return there
    logging.getLogger(__name__).warning("%s stays on the CPU: on %s %s.", encoder.spec.id, device, reason)
    encoder.network.to(encoder.device)
    return encoder


def _pooled(encoder: Encoder, probe: Tensor) -> Tensor:
    with devices.inference_slot():
        return encoder.pool(encoder.trunk(probe.to(encoder.device))).float().cpu()


def _differs(expected: Tensor, found: Tensor) -> str:
    """A clause on how (N, D) features differ from the expected ones; empty where they agree."""
    if not found.isfinite().all():
        return "its features of sample images are not finite"
    apart = ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12)).item()
    cosine = torch.nn.functional.cosine_similarity(found, expected).min().item()
    if apart > MOST_APART or cosine < MIN_COSINE:
        return f"features of sample images differ by up to {apart:.2%} of the largest, to a cosine of {cosine:.5f}"
    return ""


def _for_heads(spec: EncoderSpec, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of what an entry's heads read of the encoder's own file."""
    keys = {key for head in spec.heads if head.weights == spec.weights for key in (head.weight, head.bias)}
    return {key: tensors[key].clone() for key in sorted(keys & tensors.keys())}


def freeze(
    spec: EncoderSpec,
    network: Network,
    device: torch.device,
    sha256: str,
    classifier: tuple[Tensor, Tensor] | None = None,
    published: Mapping[str, Tensor] | None = None,
) -> Encoder:
    """The encoder of a network that already has its weights; the network is put into evaluation mode for good."""
    network.eval().requires_grad_(False)
    network.to(device, memory_format=torch.channels_last)
    return Encoder(spec, network, LAYOUTS[spec.layout], device, sha256, classifier, published or {})


def features(encoder: Encoder, inputs: Tensor, batch: int = 128) -> Tensor:
    """(N, D) float32 pooled features of (N, 3, S, S) normalised inputs, on the encoder's device.

    In bfloat16 where hardware computes it: meant for sweeps and probes, not for one image's confidence.
    """
    parts = []
    with devices.inference_slot(), devices.reduced_precision(encoder.device, allowed=True):
        for chunk in inputs.split(batch):
            parts.append(encoder.pool(encoder.trunk(chunk.to(encoder.device))).float())
    return torch.cat(parts)
