"""How much memory encoders may take, and how much one needs before it is loaded."""

import os
from pathlib import Path

import psutil
import torch

from core.encoders import skeletons
from core.encoders.encoder import Encoder
from core.encoders.files import weights
from core.encoders.spec import EncoderSpec
from core.errors import InvalidRequest

VARIABLE = "INVARISCOPE_RESIDENT_MB"
SHARE = 0.5
"""Of the memory of the machine, or of the GPU, that encoders may take unless the variable says otherwise."""
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may use; `max` there means no limit."""


def budget(device: torch.device) -> int:
    """Bytes that encoders may take on a device.

    Raises:
        InvalidRequest: the variable is no positive number.
    """
    if said := os.environ.get(VARIABLE, ""):
        try:
            megabytes = float(said)
        except ValueError:
            megabytes = 0.0
        if not 0 < megabytes < float("inf"):
            raise InvalidRequest(f"{VARIABLE} is '{said}'. Set it to the megabytes encoders may take, such as 2000.")
        return int(megabytes * 1e6)
    if device.type == "cuda":
        return int(SHARE * torch.cuda.get_device_properties(device).total_memory)
    texts = [path.read_text(encoding="ascii").strip() for path in LIMITS if path.is_file()]
    limits = [int(text) for text in texts if text.isdigit() and int(text) > 0]
    return int(SHARE * min([psutil.virtual_memory().total, *limits]))


def expected(spec: EncoderSpec, limit: int) -> int:
    """Bytes of an encoder before it is loaded; 0 when nobody knows them.

    Its file says so at once. One that seems too large, since files may hold more than the network, is judged by its
    code.
    """
    path = weights.path_of(spec.weights)
    size = int(spec.weights.megabytes * 1e6) or (path.stat().st_size if path.is_file() else 0)
    if 0 < size <= limit:
        return size
    network = skeletons.on_meta(spec)
    return 0 if network is None else int(skeletons.megabytes(network) * 1e6)


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
