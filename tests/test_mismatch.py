"""The guess at why a file does not fit: the right reason for each way of getting it wrong."""

import re

import pytest
import timm
import torch
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from core.encoders.opening.mismatch import beginnings
from core.encoders.opening.reading import compare

Tensors = dict[str, Tensor]


def resnet(width: int = 8, depth: int = 2, block: type = BasicBlock, **options) -> Tensors:
    with torch.device("meta"):
        channels = tuple(width * 2**n for n in range(4))
        network = ResNet(block, [2, 2, depth, 2], num_classes=0, channels=channels, **options)
    return network.state_dict()


def vit(width: int = 24, depth: int = 3, size: int = 32, patch: int = 8, **options) -> Tensors:
    with torch.device("meta"):
        options = {"num_heads": 3, "num_classes": 0} | options
        network = VisionTransformer(size, patch, embed_dim=width, depth=depth, **options)
    return network.state_dict()


def behind(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + key: value for key, value in tensors.items()}


def empty(*names: str) -> Tensors:
    return {name: torch.empty(2, 2, device="meta") for name in names}


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        (resnet(), behind("module.", resnet()), r"prefix is another: .* begin with 'module\.'"),
        (resnet(), behind("backbone.", resnet()) | empty("head.weight"), r"begin with 'backbone\.'"),
        (resnet(), behind("module.encoder_q.", resnet()), r"begin with 'module\.encoder_q\.'"),
        (vit(), behind("encoder.", vit()), r"begin with 'encoder\.'"),
        (behind("trunk.", vit()), vit(), r"too much was cut, .* 'trunk\.'"),
        (resnet(8), resnet(16), "of a wider network: .* in the file and .* in the network"),
        (resnet(16), resnet(8), "of a narrower network"),
        (vit(24), vit(48), "of a wider network: .*48.* in the file and .*24"),
        (vit(depth=3), vit(depth=5), r"deeper network: 5 of 'blocks\.N' where the network has 3"),
        (vit(depth=5), vit(depth=3), r"shallower network: 3 of 'blocks\.N' where the network has 5"),
        (resnet(depth=2), resnet(depth=6), r"deeper network: 6 of 'layer3\.N' where the network has 2"),
        (vit(size=32), vit(size=64), "another input or patch size: pos_embed is 1×65×24 .* 1×17×24"),
        (
            vit(patch=8, size=32),
            vit(patch=16, size=64),
            "its patches are of 16×16 pixels where the network's are of 8×8",
        ),
        (resnet(), resnet() | empty("fc.weight", "fc.bias"), r"a head \('fc\.'\) where none is expected"),
        (vit(), vit() | empty("head.weight"), r"a head \('head\.'\)"),
        (resnet(), resnet() | empty("projection_head.0.weight", "prototypes.weight"), "parts of the pre-training"),
        (resnet(), resnet() | empty("aux.weight"), r"parts \('aux\.'\) that the entry should drop"),
        (resnet(), empty("projection_head.0.weight", "projection_head.2.weight"), "only a head or projector"),
        (resnet(), empty("fc.weight", "fc.bias"), "only a head or projector"),
        (resnet(), vit(), "another architecture"),
        (resnet(), resnet(block=Bottleneck), "another architecture"),
        (resnet(), {}, "another architecture"),
    ],
)
def test_guess(wanted: Tensors, found: Tensors, told: str) -> None:
    mismatch = compare(wanted, found)
    assert mismatch.listing
    assert re.search(told, mismatch.guess), mismatch.guess


@pytest.mark.parametrize(("there", "kind"), [("resnet50", "shallower"), ("resnet101", "deeper")])
def test_guess_of_networks_people_mix_up(there: str, kind: str) -> None:
    here = {"resnet50": "resnet101", "resnet101": "resnet50"}[there]
    with torch.device("meta"):
        found, wanted = (timm.create_model(name, num_classes=0).state_dict() for name in (there, here))
    assert kind in compare(wanted, found).guess


def test_nothing_to_explain_when_all_fits() -> None:
    assert not compare(resnet(), resnet()).listing


def test_beginnings_are_counted_for_people() -> None:
    keys = ["module.a.b.c", "module.a.d", "module.queue", "epoch"]
    assert beginnings(keys) == "'module.a.' (2), 'module.queue' (1), 'epoch' (1)"
