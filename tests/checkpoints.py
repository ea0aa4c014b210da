"""A small network with numbers of its own, and what tests of people's checkpoints share."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.encoders import architectures
from core.encoders.opening import converting
from core.encoders.own import Said

NETWORK = "resnet-s-64px"
SAID = Said(architecture=NETWORK, preprocessing={"size": 64})
Tensors = dict[str, Tensor]


def drawn(seed: int) -> nn.Module:
    """A network with weights and running statistics of its own."""
    torch.manual_seed(seed)
    network = architectures.build(NETWORK)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


NET, OTHER = drawn(0), drawn(1)
BODY, BODY2 = dict(NET.state_dict()), dict(OTHER.state_dict())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial in a process of its own, which takes seconds, where a test is about something else."""
    monkeypatch.setattr(converting, "rehearse", lambda path, reader: None)
