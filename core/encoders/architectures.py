"""Networks by name: timm's own, and the small ResNet of the controlled family.

Every network here answers timm's contract (`forward_features`, `num_features`, `feature_info`), so nothing above
asks what kind it is.
"""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from core.encoders import small_resnet

Network = Any
"""A timm model. Its contract is wider than what `nn.Module` declares, and timm has no type for it."""


def same_padded_resnet50() -> Network:
    """A headless ResNet-50 that pads as TensorFlow does ("SAME"), for weights that were trained so.

    On an even side a strided layer then pads below and right only; the weights' shapes do not tell.
    """
    import timm
    from timm.layers import Conv2dSame
    from timm.layers.pool2d_same import MaxPool2dSame

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
    "resnet-s-64px": small_resnet.resnet_s,
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
    # It takes seconds to import, and the packaged encoders do without.
    import timm

    return timm.create_model(name, pretrained=False, **{**dict(options), "num_classes": 0})
