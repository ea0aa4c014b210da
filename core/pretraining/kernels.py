"""Convolutions whose weight gradient is a matrix product, for training on small maps.

On a processor that multiplies matrices of bfloat16 in hardware, oneDNN's weight gradient of a 3x3 convolution over a
3x3 map reaches 70 of the 1,000 GFLOP/s that its product of matrices does, and is half of a training step at 24 pixels.
The same sum, written as the product of the gradient with the unfolded input, takes a sixth of the time.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST_MAP = 36
"""Cells of the output up to which unfolding pays: measured at 9, 16, 36 and 64, where oneDNN is as quick."""
UNFOLDED_BYTES = 8 * 2**20
"""What is unfolded at once; more falls out of the cache."""


def weight_gradient(inputs: Tensor, gradient: Tensor, side: int, stride: int, padding: int) -> Tensor:
    """(O, C, side, side) float32 gradient of a convolution's kernel.

    Args:
        inputs: (B, C, H, W), quickest when channels lie last.
        gradient: (B, O, h, w) of the convolution's output.
        side: of the kernel.
        stride: of the convolution, the same both ways.
        padding: zeros on every side.
    """
    outputs, height, width = gradient.shape[1:]
    padded = F.pad(inputs.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    channels = padded.shape[-1]
    total = torch.zeros(outputs, side * side * channels, device=inputs.device)
    images = max(1, UNFOLDED_BYTES // (height * width * side * side * channels * inputs.element_size()))
    for part, wanted in zip(padded.split(images), gradient.permute(0, 2, 3, 1).split(images), strict=True):
        shifted = [
            part[:, y : y + stride * height : stride, x : x + stride * width : stride]
            for y in range(side)
            for x in range(side)
        ]
        unfolded = torch.cat(shifted, dim=-1).reshape(-1, side * side * channels)
        total += wanted.reshape(-1, outputs).T @ unfolded
    return total.reshape(outputs, side, side, channels).permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """`F.conv2d` without bias, whose weight gradient is `weight_gradient`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(inputs, weight, None, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        inputs, weight = ctx.saved_tensors
        (gradient,) = gradients
        both = [ctx.stride] * 2, [ctx.padding] * 2
        backwards = torch.ops.aten.convolution_backward
        # Asked of the input alone: the weight's part is what is slow.
        to_input, _, _ = backwards(
            gradient, inputs, weight, None, *both, [1, 1], False, [0, 0], 1, [True, False, False]
        )
        to_weight = weight_gradient(inputs, gradient, weight.shape[-1], ctx.stride, ctx.padding)
        return to_input, to_weight.to(weight.dtype), None, None


def _forward(conv: nn.Conv2d, inputs: Tensor) -> Tensor:
    cells = inputs.shape[-2] * inputs.shape[-1] // conv.stride[0] ** 2
    if not torch.is_autocast_enabled("cpu") or cells > LARGEST_MAP or not torch.is_grad_enabled():
        return nn.Conv2d.forward(conv, inputs)
    kind = torch.get_autocast_dtype("cpu")
    # A plain assignment of the class would lose the cast that autocast does for its own functions.
    with torch.autocast("cpu", enabled=False):
        return _Convolution.apply(inputs.to(kind), conv.weight.to(kind), conv.stride[0], conv.padding[0])


def _fits(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d) or module.bias is not None or module.groups != 1:
        return False
    shape = module.kernel_size, module.padding, module.stride[0]
    return shape == ((3, 3), (1, 1), module.stride[1])


def quicken(network: nn.Module) -> None:
    """Let the 3x3 convolutions of `network` train by `weight_gradient` where that is quicker; in place."""
    for module in network.modules():
        if _fits(module):
            module.forward = MethodType(_forward, module)
