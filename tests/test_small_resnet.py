"""The packaged family's networks against timm's own blocks, and their contract."""

import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from core.encoders import architectures
from core.encoders.small_resnet import SmallResNet


def untidy(network: nn.Module) -> nn.Module:
    """The network with the statistics and scales of one that was trained."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
    return network.eval()


def timms(widths: list[int], depths: list[int], stem: int, stem_stride: int) -> ResNet:
    """timm's ResNet with a 3x3 stem and no pooling."""
    network = ResNet(BasicBlock, depths, num_classes=0, channels=widths, stem_type="deep", stem_width=stem // 2)
    network.conv1 = nn.Conv2d(3, stem, 3, stem_stride, 1, bias=False)
    network.maxpool = nn.Identity()
    return network.eval()


def test_three_stages_are_timms_without_the_last() -> None:
    ours = untidy(SmallResNet(8, widths=(16, 32, 48), depths=(2, 1, 2), strides=(2, 1, 2, 2)))
    theirs = timms([16, 32, 48, 8], [2, 1, 2, 1], 8, 2)
    theirs.bn1 = nn.BatchNorm2d(8)
    # timm's first stage has no shortcut to learn; ours widens the stem.
    theirs.layer1[0] = BasicBlock(8, 16, downsample=nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)))
    theirs.layer4 = nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs.eval()(images))


def test_packaged_network_gives_eight_by_eight_maps_and_is_small() -> None:
    network = architectures.build("resnet-s-64px").eval()
    feature_map = network.forward_features(torch.randn(1, 3, 64, 64))
    assert feature_map.shape == (1, network.num_features, 8, 8)
    assert network.feature_info[-1] == {"num_chs": network.num_features, "reduction": 8, "module": "layer3"}
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 12e6, "bytes in half precision"


def test_feature_info_tells_the_sides_of_its_maps() -> None:
    network = SmallResNet(8, widths=(16, 24, 32), depths=(1, 1, 1), strides=(2, 2, 2, 1)).eval()
    hidden = torch.randn(1, 3, 64, 64)
    sides = {}
    for name, module in network.named_modules():
        if name in {info["module"] for info in network.feature_info}:
            module.register_forward_hook(lambda _, __, output, name=name: sides.update({name: output.shape[1:]}))
    network(hidden)
    for info in network.feature_info:
        side = 64 // info["reduction"]
        assert sides[info["module"]] == (info["num_chs"], side, side)
