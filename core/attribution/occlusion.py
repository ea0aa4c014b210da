"""Occlusion (Zeiler & Fergus 2014): how far the logit falls when a square is covered, by captum."""

from torch import Tensor
from torch.nn import functional as F

from core import devices
from core.readout import Contender, Readout

CELLS = 8


def occlusion(contender: Contender, inputs: Tensor, readout: Readout, target: int) -> Tensor:
    """(B, 8, 8) mean fall of the logit of `target` when the encoder's mean colour covers a place.

    The window is a quarter of the side and moves by an eighth; every pixel gets the mean over the windows that
    cover it, and the map is read on an 8x8 grid.
    """
    from captum.attr import Occlusion  # it brings matplotlib: a second that only this method should cost

    side = inputs.shape[-1]
    stride = max(1, side // CELLS)
    with devices.inference_slot():
        fall = Occlusion(contender.logits).attribute(
            inputs,
            target=target,
            sliding_window_shapes=(3, 2 * stride, 2 * stride),
            strides=(3, stride, stride),
            perturbations_per_eval=16,
        )
    # The window spans all channels, so each of them holds the whole fall, not a share of it.
    return F.adaptive_avg_pool2d(fall[:, 0].float(), CELLS)
