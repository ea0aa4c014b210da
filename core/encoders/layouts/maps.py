"""The layout of convolutional networks, whose `forward_features` ends in a (B, K, h, w) map."""

from torch import Tensor

from core.encoders.architectures import Network
from core.encoders.layouts.base import TrunkOutput
from core.errors import InvalidRequest


def trunk(network: Network, inputs: Tensor) -> TrunkOutput:
    """The last convolutional map."""
    return TrunkOutput(network.forward_features(inputs))


def pool(network: Network, state: TrunkOutput, recipe: str) -> Tensor:
    """`avg`: mean over the map. `gem3`: generalised mean, p = 3. `head`: as before the network's classifier."""
    if recipe == "avg":
        return state.feature_map.mean(dim=(2, 3))
    if recipe == "gem3":
        return state.feature_map.clamp_min(1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    if recipe == "head":
        return network.forward_head(state.feature_map, pre_logits=True)
    raise InvalidRequest(f"Pooling '{recipe}' is not known for convolutional maps; use avg, gem3 or head.")
