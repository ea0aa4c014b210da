"""The weight gradient as a product of matrices is the convolution's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.pretraining.kernels import LARGEST_MAP, quicken, weight_gradient


@pytest.mark.parametrize("side", [3, 4, 6])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("images", [1, 5, 40])
def test_it_is_the_gradient_that_pytorch_computes(side, stride, images, monkeypatch):
    monkeypatch.setattr("core.pretraining.kernels.UNFOLDED_BYTES", 9 * 7 * side * side * 8 * 8)  # several parts
    inputs = torch.randn(images, 7, side, side, dtype=torch.float64)
    kernel = torch.randn(5, 7, 3, 3, dtype=torch.float64, requires_grad=True)
    output = F.conv2d(inputs, kernel, stride=stride, padding=1)
    gradient = torch.randn_like(output)
    output.backward(gradient)
    ours = weight_gradient(inputs.float(), gradient.float(), 3, stride, 1)
    torch.testing.assert_close(ours.double(), kernel.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [4, 16])
def test_a_quickened_network_learns_what_the_plain_one_learns(side):
    assert 4**2 <= LARGEST_MAP < 16**2

    def gradients(quick: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)
        ).to(memory_format=torch.channels_last)
        if quick:
            quicken(network)
        inputs = torch.randn(32, 8, side, side, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            network(inputs).float().square().mean().backward()
        return [inputs.grad, *(p.grad for p in network.parameters())]

    for quick, plain in zip(gradients(True), gradients(False), strict=True):
        assert quick.dtype == plain.dtype
        assert (quick - plain).norm() < 0.02 * plain.norm()


def test_in_full_precision_nothing_changes():
    network = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    inputs = torch.randn(2, 4, 3, 3)
    before = network(inputs)
    quicken(network)
    assert torch.equal(network(inputs), before)
    assert sorted(network.state_dict()) == ["weight"]
