"""The network that is trained: a copy of an encoder's, with a linear head."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import devices
from core.encoders.encoder import Encoder

MOMENTUM = 0.9
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Tuned(nn.Module):
    """A trainable copy of an encoder under a head that starts from zeros.

    Zeros, as in Kolesnikov et al. 2020 (BiT) and Dosovitskiy et al. 2021 (ViT): nothing is drawn, and the first step
    moves the head alone, so that a random head does not pull the features apart.
    """

    def __init__(self, encoder: Encoder, classes: int) -> None:
        """Copy the encoder, which stays as it is."""
        super().__init__()
        self.layout, self.pooling, self.recipe = encoder.layout, encoder.spec.pooling, encoder.spec.preprocessing
        # Channels last: 1.2 times the training steps a second of a convolutional network.
        self.network = copy.deepcopy(encoder.network).requires_grad_(True).to(memory_format=torch.channels_last)
        # Without the usual start, which would draw from the program's own random numbers.
        self.head = nn.utils.skip_init(nn.Linear, encoder.spec.feature_dim, classes, device=encoder.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor, reduced: bool = False) -> Tensor:
        """(B, C) float32 logits of normalised inputs; the network in bfloat16 where `reduced` and worth it."""
        with devices.reduced_precision(inputs.device, allowed=reduced):
            pooled = self.layout.pool(self.network, self.layout.trunk(self.network, inputs), self.pooling)
        return F.linear(pooled.float(), self.head.weight, self.head.bias)


def prepare(model: Tuned, steps_per_epoch: float) -> None:
    """Slow the running averages of batch normalisation in long epochs.

    It trains in training mode. Averages forget min(10 / steps an epoch, .1) a step, as in Kornblith et al. 2019.
    """
    for module in model.modules():
        if isinstance(module, BATCH_NORMS):
            module.momentum = min(10 / steps_per_epoch, 0.1)


def optimiser_of(model: Tuned, l2: float) -> torch.optim.SGD:
    """SGD with Nesterov momentum .9; weight decay on matrices and kernels, not on biases, scales and positions."""
    spared: set[str] = getattr(model.network, "no_weight_decay", set)()  # timm's name for positions and class tokens
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and name.removeprefix("network.") not in spared
        (decayed if decays else plain).append(parameter)
    groups = [{"params": decayed, "weight_decay": l2}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.0, momentum=MOMENTUM, nesterov=True)
