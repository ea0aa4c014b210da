"""Residual networks for images of 64 pixels: those of the packaged family.

ResNet-18's blocks (He et al. 2016) behind a 3x3 stem without pooling. Tensors are named as in timm's ResNet, whose
answers they give; written out, as timm itself takes seconds to import and the dashboard opens on these.
"""

from collections.abc import Sequence

from torch import Tensor, nn


def _norm_of(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution that keeps the side at stride 1, and the norm behind it."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)


class BasicBlock(nn.Module):
    """ResNet-18's residual block."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _norm_of(inputs, outputs, 3, stride)
        self.conv2, self.bn2 = _norm_of(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.downsample = None if same else nn.Sequential(*_norm_of(inputs, outputs, 1, stride))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, outputs, H/stride, W/stride) of (B, inputs, H, W)."""
        kept = inputs if self.downsample is None else self.downsample(inputs)
        hidden = self.bn1(self.conv1(inputs)).relu_()
        return self.bn2(self.conv2(hidden)).add_(kept).relu_()


class SmallResNet(nn.Module):
    """A headless network that answers timm's contract (`forward_features`, `num_features`, `feature_info`).

    Args:
        stem: channels of the first convolution.
        widths: channels of each stage.
        depths: blocks of each stage.
        strides: of the first convolution, and of the first block of each stage.
    """

    def __init__(self, stem: int, widths: Sequence[int], depths: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        channels, reduction = stem, strides[0]
        self.conv1, self.bn1 = _norm_of(3, channels, 3, reduction)
        self.feature_info = [{"num_chs": channels, "reduction": reduction, "module": "bn1"}]
        self.stages = [f"layer{number}" for number in range(1, len(widths) + 1)]
        for name, width, depth, stride in zip(self.stages, widths, depths, strides[1:], strict=True):
            blocks = [BasicBlock(channels, width, stride), *(BasicBlock(width, width, 1) for _ in range(depth - 1))]
            self.add_module(name, nn.Sequential(*blocks))
            channels, reduction = width, reduction * stride
            self.feature_info.append({"num_chs": width, "reduction": reduction, "module": name})
        self.num_features = self.head_hidden_size = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, inputs: Tensor) -> Tensor:
        """(B, K, h, w) last map of (B, 3, H, W) normalised inputs."""
        hidden: Tensor = self.bn1(self.conv1(inputs)).relu_()
        for name in self.stages:
            hidden = self.get_submodule(name)(hidden)
        return hidden

    def forward_head(self, feature_map: Tensor, pre_logits: bool = True) -> Tensor:  # noqa: ARG002 (timm calls it so)
        """(B, K) mean of the map; there is no classifier, so `pre_logits` changes nothing."""
        return feature_map.mean(dim=(2, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, K) pooled feature."""
        return self.forward_head(self.forward_features(inputs))


def resnet_s() -> SmallResNet:
    """Three stages, the last at the resolution of the one before: 8x8 maps of a 64-px image, 1.2 M parameters."""
    return SmallResNet(32, widths=(48, 128, 256), depths=(1, 1, 1), strides=(2, 2, 2, 1))
