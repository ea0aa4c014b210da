"""Signs of training: what is trained passes, and each fault is caught, with the number in the sentence."""

import math

import pytest
import torch
from safetensors.torch import load_file
from timm.models.resnet import Bottleneck, ResNet
from torch import nn
from toys import CPU, noise, small_resnet, small_vit

from core.encoders import training_signs
from core.encoders.checked import Check
from core.encoders.encoder import load
from core.errors import InvalidRequest
from core.paths import ASSETS

TRAINED = ["supervised", "simclr"]


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    assert len(found) == len(checks)
    assert all(check.detail.endswith(".") for check in checks)
    return found


@pytest.mark.parametrize("id", TRAINED)
def test_packaged_encoders_pass(id: str) -> None:
    encoder = load(id, CPU)
    checks = by_name(training_signs.of_network(encoder.network))
    assert set(checks) == {"weights-finite", "batchnorm-statistics"}
    assert [check.detail for check in checks.values() if not check.ok] == []


@pytest.mark.parametrize(
    "path", sorted(ASSETS.glob("heads/*/*.safetensors")), ids=lambda p: f"{p.parent.name} {p.stem}"
)
def test_packaged_heads_pass(path) -> None:
    tensors = load_file(path)
    checks = by_name(training_signs.of_head(tensors["weight"], tensors["bias"]))
    assert [check.detail for check in checks.values() if not check.ok] == []


def test_trap_6_initial_batchnorm_statistics_are_told() -> None:
    network = small_resnet().encoder.network
    check = by_name(training_signs.of_network(network))["batchnorm-statistics"]
    assert not check.ok
    assert check.detail.startswith("0 of 20 BatchNorm layers")
    with torch.no_grad():
        network.train()(noise(4, 64))
    network.eval()
    assert by_name(training_signs.of_network(network))["batchnorm-statistics"].ok
    for reset, value in (("running_mean", 0.0), ("running_var", 1.0)):
        layer = network.layer1[0].bn1
        kept = getattr(layer, reset).clone()
        getattr(layer, reset).fill_(value)
        check = by_name(training_signs.of_network(network))["batchnorm-statistics"]
        assert not check.ok
        assert "19 of 20" in check.detail
        assert "layer1.0.bn1" in check.detail
        getattr(layer, reset).copy_(kept)


def test_batchnorm_without_counters_is_judged_like_any_other() -> None:
    """Conversions from TensorFlow have no `num_batches_tracked`."""
    network = nn.Sequential(nn.BatchNorm2d(3))
    network[0].num_batches_tracked = None
    assert not by_name(training_signs.of_network(network))["batchnorm-statistics"].ok


def test_untrained_layernorms_are_told_and_one_that_stayed_is_not() -> None:
    vit = small_vit().encoder.network
    assert by_name(training_signs.of_network(vit))["layernorm-scales"].ok
    norms = [layer for layer in vit.modules() if isinstance(layer, nn.LayerNorm)]
    for count, layer in enumerate(norms, 1):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
        check = by_name(training_signs.of_network(vit))["layernorm-scales"]
        assert check.ok == (count < len(norms))
        assert check.detail.startswith(f"{len(norms) - count} of {len(norms)}")


def test_networks_without_normalisation_have_no_such_check() -> None:
    assert set(by_name(training_signs.of_network(nn.Linear(2, 2)))) == {"weights-finite"}


def test_weights_that_are_not_finite_are_told() -> None:
    network = nn.Linear(2, 2)
    assert by_name(training_signs.of_network(network))["weights-finite"].ok
    with torch.no_grad():
        network.bias[1] = math.nan
    check = by_name(training_signs.of_network(network))["weights-finite"]
    assert not check.ok
    assert "1 of 2" in check.detail
    assert "bias" in check.detail


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_numbers_are_told_from_others_also_where_their_sum_overflows(dtype: torch.dtype) -> None:
    large = torch.full((100,), torch.finfo(dtype).max, dtype=dtype)
    assert training_signs.is_finite(large)
    assert training_signs.is_finite(torch.empty(0, dtype=dtype))
    for bad in (math.inf, -math.inf, math.nan):
        for place in (0, 99):
            broken = torch.ones(100, dtype=dtype)
            broken[place] = bad
            assert not training_signs.is_finite(broken)
    assert not training_signs.is_finite(torch.tensor([math.inf, -math.inf], dtype=dtype))
    assert training_signs.is_finite(torch.ones(3, dtype=torch.int64))


def normal(std: float, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(256, 50)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer


FRESH = {
    "PyTorch's": lambda: nn.Linear(256, 50),
    "of a 2048-wide ResNet": lambda: nn.Linear(2048, 1000),
    "of timm's ResNet": lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=100).fc,
    "N(0, 0.01)": lambda: normal(0.01),
    "N(0, 0.02)": lambda: normal(0.02),
}


@pytest.mark.parametrize("draw", FRESH.values(), ids=FRESH)
@pytest.mark.parametrize("seed", range(3))
def test_trap_9_1_a_head_at_its_initialisation_is_told(draw, seed: int) -> None:
    torch.manual_seed(seed)
    layer = draw()
    check = by_name(training_signs.of_head(layer.weight.detach(), layer.bias.detach()))["head-spread"]
    assert not check.ok
    assert "fresh layer" in check.detail


@pytest.mark.parametrize("draw", [FRESH["PyTorch's"], FRESH["N(0, 0.01)"]])
def test_a_head_that_was_trained_for_a_while_passes(draw) -> None:
    torch.manual_seed(0)
    layer = draw()
    labels = torch.arange(400) % 50
    inputs = torch.randn(50, 256)[labels] + torch.randn(400, 256)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.cross_entropy(layer(inputs), labels).backward()
        optimiser.step()
    checks = by_name(training_signs.of_head(layer.weight.detach(), layer.bias.detach()))
    assert [check.detail for check in checks.values() if not check.ok] == []


def test_rows_that_are_constant_or_alike_are_told() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 64)
    assert by_name(training_signs.of_head(weight))["head-rows"].ok
    zeros = by_name(training_signs.of_head(torch.zeros(4, 64)))
    assert not zeros["head-rows"].ok
    assert not zeros["head-spread"].ok
    assert "4 constant" in zeros["head-rows"].detail
    weight[1] = weight[0]
    assert "3 of 4" in by_name(training_signs.of_head(weight))["head-rows"].detail
    assert not by_name(training_signs.of_head(weight))["head-rows"].ok
    weight[1] = math.nan
    assert not by_name(training_signs.of_head(weight))["head-rows"].ok


def test_trap_7_a_random_published_bias_must_be_zeroed_when_the_entry_says_so() -> None:
    """The tonylins conversion of SimCLR forgot `fc.bias`."""
    weight, bias = torch.randn(4, 64), torch.tensor([0.0, 0.1, 0.0, -0.2])
    assert "head-bias" not in by_name(training_signs.of_head(weight, bias))
    check = by_name(training_signs.of_head(weight, bias, zero_bias=True))["head-bias"]
    assert not check.ok
    assert "0.2" in check.detail
    assert by_name(training_signs.of_head(weight, torch.zeros(4), zero_bias=True))["head-bias"].ok


def test_what_cannot_be_judged_is_an_error() -> None:
    with pytest.raises(InvalidRequest):
        training_signs.of_head(torch.ones(3))
