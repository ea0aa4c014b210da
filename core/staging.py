"""Transfers to a GPU by way of page-locked memory: the only kind of copy that runs beside other work.

Ordinary memory is first copied by the driver, and the program waits for it. On a CPU nothing here does anything.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

BUFFER_BYTES = 32 * 2**20
"""Of each of the two buffers that weights pass through: large enough for full speed, small enough to keep."""


class Mark(Protocol):
    """A point in the work of a device."""

    def record(self) -> None:
        """Set the mark behind what was asked of the device so far."""

    def synchronize(self) -> None:
        """Wait until the device is past the mark."""


def page_locked(count: int) -> Tensor:
    """(count,) bytes of page-locked memory."""
    return torch.empty(count, dtype=torch.uint8, pin_memory=True)


def send(batch: Tensor, device: torch.device, pin: Callable[[Tensor], Tensor] = Tensor.pin_memory) -> Tensor:
    """A batch on a device, strides as they were; what is there already is given back as it is.

    Args:
        batch: on any device.
        device: where to.
        pin: gives a page-locked copy. PyTorch keeps such memory for the next batch, and hands none out again before
            the copy from it is done.
    """
    if device.type != "cuda" or batch.device.type != "cpu":
        return batch.to(device)
    locked = batch if batch.is_pinned() else pin(batch)
    return locked.to(device, non_blocking=True)


class Conveyor:
    """Copies tensors of any size to a device through two buffers: one is filled while the other is on its way."""

    def __init__(
        self,
        device: torch.device,
        size: int = BUFFER_BYTES,
        lock: Callable[[int], Tensor] = page_locked,
        mark: Callable[[], Mark] = torch.cuda.Event,
    ) -> None:
        self._device = device
        self._buffers = (lock(size), lock(size))
        self._marks = (mark(), mark())
        self._turn = 0

    def send(self, tensor: Tensor) -> Tensor:
        """The tensor on the device: same numbers, same order in memory, in memory of its own."""
        order = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        tensor = tensor.detach().contiguous(memory_format=order)
        there = torch.empty_like(tensor, device=self._device)
        source, target = _bytes(tensor), _bytes(there)
        size = len(self._buffers[0])
        for start in range(0, len(source), size):
            piece = source[start : start + size]
            buffer, mark = self._buffers[self._turn], self._marks[self._turn]
            # What left from this buffer two pieces ago has arrived after this.
            mark.synchronize()
            buffer[: len(piece)].copy_(piece)
            target[start : start + size].copy_(buffer[: len(piece)], non_blocking=True)
            mark.record()
            self._turn = 1 - self._turn
        return there

    def finish(self) -> None:
        """Wait until everything has arrived."""
        for mark in self._marks:
            mark.synchronize()


def _bytes(tensor: Tensor) -> Tensor:
    """A view of a dense tensor's memory, in its own order."""
    dense = tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor
    return dense.reshape(-1).view(torch.uint8)
