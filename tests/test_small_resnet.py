"""The packaged family's network against timm's own blocks, and its contract."""

import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from core.encoders import architectures
from core.encoders.small_resnet import SmallResNet


def test_forward_equals_timms_resnet_of_the_same_weights() -> None:
    """timm's ResNet with a 3x3 stem, no pooling, and the last stage taken out, is the same function."""
    torch.manual_seed(0)
    ours = SmallResNet(widths=(16, 32, 48), depths=(2, 1, 2), strides=(1, 2, 2))
    theirs = ResNet(BasicBlock, [2, 1, 2, 1], num_classes=0, channels=(16, 32, 48, 8), stem_type="deep", stem_width=4)
    theirs.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
    theirs.bn1 = nn.BatchNorm2d(8)
    # timm's first stage has no shortcut to learn where widths agree; ours always widens the stem.
    theirs.layer1[0] = BasicBlock(8, 16, downsample=nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16)))
    theirs.maxpool = theirs.layer4 = nn.Identity()
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_packaged_network_gives_eight_by_eight_maps_and_is_small() -> None:
    network = architectures.build("resnet-s-64px").eval()
    feature_map = network.forward_features(torch.randn(1, 3, 64, 64))
    assert feature_map.shape == (1, network.num_features, 8, 8)
    assert network.feature_info[-1] == {"num_chs": network.num_features, "reduction": 8, "module": "layer3"}
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 12e6, "bytes in half precision"


def test_feature_info_tells_the_sides_of_its_maps() -> None:
    network = SmallResNet(widths=(16, 24, 32), depths=(1, 1, 1)).eval()
    hidden = torch.randn(1, 3, 64, 64)
    sides = {}
    for name, module in network.named_modules():
        if name in {info["module"] for info in network.feature_info}:
            module.register_forward_hook(lambda _, __, output, name=name: sides.update({name: output.shape[1:]}))
    network(hidden)
    for info in network.feature_info:
        side = 64 // info["reduction"]
        assert sides[info["module"]] == (info["num_chs"], side, side)
