"""How much memory encoders may take, and how much one needs before it is loaded."""

import os
from pathlib import Path

import psutil
import torch

from core.encoders import skeletons
from core.encoders.checks import synthetic
from core.encoders.encoder import Encoder
from core.encoders.files import weights
from core.encoders.spec import EncoderSpec
from core.errors import InvalidRequest

VARIABLE = "INVARISCOPE_RESIDENT_MB"
SHARE = 0.5
"""Of the memory of the machine, or of the GPU, that encoders may take unless the variable says otherwise."""
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may use."""


def budget(device: torch.device) -> int:
    """Bytes that encoders may take on a device.

    Raises:
        InvalidRequest: the variable is no positive number.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return int(SHARE * _memory_of(device))
    try:
        megabytes = float(said)
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < float("inf"):
        raise InvalidRequest(f"{VARIABLE} is '{said}'. Set it to the megabytes that encoders may take, such as 2000.")
    return int(megabytes * 1e6)


def _memory_of(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return min([int(psutil.virtual_memory().total), *container_limits(LIMITS)])


def container_limits(files: tuple[Path, ...]) -> list[int]:
    """Bytes that the container may use, as files of the system say; `max` there means no limit."""
    said = [path.read_text(encoding="ascii").strip() for path in files if path.is_file()]
    return [int(text) for text in said if text.isdigit() and int(text) > 0]


def expected(spec: EncoderSpec) -> int:
    """Bytes of an encoder before it is loaded: its file's size, 0 when nobody knows it."""
    path = weights.path_of(spec.weights)
    return int(spec.weights.megabytes * 1e6) or (path.stat().st_size if path.is_file() else 0)


def exact(spec: EncoderSpec) -> int:
    """Bytes of an encoder's network in float32, from its code; 0 when that cannot tell. Files may hold more."""
    try:
        return int(skeletons.megabytes(synthetic.on_meta(spec)) * 1e6)
    except (NotImplementedError, RuntimeError):
        return 0


def taken(encoder: Encoder) -> int:
    """Bytes that a loaded encoder takes, with what its heads read."""
    kept = [*encoder.published.values(), *(encoder.classifier or ())]
    return int(encoder.megabytes * 1e6) + sum(tensor.numel() * tensor.element_size() for tensor in kept)


def require(spec: EncoderSpec, need: int, limit: int) -> None:
    """Refuse an encoder that would not fit if it were alone.

    Raises:
        InvalidRequest: it needs more bytes than the limit.
    """
    if need > limit:
        raise InvalidRequest(
            f"{spec.label} takes {need / 1e6:,.0f} MB, and encoders may take {limit / 1e6:,.0f} MB here. "
            f"Set {VARIABLE} to {need / 1e6 + 1:.0f} or more if there is enough memory, or choose a smaller encoder."
        )
