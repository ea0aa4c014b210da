"""Key maps, proven: the publisher's network with random weights and timm's with the mapped ones answer alike."""

import pytest
import timm
import torch
from timm.models import convnext, swin_transformer
from torch import Tensor, nn
from torchvision import models
from torchvision.models import ConvNeXt, SwinTransformer, VisionTransformer
from torchvision.models.convnext import CNBlockConfig

from core.encoders.opening.keymaps import BUILT, KEYMAPS
from core.encoders.opening.renaming import renamed
from core.errors import WeightsInvalid


def randomised(network: nn.Module) -> nn.Module:
    """Every parameter its own noise, so that no swap of two equal tensors goes unseen."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.normal_(std=0.05).add_(1.0 if name.endswith(("gamma", "layer_scale")) else 0.0)
    return network.eval()


def assert_alike(source: nn.Module, mapped: dict[str, Tensor], network: nn.Module, size: int) -> None:
    network.load_state_dict(mapped, strict=True)
    inputs = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, found = source(inputs), network.eval()(inputs)
    assert wanted.std() > 1e-3
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max().clamp(min=1)


def small_torchvision_vit() -> VisionTransformer:
    return VisionTransformer(32, 8, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=7)


def small_timm_vit(**options) -> nn.Module:
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 4, "mlp_ratio": 2}
    return timm.models.VisionTransformer(**shape, **({"num_classes": 7} | options))


@pytest.mark.parametrize("names", ["today's", "before torchvision 0.12"])
def test_torchvision_vit(names: str) -> None:
    source = randomised(small_torchvision_vit())
    tensors = source.state_dict()
    if names != "today's":
        tensors = {
            key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
            for key, value in tensors.items()
        }
        assert any("linear_2" in key for key in tensors)
    assert_alike(source, KEYMAPS["torchvision-vit"](tensors), small_timm_vit(), 32)


def test_torchvision_vit_of_the_catalog_has_timms_shapes() -> None:
    with torch.device("meta"):
        source = VisionTransformer(224, 16, 12, 12, 768, 3072).state_dict()
        network = timm.create_model("vit_base_patch16_224").state_dict()
    mapped = KEYMAPS["torchvision-vit"](source)
    assert {key: value.shape for key, value in mapped.items()} == {key: value.shape for key, value in network.items()}


def test_torchvision_convnext() -> None:
    blocks = [CNBlockConfig(16, 24, 1), CNBlockConfig(24, 32, 2), CNBlockConfig(32, 40, 3), CNBlockConfig(40, None, 1)]
    source = randomised(ConvNeXt(blocks, num_classes=7))
    network = convnext.ConvNeXt(depths=(1, 2, 3, 1), dims=(16, 24, 32, 40), num_classes=7)
    assert_alike(source, KEYMAPS["torchvision-convnext"](source.state_dict()), network, 64)


def test_facebook_convnext_agrees_with_timms_own_converter() -> None:
    """The inverse names are written out here; timm's converter of the same files is the independent judge."""
    network = randomised(convnext.ConvNeXt(depths=(1, 2, 1, 1), dims=(16, 24, 32, 40), num_classes=7))
    published = {}
    for key, value in network.state_dict().items():
        key = key.replace("head.norm.", "norm.").replace("head.fc.", "head.").replace("blocks.", "")
        key = key.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv").replace("stem.", "downsample_layers.0.")
        parts = key.split(".")
        if parts[2:3] == ["downsample"]:
            key = ".".join(["downsample_layers", parts[1], *parts[3:]])
        published[key] = value
    assert {"downsample_layers.3.1.weight", "stages.1.1.pwconv2.bias", "norm.weight"} <= published.keys()
    mapped, judged = KEYMAPS["facebook-convnext"](published), convnext.checkpoint_filter_fn(published, network)
    assert mapped.keys() == judged.keys() == network.state_dict().keys()
    assert all(torch.equal(mapped[key], value) for key, value in network.state_dict().items())


