"""How a network's last stage is laid out, and how a feature is pooled from it.

A layout cuts the network in two: the `trunk` up to the attributed map, and `pool`, everything from that map to the
feature. The second half is differentiable in the map alone, so Grad-CAM needs neither hooks nor a whole backward pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of cutting a network.

    Attributes:
        trunk: (network, (B, 3, H, W) normalised inputs) to the attributed map and what pooling needs.
        pool: (network, that, name of a recipe) to the (B, D) feature; raises InvalidRequest for another's recipe.
        average: the recipe that is plain average pooling of the map, for which Grad-CAM has a closed form; empty where
            there is none.
    """

    trunk: Callable[[Network, Tensor], TrunkOutput]
    pool: Callable[[Network, TrunkOutput, str], Tensor]
    average: str = ""
