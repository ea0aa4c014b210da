"""Encoders through `torch.compile`, for those who ask: `INVARISCOPE_COMPILE=1`.

Off by default, because on a CPU it does not pay for a person who looks at images. Measured on two cores at 224 px: the
first image waits 10 to 20 seconds for the compiler (2 once the compiler's own cache knows the network), the first of
another batch size 2 to 8 more; afterwards a ResNet-50 is 1.06 times as fast for one image and 1.2 times for sixteen,
and a ViT-S/16 is as fast as before. It pays for sweeps of a convolutional network over thousands of views.
"""

import logging
import os
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from core.encoders.architectures import Network
from core.encoders.layouts import Layout, State
from core.errors import InvalidRequest

VARIABLE = "INVARISCOPE_COMPILE"

Trunk = Callable[[Tensor], State]


def wanted() -> bool:
    """Whether encoders are to be compiled as they are loaded.

    Raises:
        InvalidRequest: the variable says neither yes nor no.
    """
    said = os.environ.get(VARIABLE, "")
    if said not in ("", "0", "1"):
        raise InvalidRequest(f"{VARIABLE} is '{said}'. Set it to 1 to compile encoders, or to 0.")
    return said == "1"


def trunk(layout: Layout, network: Network, device: torch.device) -> Trunk:
    """The trunk of a network, compiled when it is first called; for work without gradients."""
    if device.type == "cpu":
        _warn()
    return torch.compile(partial(layout.trunk, network))


@cache
def _warn() -> None:
    """Say once what it costs."""
    logging.getLogger(__name__).warning(
        "%s=1 on a CPU: the first image of every encoder waits up to 20 seconds for the compiler, the first of another "
        "batch size up to 8; a ResNet-50 gains 6 %% for one image and a fifth for batches of 16, a ViT-S/16 nothing. "
        "Unset it unless you sweep over thousands of views.",
        VARIABLE,
    )
