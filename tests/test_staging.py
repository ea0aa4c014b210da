"""Transfers by way of page-locked memory, with the CPU in the GPU's place."""

import pytest
import torch
from toys import CPU, TwoChannels, encoder, spec

from core import staging
from core.encoders.encoder import _convey


class Mark:
    """Counts, and remembers in which order it was used."""

    def __init__(self, log: list[tuple[str, int]]) -> None:
        self.log, self.name = log, len({name for _, name in log})
        log.append(("made", self.name))

    def record(self) -> None:
        self.log.append(("record", self.name))

    def synchronize(self) -> None:
        self.log.append(("wait", self.name))


def conveyor(log: list[tuple[str, int]], size: int = 64) -> staging.Conveyor:
    return staging.Conveyor(CPU, size, lambda count: torch.empty(count, dtype=torch.uint8), lambda: Mark(log))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(7.0),
        torch.arange(1000, dtype=torch.float64),
        torch.arange(16, dtype=torch.float16).reshape(4, 4).T,
        torch.rand(5, 3, 7, 7),
        torch.rand(5, 3, 7, 7).to(memory_format=torch.channels_last),
        torch.tensor(41),
        torch.empty(0, 3),
        torch.tensor([True, False]),
    ],
    ids=str,
)
def test_a_tensor_arrives_as_it_was_in_memory_of_its_own(tensor: torch.Tensor) -> None:
    there = conveyor([]).send(tensor)
    assert torch.equal(there, tensor)
    assert there.dtype == tensor.dtype
    assert not tensor.numel() or there.data_ptr() != tensor.data_ptr()
    if tensor.ndim == 4:
        assert there.is_contiguous(memory_format=torch.channels_last)


def test_a_buffer_is_filled_again_only_after_its_last_piece_arrived() -> None:
    log: list[tuple[str, int]] = []
    belt = conveyor(log, size=16)
    belt.send(torch.arange(10.0))
    assert log[2:] == [("wait", 0), ("record", 0), ("wait", 1), ("record", 1), ("wait", 0), ("record", 0)]
    belt.send(torch.arange(2.0))
    assert log[-2:] == [("wait", 1), ("record", 1)], "the next tensor takes the other buffer"
    belt.finish()
    assert log[-2:] == [("wait", 0), ("wait", 1)]


def test_a_network_is_moved_tensor_by_tensor_and_computes_the_same() -> None:
    network = TwoChannels()
    network.register_buffer("table", torch.arange(3))
    loaded = encoder(network, spec())
    inputs = torch.rand(2, 3, 8, 8)
    before, old = loaded.trunk(inputs).feature_map, network.conv.weight.data_ptr()
    log: list[tuple[str, int]] = []
    _convey(network, conveyor(log))
    assert network.conv.weight.data_ptr() != old
    assert not network.conv.weight.requires_grad
    assert torch.equal(loaded.trunk(inputs).feature_map, before)
    assert torch.equal(network.table, torch.arange(3))
    assert log[-2:] == [("wait", 0), ("wait", 1)]


def test_on_a_cpu_a_batch_stays_where_it_is() -> None:
    batch = torch.rand(2, 3)
    assert staging.send(batch, CPU, pin=lambda _: pytest.fail("page-locked for nothing")) is batch


@pytest.mark.cuda
def test_a_batch_and_a_large_tensor_reach_the_gpu_unchanged() -> None:
    gpu = torch.device("cuda")
    batch = torch.rand(16, 3, 64, 64)
    assert torch.equal(staging.send(batch, gpu).cpu(), batch)
    belt = staging.Conveyor(gpu, size=1 << 16)
    many = [torch.rand(300, 300), torch.rand(64, 64, 3, 3).to(memory_format=torch.channels_last), torch.tensor(3)]
    there = [belt.send(tensor) for tensor in many]
    belt.finish()
    for tensor, moved in zip(many, there, strict=True):
        assert torch.equal(moved.cpu(), tensor)
