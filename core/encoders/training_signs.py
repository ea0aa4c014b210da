"""Signs that a network, or a head, was trained: what a strict load cannot see.

A file can fit a network name by name and still be a network that was never trained, or a head that torch.hub drew at
random. An encoder of the regime `random` is meant to show none.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.encoders.checked import Check
from core.errors import InvalidRequest

NORMAL_STARTS = (0.01, 0.02, 0.001)
"""Standard deviations from which linear classifiers are drawn by hand, beside PyTorch's own rule."""


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; four times as fast on large tensors as asking each of them."""
    if not tensor.is_floating_point():
        return True
    # Infinity and NaN survive a sum. A sum that is not finite may also have overflowed, so then each number is asked.
    single = tensor.dtype in (torch.float16, torch.bfloat16)
    total = tensor.sum(dtype=torch.float32 if single else None)
    return bool(total.isfinite()) or bool(tensor.isfinite().all())


def of_network(network: nn.Module) -> tuple[Check, ...]:
    """Whether weights are finite, and the statistics and scales of normalisation are not as they began.

    A network without BatchNorm, or without LayerNorm, has no such check.
    """
    return (_finite(network), *_batch_norm(network), *_layer_norm(network))


def _finite(network: nn.Module) -> Check:
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    bad = [name for name, value in tensors.items() if not is_finite(value)]
    detail = f"{len(tensors) - len(bad)} of {len(tensors)} tensors hold finite numbers only"
    return Check("weights-finite", not bad, detail + (f"; {bad[0]} does not." if bad else "."))


def _batch_norm(network: nn.Module) -> list[Check]:
    layers = [
        (name, layer.running_mean, layer.running_var)
        for name, layer in network.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None and layer.running_var is not None
    ]
    if not layers:
        return []
    initial = [name for name, mean, variance in layers if (mean == 0).all() or (variance == 1).all()]
    detail = f"{len(layers) - len(initial)} of {len(layers)} BatchNorm layers hold statistics of training"
    detail += f"; {initial[0]} still has its initial mean 0 or variance 1." if initial else "."
    return [Check("batchnorm-statistics", not initial, detail)]


def _layer_norm(network: nn.Module) -> list[Check]:
    layers = [
        layer for layer in network.modules() if isinstance(layer, nn.LayerNorm) and isinstance(layer.weight, Tensor)
    ]
    if not layers:
        return []
    initial = sum(
        bool((layer.weight == 1).all() and (layer.bias is None or (layer.bias == 0).all())) for layer in layers
    )
    # One layer may stay where it began, behind another that does its work; all of them only in an untrained network.
    detail = f"{len(layers) - initial} of {len(layers)} LayerNorm layers have moved from scale 1 and offset 0."
    return [Check("layernorm-scales", initial < len(layers), detail)]


def of_head(weight: Tensor, bias: Tensor | None = None, zero_bias: bool = False) -> tuple[Check, ...]:
    """Whether a classifier is a trained one.

    Args:
        weight: (C, D).
        bias: (C,), or None.
        zero_bias: the entry says that the published bias is random and is to be zero.

    Raises:
        InvalidRequest: the weight is no (C, D) matrix of two classes or more.
    """
    if weight.ndim != 2 or len(weight) < 2:
        raise InvalidRequest(f"A head needs a (classes, features) matrix, this one is {tuple(weight.shape)}.")
    weight = weight.double()
    checks = [_spread(weight, bias), _rows(weight)]
    if zero_bias:
        largest = 0.0 if bias is None else bias.abs().max().item()
        detail = f"The published bias was random; the largest in use is {largest:.3g}, it should be 0."
        checks.append(Check("head-bias", largest == 0, detail))
    return tuple(checks)


def _spread(weight: Tensor, bias: Tensor | None) -> Check:
    """Whether the weights are distributed as if no step of training had been taken."""
    features = weight.shape[1]
    spread = weight.std().item()
    # Four standard errors of a standard deviation estimated from so many numbers.
    tolerance = 4 / math.sqrt(2 * weight.numel())
    bound = 1 / math.sqrt(features)
    uniform = bound / math.sqrt(3)
    peak = weight.abs().max().item()
    detail = f"The weights' standard deviation is {spread:.4g} over {weight.numel()} numbers"
    # PyTorch draws from a uniform distribution with a hard bound, which the first steps of training leave.
    if abs(spread / uniform - 1) < tolerance and peak <= bound * (1 + 1e-6):
        return Check("head-spread", False, f"{detail}, that of a fresh layer ({uniform:.4g}, none above {bound:.4g}).")
    if bias is None or bool((bias == 0).all()):
        for start in NORMAL_STARTS:
            # A normal distribution's fourth moment is 3 with a standard error of sqrt(24 / n); a trained one's is not.
            fourth = ((weight - weight.mean()) / max(spread, 1e-12)).pow(4).mean().item()
            near_normal = abs(fourth - 3) < 4 * math.sqrt(24 / weight.numel())
            if abs(spread / start - 1) < tolerance and near_normal:
                return Check(
                    "head-spread", False, f"{detail}, drawn from N(0, {start}) with a bias of 0: a fresh layer."
                )
    return Check("head-spread", spread > 0, f"{detail}, a fresh layer's would be {uniform:.4g}.")


def _rows(weight: Tensor) -> Check:
    constant = int((weight.std(dim=1) == 0).sum())
    distinct = len(torch.unique(weight, dim=0))
    classes = len(weight)
    return Check(
        "head-rows",
        constant == 0 and distinct == classes and bool(weight.isfinite().all()),
        f"{distinct} of {classes} classes have weights of their own, {constant} constant ones.",
    )
