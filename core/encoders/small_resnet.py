"""The network of the packaged family: a residual network of three stages for images of 64 pixels.

ResNet-18's blocks (He et al. 2016) behind a strided 3x3 stem. What a ResNet spends on its first stages at full
resolution is saved, and the last stage keeps the resolution of the one before: a 64-px image gives an 8x8 map, as a
224-px image gives 7x7 in ResNet-50.
"""

from collections.abc import Sequence

from torch import Tensor, nn


def _norm_of(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution that keeps the side at stride 1, and the norm behind it."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)


class BasicBlock(nn.Module):
    """ResNet-18's residual block, tensors named as in timm. Written out, as timm itself takes seconds to import."""

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
    """A headless network that answers timm's contract.

    Args:
        widths: channels of the three stages; the stem has half of the first.
        depths: blocks of each stage.
        strides: of the first block of each stage; the stem halves the side before.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential

    def __init__(self, widths: Sequence[int], depths: Sequence[int], strides: Sequence[int] = (2, 2, 1)) -> None:
        super().__init__()
        channels = widths[0] // 2
        self.conv1, self.bn1 = _norm_of(3, channels, 3, stride=2)
        reduction = 2
        self.feature_info = [{"num_chs": channels, "reduction": reduction, "module": "bn1"}]
        for number, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True), start=1):
            blocks = [BasicBlock(channels, width, stride), *(BasicBlock(width, width, 1) for _ in range(depth - 1))]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            channels, reduction = width, reduction * stride
            self.feature_info.append({"num_chs": width, "reduction": reduction, "module": f"layer{number}"})
        self.num_features = self.head_hidden_size = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, inputs: Tensor) -> Tensor:
        """(B, K, H/8, W/8) map of (B, 3, H, W) normalised inputs."""
        hidden = self.bn1(self.conv1(inputs)).relu_()
        for stage in (self.layer1, self.layer2, self.layer3):
            hidden = stage(hidden)
        return hidden

    def forward_head(self, feature_map: Tensor, pre_logits: bool = True) -> Tensor:  # noqa: ARG002 (timm calls it so)
        """(B, K) mean of the map; there is no classifier, so `pre_logits` changes nothing."""
        return feature_map.mean(dim=(2, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, K) pooled feature."""
        return self.forward_head(self.forward_features(inputs))
