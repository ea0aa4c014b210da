"""Where networks are cut: both halves together are the network that timm runs."""

import pytest
import timm
import torch
from toys import noise, small_vit

from core.encoders import architectures
from core.encoders.layouts import LAYOUTS
from core.encoders.layouts.base import TrunkOutput
from core.errors import InvalidRequest


@pytest.mark.parametrize(("name", "size", "grid"), [("resnet-s-64px", 64, 8), ("resnet50", 96, 3)])
def test_map_layout_is_timms_forward(name: str, size: int, grid: int) -> None:
    torch.manual_seed(0)
    network = architectures.build(name).eval()
    inputs = noise(2, size)
    layout = LAYOUTS["map"]
    with torch.inference_mode():
        state = layout.trunk(network, inputs)
        whole = network(inputs)
        torch.testing.assert_close(state.feature_map, network.forward_features(inputs))
        torch.testing.assert_close(layout.pool(network, state, "avg"), whole)
        torch.testing.assert_close(layout.pool(network, state, "head"), whole)
    assert state.feature_map.shape == (2, network.num_features, grid, grid)
    assert state.rest == ()


@pytest.fixture(scope="module")
def vit() -> torch.nn.Module:
    """The published ViT-S/16 but for its depth."""
    torch.manual_seed(0)
    return timm.create_model("vit_small_patch16_224", depth=5, num_classes=0).eval()


def test_token_is_the_cls_token_of_timm(vit: torch.nn.Module) -> None:
    inputs = noise(2, 224)
    layout = LAYOUTS["tokens"]
    with torch.inference_mode():
        state = layout.trunk(vit, inputs)
        torch.testing.assert_close(layout.pool(vit, state, "token"), vit.forward_features(inputs)[:, 0])
        assert state.feature_map.shape == (2, 384, 14, 14)


def test_cls4_is_the_last_four_cls_tokens_in_order(vit: torch.nn.Module) -> None:
    inputs = noise(2, 224)
    layout = LAYOUTS["tokens"]
    with torch.inference_mode():
        found = layout.pool(vit, layout.trunk(vit, inputs), "cls4")
        layers = vit.get_intermediate_layers(inputs, n=4, return_prefix_tokens=True, norm=True)
    expected = torch.cat([prefix[:, 0] for _, prefix in layers], dim=1)
    assert found.shape == (2, 4 * 384)
    torch.testing.assert_close(found, expected)


def test_map_is_the_last_norm1_in_row_order(vit: torch.nn.Module) -> None:
    inputs = noise(1, 224)
    seen = {}
    handle = vit.blocks[-1].norm1.register_forward_hook(lambda module, given, output: seen.update(tokens=output))
    with torch.inference_mode():
        vit.forward_features(inputs)
        handle.remove()
        found = LAYOUTS["tokens"].trunk(vit, inputs).feature_map
    # Row 3, column 5 of the grid is patch 3 * 14 + 5, after one CLS token.
    torch.testing.assert_close(found[0, :, 3, 5], seen["tokens"][0, 1 + 3 * 14 + 5])


def test_register_tokens_are_no_part_of_the_map() -> None:
    encoder = small_vit(registers=4).encoder
    inputs = noise(2, 32)
    with torch.inference_mode():
        state = encoder.trunk(inputs)
        assert state.feature_map.shape == (2, 24, 4, 4)
        torch.testing.assert_close(encoder.pool(state), encoder.network.forward_features(inputs)[:, 0])


def test_cls_pooling_depends_on_the_map() -> None:
    encoder = small_vit().encoder
    with torch.no_grad():
        state = encoder.trunk(noise(1, 32))
    leaf = state.feature_map.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(encoder.pool(state.with_map(leaf)).square().sum(), leaf)
    assert (gradient.abs().sum(dim=1) > 0).all(), "every patch reaches the CLS token"


def test_cls_pooling_does_not_depend_on_the_last_blocks_output() -> None:
    """Why the map is taken before the last attention and not after it."""
    network = small_vit().encoder.network
    with torch.no_grad():
        outputs = network.forward_intermediates(noise(1, 32), norm=False, output_fmt="NLC", return_prefix_tokens=True)
    patches, prefix = outputs[1][-1]
    leaf = patches.clone().requires_grad_()
    token = network.norm(torch.cat([prefix, leaf], dim=1))[:, 0]
    (gradient,) = torch.autograd.grad(token.square().sum(), leaf)
    assert not gradient.any()


@pytest.mark.parametrize("layout", ["map", "tokens"])
def test_unknown_pooling_names_the_known_ones(layout: str) -> None:
    rest = tuple(torch.zeros(1, tokens, 24) for tokens in (1, 17, 3))
    state = TrunkOutput(torch.zeros(1, 24, 4, 4), rest)
    with pytest.raises(InvalidRequest, match=r"'max' is not known.*use"):
        LAYOUTS[layout].pool(small_vit().encoder.network, state, "max")


def test_only_plain_averages_have_a_closed_form() -> None:
    assert {id: layout.average for id, layout in LAYOUTS.items() if layout.average} == {"map": "avg"}
