"""How published heads read an encoder, where another way has the same shape and answers wrong."""

import re
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from toys import CPU, noise

from core.encoders import architectures, encoder, timm_files
from core.encoders.layouts import LAYOUTS
from core.encoders.opening import reading
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid
from core.heads import store
from core.verification import synthetic


def shaken(network: nn.Module) -> nn.Module:
    """The network with scales and offsets that are not all one and zero, as training leaves them."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)


def vit(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return shaken(timm.create_model("vit_tiny_patch16_224", depth=5, num_classes=0, **options))


def pooled(network: nn.Module, inputs: Tensor, recipe: str) -> Tensor:
    return LAYOUTS["tokens"].pool(network, LAYOUTS["tokens"].trunk(network, inputs), recipe)


def recipe_of(id: str) -> str:
    (head,) = encoder_spec(id).heads
    return head.pooling


@pytest.mark.parametrize("id", ["resnet50-dino", "resnet50-swav-800"])
def test_trap_7_dino_and_swav_name_their_heads_module_linear(id: str, tmp_path: Path, monkeypatch) -> None:
    """What reads `fc` from these files finds nothing, or a random layer that torch.hub put there."""
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    spec = encoder_spec(id)
    (native,) = spec.heads
    weight, bias = torch.randn(1000, 2048), torch.randn(1000)
    content = {"state_dict": {"module.linear.weight": weight, "module.linear.bias": bias}, "best_acc": 75.3}
    torch.save(content, tmp_path / native.weights.file)
    head = store.load(encoder.freeze(spec, nn.Module(), CPU, "0" * 64), "imagenet-1k")
    torch.testing.assert_close(head.weight, weight)
    torch.testing.assert_close(head.bias, bias)


def test_trap_6_a_prefix_left_in_place_is_an_error_where_pytorch_says_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    network = architectures.build("resnet50")
    named = {f"module.encoder_q.{key}": value for key, value in network.state_dict().items()}
    result = architectures.build("resnet50").load_state_dict(named, strict=False)
    assert (len(result.missing_keys), len(result.unexpected_keys)) == (265, 318)
    torch.save(named, tmp_path / "bare.pth")
    with pytest.raises(WeightsInvalid, match=r"265 missing.*the file's names begin with 'module\.encoder_q\.'"):
        reading.load_strictly(network, WeightFile("bare.pth", "https://example.org/bare.pth"))


def test_trap_7_dinos_vit_s_and_vit_b_heads_are_as_wide_and_read_other_features() -> None:
    assert recipe_of("vits16-dino") == recipe_of("vits8-dino") == "cls4"
    assert recipe_of("vitb16-dino") == recipe_of("vitb8-dino") == "cls-mean-interleaved"
    assert 4 * encoder_spec("vits16-dino").feature_dim == 2 * encoder_spec("vitb16-dino").feature_dim == 1536


def test_trap_7_dinos_vit_b_head_reads_cls_and_mean_in_turn() -> None:
    network, inputs = vit(), noise(2, 224)
    tokens = network.forward_features(inputs)
    cls, mean = tokens[:, 0], tokens[:, 1:].mean(dim=1)
    found = pooled(network, inputs, "cls-mean-interleaved")
    torch.testing.assert_close(found, torch.stack([cls, mean], dim=-1).flatten(1))
    torch.testing.assert_close(found[:, 0::2], cls)
    assert not torch.allclose(found, torch.cat([cls, mean], dim=1))


def test_trap_7_dinov2s_one_layer_head_reads_cls_then_the_mean_without_registers() -> None:
    network = shaken(timm.create_model("vit_small_patch14_reg4_dinov2", depth=5, img_size=224, num_classes=0))
    inputs = noise(1, 224)
    tokens = network.forward_features(inputs)
    expected = torch.cat([tokens[:, 0], tokens[:, 5:].mean(dim=1)], dim=1)
    torch.testing.assert_close(pooled(network, inputs, "cls-mean"), expected)
    for id, spec in encoders().items():
        if spec.method == "DINOv2":
            assert recipe_of(id) == ("cls4-mean" if id.endswith("-4l") else "cls-mean")
            assert dict(spec.options)["img_size"] == spec.preprocessing.size == 224


def test_trap_7_dinov2s_four_layer_head_reads_four_cls_tokens_and_the_last_mean() -> None:
    network = shaken(timm.create_model("vit_small_patch14_reg4_dinov2", depth=5, img_size=224, num_classes=0))
    inputs = noise(1, 224)
    layers = network.get_intermediate_layers(inputs, n=4, return_prefix_tokens=True, norm=True)
    expected = torch.cat([*(prefix[:, 0] for _, prefix in layers), layers[-1][0].mean(dim=1)], dim=1)
    found = pooled(network, inputs, "cls4-mean")
    assert found.shape == (1, 5 * 384)
    torch.testing.assert_close(found, expected)


def test_trap_7_moco_v3s_vit_s_has_twelve_heads() -> None:
    spec = encoder_spec("vits16-moco-v3")
    with torch.device("meta"):
        right = architectures.build(spec.architecture, spec.options)
        usual = architectures.build(spec.architecture)
    assert (right.blocks[0].attn.num_heads, usual.blocks[0].attn.num_heads) == (12, 6)
    shapes = [{key: value.shape for key, value in n.state_dict().items()} for n in (right, usual)]
    assert shapes[0] == shapes[1], "nothing in the file would tell"
    twelve, three = vit(num_heads=12), vit()
    twelve.load_state_dict(three.state_dict())
    inputs = noise(1, 224)
    assert not torch.allclose(twelve(inputs), three(inputs), atol=1e-3)


def test_trap_7_fine_tuned_mae_averages_patches() -> None:
    for id in ("vitb16-mae-ft", "vitl16-mae-ft", "vith14-mae-ft"):
        spec = encoder_spec(id)
        assert (spec.layout, recipe_of(id), dict(spec.options)["global_pool"]) == ("pooled-tokens", "head", "avg")
        assert spec.regime == "self-supervised-fine-tuned"
        assert "fc_norm.weight" in synthetic.on_meta(spec).state_dict()


def test_trap_7_simclrs_converted_bias_is_random_and_set_to_zero(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    spec = encoder_spec("resnet50-simclr-v1")
    weight = torch.randn(1000, 2048)
    torch.save({"state_dict": {"fc.weight": weight, "fc.bias": torch.randn(1000)}}, tmp_path / spec.weights.file)
    head = store.load(encoder.freeze(spec, nn.Module(), CPU, "0" * 64), "imagenet-1k")
    torch.testing.assert_close(head.weight, weight)
    assert head.bias.count_nonzero() == 0
    assert "bias" in spec.note


def test_trap_7_simclr_reads_pixels_as_they_are() -> None:
    recipe = encoder_spec("resnet50-simclr-v1").preprocessing
    assert (recipe.mean, recipe.std) == ((0, 0, 0), (1, 1, 1))
    assert encoder_spec("resnet50-mm-simclr-800").preprocessing.mean == (0.485, 0.456, 0.406)


def test_trap_7_dinov3_is_pooled_from_the_cls_token_as_upstream() -> None:
    spec = encoder_spec("vit_small_patch16_dinov3.lvd1689m")
    assert (spec.layout, spec.pooling) == ("tokens", "token")
    torch.manual_seed(0)
    network = shaken(timm.create_model("vit_small_patch16_dinov3", depth=5, num_classes=0, **dict(spec.options)))
    inputs = noise(1, 224)
    torch.testing.assert_close(pooled(network, inputs, "token"), network.forward_features(inputs)[:, 0])
    torch.testing.assert_close(pooled(network, inputs, "token"), network(inputs))


def test_trap_7_lightlys_heads_are_online_probes_and_say_so() -> None:
    found = [spec for id, spec in encoders().items() if id.startswith("resnet50-lightly-")]
    assert len(found) == 10
    for spec in found:
        assert "not the published linear top-1" in spec.note
        (head,) = spec.heads
        assert head.weight == "online_classifier.classification_head.weight"


def test_trap_7_timm_gives_a_headless_network_no_classifier() -> None:
    spec = encoder_spec("vit_base_patch16_224.mae")
    assert not spec.heads
    with torch.device("meta"):
        assert timm_files.split(timm_files.build(spec)) is None
        # What the catalog never asks for: it builds a classifier that no file ever filled.
        assert timm.create_model("vit_base_patch16_224.mae", num_classes=1000).head.weight.shape == (1000, 768)


def test_trap_7_resmlp_of_dino_lists_classes_and_is_headless() -> None:
    assert timm.get_pretrained_cfg("resmlp_12_224.fb_dino").num_classes == 1000
    spec = encoder_spec("resmlp_12_224.fb_dino")
    assert not spec.heads
    with torch.device("meta"):
        assert timm_files.split(timm_files.build(spec)) is None


def test_trap_7_nothing_claims_a_head_that_nobody_published() -> None:
    headless = r"moco-v[12]|barlow-twins$|vicreg$|deepcluster|sela|swav-[124]|pcl|obow|ibot|msn|vissl|\.mae$|\.fcmae$"
    found = [spec for id, spec in encoders().items() if re.search(headless, id)]
    assert len(found) > 50
    ours = [spec for spec in found if not re.search("-mm-|-lightly-|-pycontrast-", spec.id)]
    third_party = [spec.id for spec in ours if spec.heads]
    assert third_party == []


def test_trap_7_byol_pads_as_tensorflow_does() -> None:
    network = architectures.build("resnet50-same").eval()
    first: nn.Conv2d = network.conv1
    inputs = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = functional.conv2d(functional.pad(inputs, (2, 3, 2, 3)), first.weight, stride=2)
    torch.testing.assert_close(first(inputs), expected)
    half = torch.randn(1, 4, 112, 112, generator=torch.Generator().manual_seed(1))
    padded = functional.pad(half, (0, 1, 0, 1), value=float("-inf"))
    torch.testing.assert_close(network.maxpool(half), functional.max_pool2d(padded, 3, 2))
    usual = architectures.build("resnet50").eval()
    usual.load_state_dict(network.state_dict())
    assert not torch.allclose(usual(inputs), network(inputs), atol=1e-3)


CUTS = {
    "vit_tiny_patch16_224": ("tokens", "token", {}),
    "vit_small_patch16_dinov3": ("tokens", "token", {"global_pool": "token", "depth": 5}),
    "eva02_tiny_patch14_224": ("pooled-tokens", "head", {"depth": 3}),
    "beit_base_patch16_224": ("pooled-tokens", "head", {"depth": 3}),
    "vit_base_patch16_siglip_224": ("pooled-tokens", "head", {"depth": 3}),
    "swin_tiny_patch4_window7_224": ("pooled-tokens", "head", {}),
    "hiera_tiny_224": ("pooled-tokens", "head", {}),
    "resmlp_12_224": ("pooled-tokens", "head", {}),
    "xcit_nano_12_p16_224": ("class-attention", "token", {}),
    "convnextv2_atto": ("map", "head", {}),
    "regnety_002": ("map", "avg", {}),
    "tf_efficientnet_b0": ("map", "avg", {}),
    "resnet50_clip": ("map", "head", {}),
}


@pytest.mark.parametrize("name", CUTS)
def test_trap_8_both_halves_are_timms_forward_and_every_patch_has_a_gradient(name: str) -> None:
    """Cut behind the last block, a CLS-pooled network has patch gradients of exactly zero."""
    layout, recipe, options = CUTS[name]
    torch.manual_seed(0)
    network = shaken(timm.create_model(name, num_classes=0, **options))
    inputs = noise(1, network.pretrained_cfg["input_size"][-1])
    state = LAYOUTS[layout].trunk(network, inputs)
    torch.testing.assert_close(LAYOUTS[layout].pool(network, state, recipe), network(inputs))
    attributed = state.feature_map.detach().requires_grad_()
    feature = LAYOUTS[layout].pool(network, state.with_map(attributed), recipe)
    (gradient,) = torch.autograd.grad(feature[0, 0], attributed)
    assert min(state.feature_map.shape[2:]) > 1
    assert bool((gradient.abs().amax(dim=1) > 0).all())


def test_trap_9_9_a_frozen_encoder_answers_alike_alone_and_in_a_batch() -> None:
    frozen = encoder.load("supervised", CPU)
    assert not frozen.network.training
    inputs = noise(3, 64)
    alone = frozen.pool(frozen.trunk(inputs[:1]))
    torch.testing.assert_close(frozen.pool(frozen.trunk(inputs))[:1], alone, rtol=1e-4, atol=1e-5)


def test_trap_9_13_weights_go_into_timms_classes_never_into_the_authors_code() -> None:
    for id in ("vits16-moco-v3", "vitb16-moco-v3", "vits16-dino", "vitb16-ibot-rand", "vits16-msn"):
        assert encoder_spec(id).architecture in timm.list_models()
