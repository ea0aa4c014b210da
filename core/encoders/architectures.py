"""Networks by name: timm's own, and the small ResNets of the controlled family.

Every network here answers timm's contract (`forward_features`, `num_features`, `feature_info`), so nothing above
asks what kind it is.
"""

from collections.abc import Callable, Iterable
from typing import Any

import timm
from timm.layers import Conv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

Network = Any
"""A timm model. Its contract is wider than what `nn.Module` declares, and timm has no type for it."""


def small_image_resnet18(width: int, stem_stride: int) -> ResNet:
    """A headless ResNet-18 for 64-px images: a 3x3 stem, no max-pooling.

    Args:
        width: channels of the first stage; 64 is the full network (11 M parameters), 32 half of its width
            and a quarter of its parameters.
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


def same_padded_resnet50() -> ResNet:
    """A headless ResNet-50 that pads as TensorFlow does ("SAME"), for weights that were trained so.

    On an even side a strided layer then pads below and right only; the weights' shapes do not tell.
    """
    network = timm.create_model("resnet50", pretrained=False, num_classes=0)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1:
            padded = Conv2dSame(
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                bias=False,
            )
            padded.weight = layer.weight
            network.set_submodule(name, padded)
    network.maxpool = MaxPool2dSame(kernel_size=3, stride=2)
    return network


OWN: dict[str, Callable[[], nn.Module]] = {
    "resnet18-64px": lambda: small_image_resnet18(width=64, stem_stride=1),
    "resnet18-64px-small": lambda: small_image_resnet18(width=32, stem_stride=2),
    "resnet50-same": same_padded_resnet50,
}


def build(name: str, options: Iterable[tuple[str, Any]] = ()) -> Network:
    """The headless network called `name`, with fresh weights, in training mode.

    Args:
        name: one of `OWN`, or a timm architecture with or without tag.
        options: arguments of the architecture, such as `num_heads`.
    """
    if name in OWN:
        return OWN[name]()
    return timm.create_model(name, pretrained=False, **{**dict(options), "num_classes": 0})