def original_names_of(torchvision: SwinTransformer, depths: list[int]) -> dict[str, Tensor]:
    """Torchvision's Swin under the names its authors gave: a stage's reduction is the stage's last part."""
    found = {}
    for key, value in torchvision.state_dict().items():
        key = key.replace("features.0.0.", "patch_embed.proj.").replace("features.0.2.", "patch_embed.norm.")
        if key.startswith("features."):
            _, index, *rest = key.split(".")
            stage, merging = divmod(int(index) - 1, 2)
            key = ".".join([f"layers.{stage}", *(["downsample"] if merging else ["blocks"]), *rest])
        found[key.replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.")] = value
    found["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)
    return found


def test_torchvision_swin() -> None:
    depths, heads = [2, 2, 2], [2, 4, 8]
    source = randomised(SwinTransformer([4, 4], 16, depths, heads, window_size=[4, 4], num_classes=7))
    network = swin_transformer.SwinTransformer(
        img_size=64, patch_size=4, window_size=4, embed_dim=16, depths=depths, num_heads=heads, num_classes=7
    )
    assert_alike(source, KEYMAPS["torchvision-swin"](source.state_dict()), network, 64)


@pytest.mark.parametrize(
    ("source", "usual", "keys"),
    [
        ("efficientnet_b0", "efficientnet_b0", "torchvision-efficientnet"),
        ("efficientnet_b5", "efficientnet_b5", "torchvision-deep-efficientnet"),
        ("mobilenet_v2", "mobilenetv2_100", "torchvision-mobilenet-v2"),
        ("mobilenet_v3_large", "mobilenetv3_large_100", "torchvision-mobilenet-v3"),
        ("mobilenet_v3_small", "mobilenetv3_small_100", "torchvision-mobilenet-v3"),
        ("regnet_y_400mf", "regnety_004", "torchvision-regnet"),
        ("regnet_x_400mf", "regnetx_004_tv", "torchvision-regnet"),
        ("vgg11_bn", "vgg11_bn", "torchvision-vgg"),
    ],
)
def test_torchvision_networks_of_convolutions(source: str, usual: str, keys: str) -> None:
    theirs = models.get_model(source, weights=None, num_classes=7)
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
    ours = timm.create_model(usual, num_classes=7, **dict(BUILT.get(keys, ())))
    assert {m.eps for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)} == {
        m.eps for m in ours.modules() if isinstance(m, nn.BatchNorm2d)
    }
    assert_alike(theirs.eval(), KEYMAPS[keys](theirs.state_dict()), ours, 64)


@pytest.mark.parametrize(("source", "keys"), [("efficientnet_b5", ""), ("efficientnet_b0", "deep-")])
def test_torchvision_efficientnets_of_another_epsilon_are_told_apart(source: str, keys: str) -> None:
    with torch.device("meta"):
        tensors = models.get_model(source, weights=None).state_dict()
    with pytest.raises(WeightsInvalid, match="are built"):
        KEYMAPS[f"torchvision-{keys}efficientnet"](tensors)


def test_ibot_swin() -> None:
    depths, heads = [2, 2, 2], [2, 4, 8]
    source = randomised(SwinTransformer([4, 4], 16, depths, heads, window_size=[4, 4], num_classes=7))
    published = original_names_of(source, depths)
    assert {"layers.0.downsample.reduction.weight", "layers.0.blocks.0.attn.relative_position_index"} <= set(published)
    network = swin_transformer.SwinTransformer(
        img_size=64, patch_size=4, window_size=4, embed_dim=16, depths=depths, num_heads=heads, num_classes=7
    )
    assert_alike(source, KEYMAPS["ibot-swin"](published), network, 64)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_transformers_resnet(name: str) -> None:
    """The inverse names, as `modeling_resnet.py` has them."""
    kinds = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    tensors = timm.create_model(name, num_classes=7).state_dict()
    published = {}
    for key, value in tensors.items():
        parts = key.split(".")
        if parts[0] in ("conv1", "bn1"):
            new = ["embedder", "embedder", kinds[parts[0][:-1]], parts[-1]]
        elif parts[0] == "fc":
            new = ["classifier", "1", parts[-1]]
        else:
            place = ["encoder", "stages", str(int(parts[0][-1]) - 1), "layers", parts[1]]
            part = parts[2]
            inner = (
                ["shortcut", kinds[parts[3]]]
                if part == "downsample"
                else ["layer", str(int(part[-1]) - 1), kinds[part[:-1]]]
            )
            new = [*place, *inner, parts[-1]]
        published[".".join(new)] = value
    mapped = KEYMAPS["transformers-resnet"](published)
    assert mapped.keys() == tensors.keys()
    assert all(mapped[key] is value for key, value in tensors.items())


class Mmpretrain(nn.Module):
    """A vision transformer put together from PyTorch's parts under mmpretrain's names."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, width))
        self.patch_embed = nn.ModuleDict({"projection": nn.Conv2d(3, width, 8, 8)})
        self.layers = nn.ModuleList(self.layer(width) for _ in range(3))
        self.ln1 = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.ModuleDict({"layers": nn.ModuleDict({"head": nn.Linear(width, 7)})})

    @staticmethod
    def layer(width: int) -> nn.ModuleDict:
        inner = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU())
        return nn.ModuleDict(
            {
                "ln1": nn.LayerNorm(width, eps=1e-6),
                "attn": nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}),
                "ln2": nn.LayerNorm(width, eps=1e-6),
                "ffn": nn.ModuleDict({"layers": nn.Sequential(inner, nn.Linear(2 * width, width))}),
            }
        )

    def forward(self, inputs: Tensor) -> Tensor:
        patches = self.patch_embed["projection"](inputs).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(inputs), -1, -1), patches], dim=1) + self.pos_embed
        for layer in self.layers:
            q, k, v = (
                part.unflatten(2, (self.heads, -1)).transpose(1, 2)
                for part in layer["attn"]["qkv"](layer["ln1"](x)).chunk(3, dim=2)
            )
            mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = x + layer["attn"]["proj"](mixed)
            x = x + layer["ffn"]["layers"](layer["ln2"](x))
        return self.head["layers"]["head"](self.ln1(x)[:, 0])


def test_mmpretrain_vit() -> None:
    source = randomised(Mmpretrain())
    assert "layers.2.ffn.layers.0.0.weight" in source.state_dict()
    assert_alike(source, KEYMAPS["mmpretrain-vit"](source.state_dict()), small_timm_vit(), 32)


def test_mmpretrain_vit_that_averages_has_its_norm_before_the_classifier() -> None:
    tensors = {
        key.replace("ln1", "ln2") if key.startswith("ln1") else key: value
        for key, value in Mmpretrain().state_dict().items()
    }
    mapped = KEYMAPS["mmpretrain-vit"](tensors)
    small_timm_vit(global_pool="avg").load_state_dict(mapped, strict=True)


@pytest.mark.parametrize("name", KEYMAPS)
def test_what_a_key_map_does_not_know_it_leaves_to_strict_loading(name: str) -> None:
    strange = {"projection.0.weight": torch.ones(2), "some.class_token": torch.ones(1)}
    assert KEYMAPS[name](strange) == strange


def test_two_tensors_for_one_place_are_refused() -> None:
    block = "encoder.layers.encoder_layer_0.mlp."
    both = {f"{block}0.weight": torch.ones(2), f"{block}linear_1.weight": torch.zeros(2)}
    with pytest.raises(
        WeightsInvalid, match=r"linear_1\.weight' and '.*mlp\.0\.weight' both mean .*blocks\.0\.mlp\.fc1"
    ):
        KEYMAPS["torchvision-vit"](both)
    with pytest.raises(WeightsInvalid, match="both mean"):
        renamed({"a": torch.ones(1), "b": torch.ones(1)}, (("a", "b"),))
