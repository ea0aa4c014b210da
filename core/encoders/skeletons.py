"""Networks without memory, for those whose every number comes from a file: nothing is drawn only to be overwritten.

To draw the first values of a ResNet-50 takes longer than to read its file. Not every network can do without: what a
file does not hold (tables that a layer computes for itself, weights that an entry says are absent) has to be computed.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.encoders import architectures
from core.encoders.architectures import Network
from core.encoders.spec import EncoderSpec

COUNTER = "num_batches_tracked"
"""BatchNorm's count of batches, which old files lack: inference ignores it, and it begins at zero."""


def build(spec: EncoderSpec) -> Network:
    """The entry's headless network, to be filled strictly: without memory where all of it comes from the file.

    Whatever `reading.load_strictly` leaves alone has its proper first value, as in `architectures.build`.
    """
    if not spec.weights.absent:
        network = on_meta(spec)
        if network is not None and complete(network):
            return network
    return architectures.build(spec.architecture, spec.options)


def on_meta(spec: EncoderSpec) -> Network | None:
    """The entry's headless network without memory; None where its code computes with numbers as it is built."""
    return _without_memory(spec.architecture, spec.options)


def blank(architecture: str, options: Iterable[tuple[str, Any]] = ()) -> Network:
    """A headless network to read names and shapes from, without memory where its code permits it."""
    return _without_memory(architecture, options) or architectures.build(architecture, options)


FILLING = ("normal_", "uniform_", "fill_", "zero_", "erfinv_", "mul_", "div_", "add_", "sub_", "clamp_")
"""What networks write their first values with, where they do not leave it to `torch.nn.init`."""


class _Unfilled(TorchFunctionMode):
    """Writes nothing into tensors without memory: to find out what it would write, PyTorch runs Python operation by
    operation (nine tenths of building a vision transformer), and first imports its compiler."""

    fills = frozenset(
        (
            *(getattr(Tensor, name) for name in FILLING),
            *(getattr(nn.init, name) for name in nn.init.__all__ if name.endswith("_")),
        )
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.fills and args and isinstance(args[0], Tensor) and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """Networks built inside have names and shapes, and no numbers: nothing is allocated, nothing computed."""
    with torch.device("meta"), _Unfilled():
        yield


def _without_memory(architecture: str, options: Iterable[tuple[str, Any]]) -> Network | None:
    try:
        with without_memory():
            network = architectures.build(architecture, options)
    except (NotImplementedError, RuntimeError):
        return None
    return network if next(network.parameters()).is_meta else None


def complete(network: nn.Module) -> bool:
    """Whether a state dict holds every tensor of a network: no buffer is left out of it, no layer keeps one aside."""
    saved = network.state_dict().keys()
    named = {name for name, _ in (*network.named_parameters(), *network.named_buffers())}
    return named <= saved and not any(_aside(module) for module in network.modules())


def _aside(module: nn.Module) -> bool:
    """Whether a layer holds tensors that PyTorch does not know of."""
    own = ("_parameters", "_buffers", "_modules")
    return any(_holds_tensor(value) for name, value in vars(module).items() if name not in own)


def _holds_tensor(value: object) -> bool:
    if isinstance(value, Tensor):
        return True
    if isinstance(value, dict):
        return any(_holds_tensor(item) for item in value.values())
    return isinstance(value, list | tuple | set) and any(_holds_tensor(item) for item in value)


def owned(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors as a network wants them, channels last where they are convolutions; `found` is emptied.

    Copies, because what was read may be a view of its file or of a larger block: a file that changes later must not
    change a network, and a network must not keep alive what it does not use.
    """
    copies = {}
    for key in list(found):
        value = found.pop(key)
        order = torch.channels_last if value.ndim == 4 else torch.contiguous_format
        copies[key] = value.to(wanted[key].dtype, copy=True, memory_format=order)
    return copies


def start_counters(network: nn.Module) -> None:
    """Give BatchNorm's counters that the file did not hold their first value."""
    for module in network.modules():
        counter = module._buffers.get(COUNTER)
        if counter is not None and counter.is_meta:
            module._buffers[COUNTER] = torch.zeros((), dtype=counter.dtype)


def tensors_of(network: nn.Module) -> Iterator[Tensor]:
    """Every parameter and buffer of a network."""
    yield from network.parameters()
    yield from network.buffers()


def megabytes(network: nn.Module) -> float:
    """Memory of the parameters and buffers, which a network without memory has too."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_of(network)) / 1e6
