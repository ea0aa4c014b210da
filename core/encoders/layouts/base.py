"""How a network's last stage is laid out, and how a feature is pooled from it.

A layout cuts the network in two: the `trunk` up to the attributed map, and `pool`, everything from that map to the
feature. The second half is differentiable in the map alone, so Grad-CAM needs neither hooks nor a whole backward pass.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from core.encoders.architectures import Network
from core.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class State:
    """What the trunk leaves: the attributed map (B, K, h, w), and whatever else pooling needs."""

    feature_map: Tensor
    rest: tuple[Tensor, ...] = ()

    def with_map(self, feature_map: Tensor) -> "State":
        """The same state around another map, for gradients or counterfactuals."""
        return replace(self, feature_map=feature_map)


class Layout(Protocol):
    """One way of cutting a network."""

    def trunk(self, network: Network, inputs: Tensor) -> State:
        """State after the attributed layer for (B, 3, H, W) normalised inputs."""
        ...

    def pool(self, network: Network, state: State, recipe: str) -> Tensor:
        """(B, D) feature by the named recipe."""
        ...

    def is_average(self, recipe: str) -> bool:
        """Whether the recipe is plain average pooling of the map, for which Grad-CAM has a closed form."""
        ...


class MapLayout:
    """Convolutional networks whose `forward_features` ends in a (B, K, h, w) map."""

    def trunk(self, network: Network, inputs: Tensor) -> State:
        """The last convolutional map."""
        return State(network.forward_features(inputs))

    def pool(self, network: Network, state: State, recipe: str) -> Tensor:
        """`avg`: mean over the map. `head`: whatever the network itself does before its classifier."""
        if recipe == "avg":
            return state.feature_map.mean(dim=(2, 3))
        if recipe == "head":
            return network.forward_head(state.feature_map, pre_logits=True)
        raise InvalidRequest(f"Pooling '{recipe}' is not known for convolutional maps; use avg or head.")

    def is_average(self, recipe: str) -> bool:
        """True for `avg`."""
        return recipe == "avg"


class TokenLayout:
    """Vision transformers: the map is the last block's normalised input, without its prefix tokens.

    The last block's *output* is no use: pooled from the CLS token, a class score does not depend on the patch
    tokens there, so their gradient is exactly zero.
    """

    def trunk(self, network: Network, inputs: Tensor) -> State:
        """Map (B, K, h, w) of `blocks[-1].norm1`; the rest is the residual stream and the earlier CLS tokens."""
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
        height, width = network.patch_embed.dynamic_feat_size(inputs.shape[-2:])
        feature_map = patches.transpose(1, 2).unflatten(2, (height, width))
        return State(feature_map, (prefix, residual, earlier))

    def pool(self, network: Network, state: State, recipe: str) -> Tensor:
        """`token`: the last CLS token. `cls4`: those of the last four blocks side by side, for DINO's probe."""
        prefix, residual, earlier = state.rest
        patches = state.feature_map.flatten(2).transpose(1, 2)
        block = network.blocks[-1]
        stream = residual + block.ls1(block.attn(torch.cat([prefix, patches], dim=1)))
        stream = stream + block.ls2(block.mlp(block.norm2(stream)))
        last = network.norm(stream)[:, 0]
        if recipe == "token":
            return last
        if recipe == "cls4":
            return torch.cat([earlier, last.unsqueeze(1)], dim=1).flatten(1)
        raise InvalidRequest(f"Pooling '{recipe}' is not known for token networks; use token or cls4.")

    def is_average(self, recipe: str) -> bool:
        """Never: what a patch contributes depends on attention."""
        return False


LAYOUTS: dict[str, Layout] = {"map": MapLayout(), "tokens": TokenLayout()}
