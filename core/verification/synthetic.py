"""Checkpoints in a published layout, made up from the network alone: what a strict loader must take, and must refuse.

Nothing is downloaded and hardly anything allocated: every tensor repeats one number, another one for each name, so that
what arrived where can be told by looking.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor

from core.encoders import architectures, skeletons, timm_files
from core.encoders.architectures import Network
from core.encoders.spec import EncoderSpec, WeightFile

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Synthetic:
    """A checkpoint as its publisher would have written it.

    Attributes:
        content: what opening the file would give, containers and all.
        named: the same tensors without containers, under published names.
        expected: the number that each of the network's tensors must hold after loading.
    """

    content: Any
    named: Tensors
    expected: dict[str, float]


def on_meta(spec: EncoderSpec) -> Network:
    """The entry's headless network without memory for its parameters."""
    with skeletons.without_memory():
        if spec.weights.reader == "timm":
            network = timm_files.build(spec)
            timm_files.split(network)
            return network
        return architectures.build(spec.architecture, spec.options)


def _torchvision(spec: EncoderSpec) -> Network:
    names = {"vit_base_patch16_224": "vit_b_16"}
    return torchvision.models.get_model(names.get(spec.architecture, spec.architecture), weights=None)


def _swin_names(network: Network) -> Tensors:
    """The Swin authors' names: a stage ends with the reduction that timm's next stage begins with."""
    found = {}
    for key, value in network.state_dict().items():
        head, _, rest = key.partition(".downsample.")
        found[f"layers.{int(head.split('.')[1]) - 1}.downsample.{rest}" if rest else key] = value
    return found


SOURCES: dict[str, Callable[[EncoderSpec], Tensors]] = {
    "torchvision-vit": lambda spec: _torchvision(spec).state_dict(),
    "torchvision-convnext": lambda spec: _torchvision(spec).state_dict(),
    "ibot-swin": lambda spec: _swin_names(architectures.build(spec.architecture, spec.options)),
}
"""The publisher's own network behind a key map, where its names differ from timm's."""


def _shapes(spec: EncoderSpec, wanted: Tensors) -> Tensors:
    """Tensors (on no device) under the names of the published file, before prefix and containers."""
    with skeletons.without_memory():
        if spec.weights.keys:
            return SOURCES[spec.weights.keys](spec)
        if spec.weights.reader == "timm":
            headless = "num_classes" in dict(spec.options)
            return timm.create_model(spec.architecture, **({"num_classes": 0} if headless else {})).state_dict()
    return wanted


def checkpoint(spec: EncoderSpec, wanted: Tensors) -> Synthetic:
    """A checkpoint of an entry, with what the file is known to hold beside the encoder, and decoys of its prefix.

    Args:
        spec: the entry.
        wanted: tensors of its headless network, on any device: their names and shapes are read.
    """
    file = spec.weights
    named: Tensors = {}
    expected: dict[str, float] = {}
    for place, (key, shape) in enumerate(_shapes(spec, wanted).items()):
        if file.absent and key.startswith(file.absent):
            continue
        number = (place % 250 + 1) / 256
        value = torch.full((), number) if shape.is_floating_point() else torch.zeros((), dtype=shape.dtype)
        named[file.prefix + key] = value.expand(shape.shape)
        expected[key] = value.item()
        if file.prefix:
            # "backbone." also stands inside "student_backbone.": cut anywhere but at the start, the wrong half wins.
            named[f"student_{file.prefix}{key}"] = torch.full((), 0.999).expand(shape.shape)
    for beginning in () if file.keys else file.drop:
        named.setdefault(f"{file.prefix}{beginning}weight", torch.zeros(1000, 8))
    return Synthetic(nested(named, file), named, {} if file.keys else expected)


def nested(named: Tensors, file: WeightFile) -> Any:
    """Tensors inside the containers of a file, with the counters and notes that training leaves beside them."""
    content: Any = named
    for name in reversed(file.container):
        content = {name: content, "epoch": 100, "arch": "as published"}
    return content


def broken(made: Synthetic, file: WeightFile, fault: str) -> Synthetic:
    """The same checkpoint with one wanted tensor `renamed`, `missing`, or `reshaped`.

    Raises:
        ValueError: there is no such fault.
    """
    wanted = sorted(
        key
        for key in made.named
        if key.startswith(file.prefix)
        and not (file.drop and key[len(file.prefix) :].startswith(file.drop))
        and not key.endswith(("num_batches_tracked", "relative_position_index", "attn_mask"))
        and made.named[key].ndim > 1
        # timm resamples position embeddings of another size, and that is right.
        and "pos_embed" not in key
        and "rel_pos" not in key
        and "relative_position" not in key
    )
    key = random.Random(0).choice(wanted)
    named = dict(made.named)
    value = named.pop(key)
    if fault == "renamed":
        named[f"{key}_"] = value
    elif fault == "reshaped":
        named[key] = value[0, 0].expand(3, *value.shape) if value.ndim < 4 else value[:1]
    elif fault != "missing":
        raise ValueError(f"no fault is called {fault}")
    return replace(made, named=named, content=nested(named, file))
