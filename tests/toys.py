"""Networks small enough to compute by hand, wrapped as the app wraps real ones."""

import hashlib

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from core.encoders.encoder import Encoder, freeze
from core.encoders.small_resnet import SmallResNet
from core.encoders.spec import EncoderSpec, Preprocessing, Pretraining, WeightFile
from core.heads.linear import LinearHead
from core.images.image import SafeImage
from core.readout import Contender

CPU = torch.device("cpu")


class TwoChannels(nn.Module):
    """An 8x8 image becomes a 2x2 map: red summed over each 4x4 cell, and green minus blue.

    Linear, so every map, gradient and integral of it can be written down.
    """

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, kernel_size=4, stride=4, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1
            self.conv.weight[1, 1] = 1
            self.conv.weight[1, 2] = -1

    def forward_features(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        return x.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def resnet18(width: int, stem_stride: int) -> SmallResNet:
    """ResNet-18 with `width` channels in its first stage and no pooling."""
    widths = [width * 2**stage for stage in range(4)]
    return SmallResNet(width, widths, depths=(2, 2, 2, 2), strides=(stem_stride, 1, 2, 2, 2))


class BrokenInHalf(TwoChannels):
    """The same network around an offset that float32 carries and bfloat16 rounds to multiples of 16 and more."""

    def forward_features(self, x: Tensor) -> Tensor:
        return (self.conv(x) + 4096) - 4096


def spec(
    id: str = "toy", layout: str = "map", pooling: str = "avg", dim: int = 2, size: int = 8, **changed
) -> EncoderSpec:
    """A catalog entry; the preprocessing leaves pixels as they are."""
    facts = {
        "label": id.title(),
        "regime": "supervised",
        "method": "by hand",
        "architecture": "toy",
        "target_layer": "conv",
        "preprocessing": Preprocessing(size, size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        "weights": WeightFile(f"{id}.pth", url="http://127.0.0.1:9/none"),
        "heads": (),
        "pretraining": Pretraining("nothing", 0, "none"),
        "licence": "none",
        "paper": "none",
        "source": "none",
    }
    return EncoderSpec(id=id, layout=layout, pooling=pooling, feature_dim=dim, **(facts | changed))


def linear_head(weight: Tensor, bias: Tensor | None = None, pooling: str = "avg", **changed) -> LinearHead:
    """A head for a task nobody else has."""
    facts = {"protocol": "linear", "temperature": 2.0, "calibrated": True, "facts": {}}
    offset = torch.zeros(len(weight)) if bias is None else bias
    return LinearHead(task="toy", pooling=pooling, weight=weight, bias=offset, **(facts | changed))


def encoder(network: nn.Module, entry: EncoderSpec) -> Encoder:
    """A frozen encoder on the CPU."""
    return freeze(entry, network, CPU, sha256="0" * 64)


HEAD_WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, -1.0]])
HEAD_BIAS = torch.tensor([0.5, 0.0, -3.0])


def literal(network: nn.Module | None = None, **changed) -> Contender:
    """The two-channel network with a head of small integers and three classes."""
    return Contender(
        encoder(network or TwoChannels(), spec(**changed)), linear_head(HEAD_WEIGHT.clone(), HEAD_BIAS.clone())
    )


def small_resnet(pooling: str = "avg", classes: int = 5, seed: int = 0) -> Contender:
    """timm's ResNet-18 with a quarter of the channels, random weights and head: 8x8 maps of 64-px images.

    No fewer channels: with 8, oneDNN (torch 2.15) overruns its memory in the weight gradient of a channels-last,
    strided 1x1 convolution, which tests that train a copy would meet.
    """
    torch.manual_seed(seed)
    network = resnet18(width=16, stem_stride=1)
    head = linear_head(torch.randn(classes, 128), torch.randn(classes), pooling)
    return Contender(encoder(network, spec("resnet", pooling=pooling, dim=128, size=64)), head)


def small_vit(pooling: str = "token", classes: int = 5, registers: int = 0, seed: int = 0) -> Contender:
    """timm's VisionTransformer with five blocks of 24 channels: 4x4 patches of 32-px images."""
    torch.manual_seed(seed)
    network = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=5, num_heads=3, num_classes=0, reg_tokens=registers
    )
    for parameter in network.parameters():  # timm starts near zero, where attention is uniform
        nn.init.normal_(parameter, std=0.3)
    width = {"token": 24, "cls4": 96}[pooling]
    head = linear_head(torch.randn(classes, width), torch.randn(classes), pooling)
    return Contender(encoder(network, spec("vit", "tokens", "token", dim=24, size=32)), head)


def noise(count: int, size: int, seed: int = 0) -> Tensor:
    """(count, 3, size, size) of standard normal values."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def image(width: int = 80, height: int = 64, seed: int = 0) -> SafeImage:
    """A colourful image, smooth enough that a resampling keeps it alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((4, 5, 3))
    rows, columns = np.linspace(0, 2.99, height), np.linspace(0, 3.99, width)
    r, c = rows.astype(int)[:, None], columns.astype(int)[None]
    y, x = (rows % 1)[:, None, None], (columns % 1)[None, :, None]
    top = coarse[r, c] * (1 - x) + coarse[r, c + 1] * x
    bottom = coarse[r + 1, c] * (1 - x) + coarse[r + 1, c + 1] * x
    pixels = ((top * (1 - y) + bottom * y) * 255).astype(np.uint8)
    return SafeImage(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), width, height)
