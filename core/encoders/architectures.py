"""Networks by name: timm's own, and the small ResNets of the controlled family.

Every network here answers timm's contract (`forward_features`, `num_features`, `feature_info`), so nothing above
asks what kind it is.
"""

from collections.abc import Callable
from typing import Any

import timm
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

Network = Any
"""A timm model. Its contract is wider than what `nn.Module` declares, and timm has no type for it."""


def small_image_resnet18(width: int, stem_stride: int) -> ResNet:
    """A headless ResNet-18 for 64-px images: a 3x3 stem, no max-pooling.

    Args:
        width: channels of the first stage; 64 is the full network (11 M parameters), 32 a quarter of it.
        stem_stride: 1 gives 8x8 maps of a 64-px image, 2 gives 4x4 and costs a quarter.
    """
    network = ResNet(
        BasicBlock,
        [2, 2, 2, 2],
        num_classes=0,
        channels=(width, 2 * width, 4 * width, 8 * width),
        # The "deep" stem is the only one whose width timm lets us choose; it is replaced below.
        stem_type="deep",
        stem_width=width // 2,
        # With zero-initialised residual branches an untrained network is a chain of shortcuts: no fair floor.
        zero_init_last=False,
    )
    network.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=stem_stride, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network


OWN: dict[str, Callable[[], nn.Module]] = {
    "resnet18-64px": lambda: small_image_resnet18(width=64, stem_stride=1),
    "resnet18-64px-small": lambda: small_image_resnet18(width=32, stem_stride=2),
}


def build(name: str) -> Network:
    """The headless network called `name`, with fresh weights, in training mode."""
    if name in OWN:
        return OWN[name]()
    return timm.create_model(name, pretrained=False, num_classes=0)
