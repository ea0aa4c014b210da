"""Class activation maps: what each place of the last map adds to a score.

For average pooling and a linear head, Grad-CAM (Selvaraju et al. 2017) before its ReLU *is* CAM (Zhou et al. 2016):
the gradient of the score is the head's row over the number of cells, the same everywhere. So the map needs no backward
pass, all classes come at once, and its cells sum to the logit minus the bias. For any other pooling the gradient is
taken, from the map on only.
"""

import torch
from torch import Tensor

from core import devices
from core.encoders.encoder import Encoder
from core.encoders.layouts.base import TrunkOutput
from core.readout import Contender, Readout


def along(encoder: Encoder, state: TrunkOutput, recipe: str, directions: Tensor) -> Tensor:
    """The map of the score <feature, direction>, before any ReLU.

    Args:
        encoder: whose trunk gave `state`.
        state: of B images.
        recipe: pooling that makes the feature.
        directions: (B, D), one a image; rows of a head for class scores.

    Returns:
        (B, h, w) float32. With average pooling its cells sum to the score.
    """
    if recipe == encoder.layout.average:
        height, width = state.feature_map.shape[-2:]
        scores = torch.bmm(directions[:, None], state.feature_map.flatten(2).float())
        return scores.view(-1, height, width) / (height * width)
    return _by_gradient(encoder, state, recipe, directions)


def _by_gradient(encoder: Encoder, state: TrunkOutput, recipe: str, directions: Tensor) -> Tensor:
    # Inference tensors cannot enter a graph; clones made outside inference mode can.
    with devices.gradient_slot():
        feature_map = state.feature_map.float().clone().requires_grad_()
        rest = tuple(t.float().clone() for t in state.rest)
        feature = encoder.pool(TrunkOutput(feature_map, rest), recipe)
        score = (feature.float() * directions.clone()).sum()
        (gradient,) = torch.autograd.grad(score, feature_map)
        channel_weights = gradient.mean(dim=(2, 3), keepdim=True)
        return (channel_weights * feature_map).sum(dim=1).detach()


def class_maps(contender: Contender, readout: Readout, classes: Tensor) -> Tensor:
    """Grad-CAM before ReLU, (B, h, w), of one class an image; `classes` is (B,) int64."""
    return along(contender.encoder, readout.state, contender.head.pooling, contender.head.weight[classes])


def grad_cam(contender: Contender, inputs: Tensor, readout: Readout, target: int) -> Tensor:
    """The method of the paper in the form the page asks for: (B, h, w) of one class."""
    classes = torch.full((len(inputs),), target, device=readout.logits.device)
    return class_maps(contender, readout, classes)
