"""Layouts of networks whose features are tokens: what the attributed map is depends on how the feature is pooled.

Pooled from the CLS token, a class score does not depend on the patch tokens that leave the last block: their gradient
is exactly zero there. Its map is therefore what enters the last block's attention. Pooled over the patches, or by
attention over them, the map is what leaves the last block.
"""

import copy

import torch
from torch import Tensor, nn

from core.encoders.architectures import Network
from core.encoders.layouts.base import TrunkOutput
from core.errors import InvalidRequest


class _Given(nn.Module):
    """Stands where a layer was and answers with what that layer would have said."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, _: Tensor) -> Tensor:
        return self.answer


def _after_norm(block: nn.Module, stream: Tensor, normalised: Tensor, rope: Tensor | None) -> Tensor:
    """What a block makes of its residual `stream` when its first normalisation gives `normalised`.

    The block's own code runs, on a shallow copy that shares every parameter: whatever a family of networks does inside
    (layer scale, rotary positions, gates) is not written a second time, and no other thread sees the copy.
    """
    twin = copy.copy(block)
    twin._modules = {**block._modules, "norm1": _Given(normalised)}
    out: Tensor = twin(stream) if rope is None else twin(stream, rope=rope)
    return out


def _grid(network: Network, inputs: Tensor) -> tuple[int, int]:
    height, width = network.patch_embed.dynamic_feat_size(inputs.shape[-2:])
    return height, width


def _as_map(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    return patches.transpose(1, 2).unflatten(2, grid)


def _as_tokens(feature_map: Tensor) -> Tensor:
    return feature_map.flatten(2).transpose(1, 2)


def class_trunk(network: Network, inputs: Tensor) -> TrunkOutput:
    """Of vision transformers pooled from the CLS token: the last block's normalised input, patches alone.

    Returns:
        Map (B, K, h, w) of `blocks[-1].norm1`; the rest is the residual stream and the earlier CLS tokens.
    """
    depth = len(network.blocks)
    outputs = network.forward_intermediates(
        inputs,
        indices=[depth - 4, depth - 3, depth - 2],
        return_prefix_tokens=True,
        norm=False,
        stop_early=True,
        output_fmt="NLC",
        intermediates_only=True,
    )
    streams = [torch.cat([prefix, patches], dim=1) for patches, prefix in outputs]
    earlier = torch.stack([network.norm(stream)[:, 0] for stream in streams], dim=1)
    residual = streams[-1]
    tokens = network.blocks[-1].norm1(residual)
    prefix, patches = tokens.split([network.num_prefix_tokens, tokens.shape[1] - network.num_prefix_tokens], dim=1)
    return TrunkOutput(_as_map(patches, _grid(network, inputs)), (prefix, residual, earlier))


def class_pool(network: Network, state: TrunkOutput, recipe: str) -> Tensor:
    """The feature by one of the recipes that published heads read.

    `token`: the last CLS token. `cls4`: those of the last four blocks side by side (DINO's ViT-S probes).
    `cls-mean`: CLS, then the mean of the patches (DINOv2's one-layer probes). `cls-mean-interleaved`: the same two
    vectors, number by number in turn (DINO's ViT-B probes): as wide, and for another head. `cls4-mean`: as `cls4`,
    then the mean of the patches (DINOv2's four-layer probes).
    """
    prefix, residual, earlier = state.rest
    rope = getattr(network, "rope", None)
    turns = None if rope is None else rope.get_embed(shape=tuple(state.feature_map.shape[-2:]))
    tokens = torch.cat([prefix, _as_tokens(state.feature_map)], dim=1)
    stream = network.norm(_after_norm(network.blocks[-1], residual, tokens, turns))
    last = stream[:, 0]
    if recipe == "token":
        return last
    if recipe == "cls4":
        return torch.cat([earlier, last.unsqueeze(1)], dim=1).flatten(1)
    patches = stream[:, network.num_prefix_tokens :].mean(dim=1)
    if recipe == "cls-mean":
        return torch.cat([last, patches], dim=1)
    if recipe == "cls-mean-interleaved":
        return torch.stack([last, patches], dim=2).flatten(1)
    if recipe == "cls4-mean":
        return torch.cat([earlier.flatten(1), last, patches], dim=1)
    raise InvalidRequest(
        f"Pooling '{recipe}' is not known for token networks; use token, cls4, cls-mean, "
        "cls-mean-interleaved or cls4-mean."
    )


def pooled_trunk(network: Network, inputs: Tensor) -> TrunkOutput:
    """Of networks that pool over all patches, by mean or by attention.

    Returns:
        Map (B, K, h, w) of `blocks[-1]` or `layers[-1]`, before the final normalisation; the rest is the prefix.
    """
    prefixed = getattr(network, "num_prefix_tokens", 0) > 0
    options = {"return_prefix_tokens": True} if prefixed else {}
    (last,) = network.forward_intermediates(inputs, indices=1, norm=False, intermediates_only=True, **options)
    return TrunkOutput(last[0], (last[1],)) if prefixed else TrunkOutput(last)


def pooled_pool(network: Network, state: TrunkOutput, recipe: str) -> Tensor:
    """`head`: normalisation and pooling as the network itself does them before its classifier."""
    if recipe != "head":
        raise InvalidRequest(f"Pooling '{recipe}' is not known for networks that pool over patches; use head.")
    if getattr(network, "output_fmt", "NLC") == "NHWC":
        tokens = state.feature_map.permute(0, 2, 3, 1)
    else:
        tokens = torch.cat([*state.rest, _as_tokens(state.feature_map)], dim=1)
    if hasattr(network, "norm"):
        tokens = network.norm(tokens)
    pooled: Tensor = network.forward_head(tokens, pre_logits=True)
    return pooled


def patch_trunk(network: Network, inputs: Tensor) -> TrunkOutput:
    """Of XCiT, patches alone until class attention reads them at the end: map (B, K, h, w) of `blocks[-1]`."""
    (last,) = network.forward_intermediates(inputs, indices=1, norm=False, intermediates_only=True)
    return TrunkOutput(last)


def class_attention_pool(network: Network, state: TrunkOutput, recipe: str) -> Tensor:
    """Of XCiT. `token`: the CLS token after class attention."""
    if recipe != "token":
        raise InvalidRequest(f"Pooling '{recipe}' is not known for class attention; use token.")
    token: Tensor = network.norm(network.forward_cls(_as_tokens(state.feature_map)))[:, 0]
    return token
