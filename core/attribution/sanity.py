"""Whether a map depends on what was learned: the sanity check of Adebayo et al. (2018).

A map that stays when the head, or the encoder's last stage, gets random weights shows the picture and not the network.
"""

import copy
from dataclasses import replace

import torch

from core.readout import Contender


def random_head(contender: Contender, seed: int = 0) -> Contender:
    """The contender with a head of random weights, of the spread that its own has."""
    head = contender.head
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(head.weight.shape, generator=generator).to(head.weight) * head.weight.std()
    return Contender(contender.encoder, replace(head, weight=weight))


def random_stage(contender: Contender, seed: int = 0) -> Contender:
    """The contender with the last stage of its encoder as before any training; its head stays.

    Running statistics of the stage's normalisation are the first ones, too.
    """
    encoder = contender.encoder
    network = copy.deepcopy(encoder.network)
    stage = network.get_submodule(str(network.feature_info[-1]["module"]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in stage.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    network.eval().requires_grad_(False)
    return Contender(replace(encoder, network=network), contender.head)
