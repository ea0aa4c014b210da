"""The ways in which training code wraps one network: each is found, said and loaded with equal numbers. Where two sets
of weights lie side by side they differ, so that a mix-up shows."""

import argparse
import collections
import copy
import pathlib
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BODY, BODY2, NET, NETWORK, SAID, Tensors, folder, untried
from safetensors.torch import save_file
from torch import nn

from core.encoders import architectures, encoder, own
from core.encoders.opening import converting, reading
from core.encoders.own import Said
from core.errors import WeightsInvalid

__all__ = ["folder", "untried"]

FULL = BODY | {"fc.weight": torch.randn(7, 256), "fc.bias": torch.zeros(7)}
PROJECTOR = {"projector.0.weight": torch.randn(128, 256)}
OPTIMISER = {"state": {0: {"momentum_buffer": torch.zeros(10)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
LIGHTNING: dict[str, Any] = {"epoch": 9, "pytorch-lightning_version": "2.4.0", "optimizer_states": [OPTIMISER]}
TEN = torch.ones(10)
BAG = argparse.Namespace(lr=0.1, arch="x")


def pre(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + key: value for key, value in tensors.items()}


def cast(kind: torch.dtype) -> Tensors:
    return {key: value.to(kind) if value.is_floating_point() else value for key, value in BODY.items()}


WRAPPED: dict[str, tuple[Any, str]] = {
    "plain": (BODY, "the file's top."),
    "with a head": (FULL, "left out: fc (7 classes)."),
    "state_dict": ({"state_dict": BODY}, "'state_dict'."),
    "model": ({"model": BODY, "epoch": 3}, "'model'."),
    "net": ({"net": BODY, "acc": 0.5}, "'net'."),
    "weights": ({"weights": BODY}, "'weights'."),
    "model_state_dict": ({"model_state_dict": BODY, "optimizer_state_dict": OPTIMISER}, "'model_state_dict'."),
    "model_state": ({"model_state": BODY, "optimizer_state": OPTIMISER}, "'model_state'."),
    "nested": ({"model": {"state_dict": BODY}}, "'model.state_dict'."),
    "DataParallel": (pre("module.", BODY), "prefix 'module.'."),
    "PyTorch's example": (
        {"arch": "x", "state_dict": pre("module.", FULL), "best_acc1": torch.tensor(71.5), "optimizer": OPTIMISER},
        "'state_dict', prefix 'module.'; left out: fc (7 classes).",
    ),
    "Lightning, model": (LIGHTNING | {"state_dict": pre("model.", FULL)}, "prefix 'model.'; left out: fc (7 classes)."),
    "Lightning, net": (LIGHTNING | {"state_dict": pre("net.", BODY)}, "prefix 'net.'."),
    "Lightning, backbone": (
        LIGHTNING | {"state_dict": pre("backbone.", BODY) | PROJECTOR},
        "prefix 'backbone.'; left out: projector.",
    ),
    "Lightning, encoder": (LIGHTNING | {"state_dict": pre("encoder.", BODY) | PROJECTOR}, "prefix 'encoder.'"),
    "Lightning, deep": (LIGHTNING | {"state_dict": pre("model.backbone.", BODY)}, "prefix 'model.backbone.'."),
    "solo-learn": (
        LIGHTNING | {"state_dict": pre("backbone.", BODY) | {"classifier.weight": torch.randn(9, 256)} | PROJECTOR},
        "left out: classifier (9 classes), projector.",
    ),
    "VISSL": (
        {"classy_state_dict": {"base_model": {"model": {"trunk": pre("_feature_blocks.", BODY), "heads": PROJECTOR}}}},
        "'classy_state_dict.base_model.model.trunk', prefix '_feature_blocks.'.",
    ),
    "mmpretrain": (
        {"meta": {"epoch": 1}, "state_dict": pre("backbone.", BODY) | pre("head.", PROJECTOR)},
        "'backbone.'",
    ),
    "SimSiam": (
        {"state_dict": pre("module.encoder.", FULL) | {"module.predictor.0.weight": torch.ones(4)}},
        "encoder.",
    ),
    "EMA beside": ({"model": BODY2, "model_ema": BODY, "optimizer": OPTIMISER}, "'model_ema'. These fit too: 'model'."),
    "SWA": (
        {"model": BODY2, "swa_model": {"n_averaged": torch.tensor(5)} | pre("module.", BODY)},
        "'swa_model', prefix",
    ),
    "EMA, shadow": ({"model": BODY2, "ema": {"decay": 0.99, "shadow": BODY}}, "'ema.shadow'. These fit too: 'model'."),
    "DeepSpeed": ({"module": pre("backbone.", BODY), "global_steps": 9}, "'module', prefix 'backbone.'."),
    "DeepSpeed, Lightning": ({"state_dict": pre("_forward_module.model.", BODY)}, "prefix '_forward_module.model.'."),
    "adapters' base": (pre("base_model.model.", BODY), "prefix 'base_model.model.'."),
    "a person's own class": (
        pre("net.", BODY) | {"net.fc.0.weight": torch.randn(9, 256), "net.fc.3.weight": torch.randn(5, 9)},
        "prefix 'net.'; left out: fc (2 tensors).",
    ),
    "Barlow Twins": (
        {"model": pre("module.backbone.", BODY) | {"module.bn.running_mean": torch.ones(9)}},
        "prefix 'module.backbone.'; left out: module.bn.",
    ),
    "timm, EMA": (
        {"state_dict": BODY2, "state_dict_ema": FULL},
        "'state_dict_ema'; left out: fc (7 classes). These fit too:",
    ),
    "timm, Namespace": ({"state_dict": BODY2, "state_dict_ema": BODY, "args": BAG}, "'state_dict_ema'."),
    "MoCo": (
        {
            "state_dict": pre("module.encoder_q.", BODY)
            | pre("module.encoder_k.", BODY2)
            | {"module.queue": torch.ones(8)}
        },
        "'module.encoder_q.'; left out: module.queue. These fit too: 'state_dict', prefix 'module.encoder_k.'.",
    ),
    "MoCo, one GPU": ({"state_dict": pre("encoder_q.", BODY) | pre("encoder_k.", BODY2)}, "prefix 'encoder_q.'."),
    "MoCo v3": (
        {"state_dict": pre("module.base_encoder.", BODY) | pre("module.momentum_encoder.", BODY2)},
        "prefix 'module.base_encoder.'",
    ),
    "BYOL": ({"state_dict": pre("backbone.", BODY) | pre("backbone_momentum.", BODY2)}, "prefix 'backbone.'."),
    "BYOL, online": ({"state_dict": pre("online.net.", BODY) | pre("target.net.", BODY2)}, "prefix 'online.net.'."),
    "DINO": (
        {"student": pre("module.backbone.", BODY2), "teacher": pre("backbone.", BODY), "args": BAG},
        "'teacher', prefix 'backbone.'. These fit too: 'student', prefix 'module.backbone.'.",
    ),
    "compiled": (pre("_orig_mod.", BODY), "prefix '_orig_mod.'."),
    "compiled, DDP": (pre("_orig_mod.module.", BODY), "prefix '_orig_mod.module.'."),
    "DDP, compiled": ({"model": pre("module._orig_mod.", BODY)}, "'model', prefix 'module._orig_mod.'."),
    "float16": (cast(torch.float16), "the file's top."),
    "bfloat16": (cast(torch.bfloat16), "the file's top."),
    "without counters": ({k: v for k, v in BODY.items() if "num_batches" not in k}, "the file's top."),
    "network and head in a row": (pre("0.", BODY) | {"1.weight": torch.ones(7, 256)}, "prefix '0.'; left out: 1."),
    "mmselfsup": (
        {"state_dict": pre("encoder_q.0.", BODY) | pre("encoder_k.0.", BODY2) | {"encoder_q.1.w": torch.ones(9)}},
        "'state_dict', prefix 'encoder_q.0.'; left out: encoder_q.1. These fit too:",
    ),
    "OpenCLIP": (
        {"state_dict": pre("module.visual.trunk.", BODY) | {"module.text.w": torch.ones(3)}},
        "'state_dict', prefix 'module.visual.trunk.'; left out: module.text.",
    ),
    "SwAV": (
        pre("module.", BODY) | {"module.projection_head.0.weight": torch.ones(9), "module.prototypes.weight": TEN},
        "prefix 'module.'; left out: projection_head, prototypes.",
    ),
    "averaged": ({"n_averaged": torch.tensor(5)} | pre("module.", BODY), "prefix 'module.'; left out: n_averaged."),
    "DINO with its heads": (
        {
            "teacher": pre("backbone.", BODY) | {"head.last_layer.weight_v": TEN},
            "student": pre("module.backbone.", BODY2) | {"module.head.last_layer.weight_v": TEN},
        },
        "'teacher', prefix 'backbone.'; left out: head. These fit too: 'student'",
    ),
    "DINOv2": (
        {"model": pre("student.backbone.", BODY2) | pre("teacher.backbone.", BODY) | {"teacher.dino_head.w": TEN}},
        "'model', prefix 'teacher.backbone.'; left out: teacher.dino_head.",
    ),
    "lightly, DINO": (
        {"state_dict": pre("student_backbone.", BODY2) | pre("teacher_backbone.", BODY)},
        "prefix 'teacher_backbone.'.",
    ),
    "query and key": (pre("query_encoder.", BODY) | pre("key_encoder.", BODY2), "prefix 'query_encoder.'."),
    "FSDP": (
        {
            "_fsdp_wrapped_module." + re.sub(r"^(layer\d)\.", r"\1._fsdp_wrapped_module.", name): value
            for name, value in BODY.items()
        },
        "prefix '_fsdp_wrapped_module.', '_fsdp_wrapped_module.' cut out of names.",
    ),
    "checkpointed parts": (
        {re.sub(r"^(layer\d\.\d)\.", r"\1._checkpoint_wrapped_module.", name): value for name, value in BODY.items()},
        "'_checkpoint_wrapped_module.' cut out of names.",
    ),
    "compiled parts": (
        pre("net.", {re.sub(r"^(layer\d)\.", r"\1._orig_mod.", name): value for name, value in BODY.items()}),
        "prefix 'net.', '_orig_mod.' cut out of names.",
    ),
    "ensemble": (
        {key: value for i in range(8) for key, value in pre(f"models.{i}.", BODY2 if i else BODY).items()},
        "prefix 'models.0.'. These fit too: the file's top, prefix 'models.1.'",
    ),
    "a small part of much": (pre("visual.", BODY) | {f"text.{i}.w": TEN for i in range(600)}, "prefix 'visual.'"),
    "detector": (pre("backbone.body.", BODY) | {"backbone.fpn.w": TEN, "rpn.w": TEN}, "prefix 'backbone.body.'"),
    "float64": (cast(torch.float64), "the file's top."),
    "its EMA inside": (BODY2 | pre("ema.", BODY), "prefix 'ema.'. These fit too: the file's top."),
    "in a class of CLIP": (
        pre("visual.", BODY) | {"transformer.w": torch.ones(3)},
        "'visual.'; left out: transformer.",
    ),
    "numbers beside": (BODY | {"mean": torch.zeros(3)}, "left out: mean."),
}


def require_equal(id: str, exact: bool = True) -> None:
    found = encoder.load(id, torch.device("cpu")).network.state_dict()
    for key, value in BODY.items():
        if "num_batches" not in key:
            torch.testing.assert_close(found[key], value, rtol=0 if exact else 1e-2, atol=0 if exact else 1e-2)


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("name", WRAPPED)
def test_wrapping_is_found_and_said(name: str, folder: Path) -> None:
    content, said = WRAPPED[name]
    torch.save(content, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", SAID)
    assert said in spec.note
    require_equal("mine", exact="float16" not in name)


@pytest.mark.usefixtures("untried")
def test_another_place_can_be_chosen(folder: Path) -> None:
    torch.save({"state_dict": pre("module.", BODY2), "state_dict_ema": pre("module.", BODY)}, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "raw", Said(NETWORK, container="state_dict", preprocessing={"size": 64}))
    assert spec.weights.container == ("state_dict",)
    assert torch.equal(
        encoder.load("raw", torch.device("cpu")).network.state_dict()["conv1.weight"], BODY2["conv1.weight"]
    )
    with pytest.raises(WeightsInvalid, match=r"They are in 'state_dict_ema', prefix 'module\.'; 'state_dict'"):
        own.add(folder / "mine.pth", "none", Said(NETWORK, prefix="backbone.", preprocessing={"size": 64}))


@pytest.mark.usefixtures("untried")
def test_legacy_archives_and_safetensors(folder: Path) -> None:
    torch.save(BODY, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(BODY, folder / "weights.pth")
    with zipfile.ZipFile(folder / "inside.zip", "w") as archive:
        archive.write(folder / "weights.pth", "weights.pth")
    save_file(pre("model.", BODY) | PROJECTOR, folder / "named.safetensors")
    for number, name in enumerate(("legacy.pth", "inside.zip", "named.safetensors")):
        own.add(folder / name, f"m{number}", SAID)
        require_equal(f"m{number}")


@pytest.mark.usefixtures("untried")
def test_numbered_children_of_a_resnet(folder: Path) -> None:
    network = architectures.build("resnet18")
    children = nn.Sequential(*list(network.children())[:-1]).state_dict()
    torch.save({"state_dict": pre("backbone.", children) | PROJECTOR}, folder / "mine.ckpt")
    spec = own.add(folder / "mine.ckpt", "mine", Said("resnet18", preprocessing={"size": 64, "resize": 64}))
    assert "prefix 'backbone.', names of 'numbered-resnet' changed" in spec.note
    found = encoder.load("mine", torch.device("cpu")).network.state_dict()
    assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())


HOLDING_OBJECTS: dict[str, Callable[[], Any]] = {
    "whole module": lambda: copy.deepcopy(NET),
    "whole DataParallel": lambda: nn.DataParallel(copy.deepcopy(NET)),
    "module in a dictionary": lambda: {"model": copy.deepcopy(NET), "epoch": 3},
    "NumPy's numbers": lambda: {"args": BAG, "state_dict": pre("module.", BODY), "best_acc1": np.float64(71.5)},
    "a queue": lambda: {"model": BODY, "log": collections.deque([1]), "ids": {1, 2}},
    "random state": lambda: {"model": BODY, "rng": np.random.default_rng(0).bit_generator.state, "more": np.ones(3)},
    "paths": lambda: LIGHTNING | {"hyper_parameters": {"dir": pathlib.PurePosixPath("x")}, "state_dict": BODY},
}


@pytest.mark.parametrize("name", HOLDING_OBJECTS)
def test_what_holds_objects_is_converted_and_then_loads(name: str, folder: Path) -> None:
    file = folder / "mine.pth"
    torch.save(HOLDING_OBJECTS[name](), file)
    with pytest.raises(WeightsInvalid, match=r"other objects beside its tensors \('.*models convert") as refused:
        own.add(file, "mine", SAID)
    assert "damaged" not in str(refused.value)
    converting.convert(file, reading.converted_path(file))
    assert own.add(file, "mine", SAID).weights.reader == "converted"
    require_equal("mine")
