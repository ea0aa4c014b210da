"""Integrated gradients (Sundararajan et al. 2017) from mid-grey, by captum."""

from torch import Tensor

from core import devices
from core.readout import Contender, Readout

STEPS = 32
CHUNK = 32


def integrated_gradients(contender: Contender, inputs: Tensor, readout: Readout, target: int) -> Tensor:
    """(B, S, S) signed contribution of each pixel to the logit of `target`, summed over colour channels.

    The baseline is the encoder's mean colour (zero after normalisation). The path is cut into 32 steps.
    """
    from captum.attr import IntegratedGradients  # it brings matplotlib: a second that only this method should cost

    with devices.gradient_slot():
        method = IntegratedGradients(contender.logits)
        attributed = method.attribute(inputs.clone(), target=target, n_steps=STEPS, internal_batch_size=CHUNK)
    return attributed.sum(dim=1).detach().float()
