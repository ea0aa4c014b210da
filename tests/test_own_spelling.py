"""Vision transformers under the names of other code, and with patches and inputs of another size than is said."""

import argparse
import re
from pathlib import Path

import pytest
import timm
import torch
from checkpoints import folder, untried
from torch import Tensor, nn
from torchvision import models
from torchvision.models import VisionTransformer

from core.encoders import encoder, own
from core.encoders.opening.keymaps import KEYMAPS
from core.encoders.own import Said
from core.encoders.own_spelling import usual_name
from core.errors import InvalidRequest, UnknownName, WeightsInvalid
from core.heads import store

__all__ = ["folder", "untried"]
pytestmark = pytest.mark.usefixtures("untried")


def patches(side: int, *more: str) -> dict[str, Tensor]:
    names = ("backbone.patch_embed.proj.weight", *more)
    return {name: torch.empty(8, 3, side, side, device="meta") for name in names}


@pytest.mark.parametrize(
    ("name", "tensors", "usual"),
    [
        ("vit_b_16", {}, "vit_base_patch16_224"),
        ("vit_h_14", {}, "vit_huge_patch14_224"),
        ("ViT-L/32", {}, "vit_large_patch32_224"),
        ("swin_t", {}, "swin_tiny_patch4_window7_224"),
        ("mobilenet_v2", {}, "mobilenetv2_100"),
        ("mobilenet_v3_small", {}, "mobilenetv3_small_100"),
        ("regnet_y_400mf", {}, "regnety_004"),
        ("regnet_x_400mf", {}, "regnetx_004_tv"),
        ("regnet_x_1_6gf", {}, "regnetx_016"),
        ("RegNet-Y-128GF", {}, "regnety_1280"),
        ("vit_small", patches(8), "vit_small_patch8_224"),
        ("deit_small", patches(16), "vit_small_patch16_224"),
        ("mae_vit_base_patch16", patches(16), "vit_base_patch16_224"),
        ("vit_base_patch16", patches(32), "vit_base_patch32_224"),
        ("vit_small", patches(14, "backbone.blocks.0.ls1.gamma"), "vit_small_patch14_dinov2"),
        (
            "vit_large",
            patches(14, "blocks.0.ls1.gamma", "register_tokens"),
            "vit_large_patch14_reg4_dinov2",
        ),
        ("my_net", patches(16), "my_net"),
    ],
)
def test_a_name_of_other_code_is_timms(name: str, tensors: dict[str, Tensor], usual: str) -> None:
    assert usual_name(name, tensors) == usual
    assert usual == name or usual in timm.list_models()


def test_what_no_tensor_tells_is_asked() -> None:
    with pytest.raises(InvalidRequest, match=r"12 heads.*--like vits16-moco-v3"):
        usual_name("vit_small", patches(16, "module.momentum_encoder.x"))


@pytest.mark.parametrize("by_file", [True, False])
def test_a_checkpoint_of_torchvision_needs_no_other_name(by_file: bool, folder: Path) -> None:
    torch.manual_seed(0)
    source = VisionTransformer(224, 16, 12, 3, 192, 768, num_classes=7).state_dict()
    tensors = {f"module.{key}": torch.randn_like(value) * 0.05 for key, value in source.items()}
    torch.save({"state_dict": tensors} | ({"arch": "vit_t_16"} if by_file else {}), folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said("" if by_file else "vit_t_16"))
    assert spec.architecture == "vit_tiny_patch16_224"
    assert "names of 'torchvision-vit' changed; left out: head (7 classes)." in spec.note
    found = encoder.load("mine", torch.device("cpu")).network.state_dict()
    renamed = KEYMAPS["torchvision-vit"]({key.removeprefix("module."): value for key, value in tensors.items()})
    assert all(torch.equal(renamed[key], value) for key, value in found.items())


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_a_small_network_of_torchvision_answers_as_there(name: str, folder: Path) -> None:
    """Its whole classifier and the epsilon of its BatchNorm, too, which no tensor shows."""
    source = models.get_model(name, weights=None)
    for layer in source.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            # As small as a trained layer's may be, so that another epsilon shows.
            layer.running_var.uniform_(0.002, 0.02)
            layer.weight.data.uniform_(0.02, 0.1)
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.state_dict().items()}}, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said(name, preprocessing={"size": 96, "resize": 96}))
    assert ("Built with bn_eps 0.001, as there." in spec.note) == ("_v3_" in name)
    loaded = encoder.load("mine", torch.device("cpu"))
    head = store.load(loaded, "imagenet-1k")
    inputs = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs = head.logits(loaded.pool(loaded.trunk(inputs), head.pooling)), source.eval()(inputs)
    assert theirs.std() > 1e-3
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max().clamp(min=1)


