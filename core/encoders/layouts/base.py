"""How a network's last stage is laid out, and how a feature is pooled from it.

A layout cuts the network in two: the `trunk` up to the attributed map, and `pool`, everything from that map to the
feature. The second half is differentiable in the map alone, so Grad-CAM needs neither hooks nor a whole backward pass.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from core.encoders.architectures import Network


@dataclass(frozen=True, slots=True)
class TrunkOutput:
    """What the trunk leaves: the attributed map (B, K, h, w), and whatever else pooling needs."""

    feature_map: Tensor
    rest: tuple[Tensor, ...] = ()

    def with_map(self, feature_map: Tensor) -> "TrunkOutput":
        """The same output around another map, for gradients or counterfactuals."""
        return replace(self, feature_map=feature_map)


class Layout(Protocol):
    """One way of cutting a network."""

    def trunk(self, network: Network, inputs: Tensor) -> TrunkOutput:
        """The attributed map and what pooling needs, of (B, 3, H, W) normalised inputs."""
        ...

    def pool(self, network: Network, state: TrunkOutput, recipe: str) -> Tensor:
        """(B, D) feature by the named recipe."""
        ...

    def is_average(self, recipe: str) -> bool:
        """Whether the recipe is plain average pooling of the map, for which Grad-CAM has a closed form."""
        ...
