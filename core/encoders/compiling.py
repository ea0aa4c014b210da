"""Encoders through `torch.compile`, for those who ask: `INVARISCOPE_COMPILE=1`.

Off by default, because on a CPU it does not pay for a person who looks at images: on two cores the first image waits 10
to 20 seconds for the compiler, a second batch size as long again, and afterwards a ResNet-50 at 224 px is 1.06 times
as fast for one image and 1.2 times for sixteen. It pays for sweeps over thousands of views.
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
        "%s=1 on a CPU: the first image of every encoder waits 10 to 20 seconds for the compiler, so does the first of "
        "another batch size, and a ResNet-50 gains 6 %% for single images and a fifth for batches of 16. "
        "Unset it unless you sweep over thousands of views.",
        VARIABLE,
    )