def test_the_patches_of_the_file_name_the_network(folder: Path) -> None:
    """As DINO's training script keeps it: its word for the network says nothing of patches."""
    teacher = timm.create_model("vit_small_patch32_224", num_classes=0).state_dict()
    content = {
        "teacher": {f"backbone.{key}": value for key, value in teacher.items()},
        "args": argparse.Namespace(arch="vit_small", patch_size=32),
    }
    torch.save(content, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said())
    assert spec.architecture == "vit_small_patch32_224"
    assert "The file names its network itself: vit_small_patch32_224 ('args.arch')." in spec.note
    # timm's own loader would scale the patches without a word.
    with pytest.raises(WeightsInvalid) as refused:
        own.add(folder / "mine.pth", "other", Said("vit_small_patch16_224"))
    assert "its patches are of 32×32 pixels where the network's are of 16×16" in str(refused.value)
    assert str(refused.value).endswith("Say --arch vit_small_patch32_224.")


def test_a_table_of_positions_that_is_scaled_is_told(folder: Path) -> None:
    larger = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=384).state_dict()
    torch.save(larger, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said("vit_tiny_patch16_224"))
    assert "Scaled from an input of another size: pos_embed from 1×577×192 to 1×197×192." in spec.note


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "densenet121"])
@pytest.mark.parametrize("taken", ["features", "children", "timm's children"])
def test_parts_of_a_network_by_number_or_without_their_first_name(name: str, taken: str, folder: Path) -> None:
    """`network.features` as a backbone, and `nn.Sequential(*network.children())`."""
    usual = usual_name(name, {})
    source = timm.create_model(usual, num_classes=0) if taken == "timm's children" else models.get_model(name)
    for layer in source.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
    part = source.features if taken == "features" else nn.Sequential(*list(source.children())[:-1])
    torch.save(
        {"state_dict": {f"backbone.{key}": value for key, value in part.state_dict().items()}}, folder / "mine.pth"
    )
    spec = own.add(folder / "mine.pth", "mine", Said(usual, preprocessing={"size": 64, "resize": 64}))
    assert "These fit too" not in spec.note
    loaded, images = encoder.load("mine", torch.device("cpu")), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        ours = loaded.trunk(images).feature_map
        theirs = (
            source.eval().forward_features(images) if taken == "timm's children" else source.eval().features(images)
        )
    # torchvision's DenseNet rectifies behind its features.
    theirs = theirs.relu() if name == "densenet121" else theirs
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_blocks_in_chunks_and_a_decoder_beside(folder: Path) -> None:
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    chunked = {re.sub(r"^blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) // 6}.{m[1]}", k): v for k, v in vit.items()}
    beside = {
        "mask_token": torch.ones(9),
        "decoder_embed.weight": torch.ones(9),
        "decoder_blocks.0.norm1.weight": torch.ones(9),
    }
    torch.save({"teacher": {f"backbone.{key}": value for key, value in chunked.items()}}, folder / "chunks.pth")
    torch.save({"model": vit | beside}, folder / "decoder.pth")
    for id, said in (("chunks", "'chunked-vit' changed"), ("decoder", "left out: decoder_blocks, decoder_embed")):
        assert said in own.add(folder / f"{id}.pth", id, Said("vit_tiny_patch16_224")).note
        found = encoder.load(id, torch.device("cpu")).network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in vit.items())


def test_an_unknown_name_is_still_unknown(folder: Path) -> None:
    torch.save({"a": torch.ones(2)}, folder / "mine.pth")
    with pytest.raises(UnknownName):
        own.add(folder / "mine.pth", "mine", Said("resnet5o"))
