"""Where the work runs: device, precision, threads, and the one inference slot.

All of a process shares one device. On two cores, three requests at once are slower for everybody than
three in a row, so every forward pass takes the slot first.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from core.errors import InvalidRequest

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of the GNU allocator's settings (malloc.h)."""
KEPT_BYTES = 256 * 2**20
MAPPED_BYTES = 32 * 2**20
"""The most that glibc takes; larger blocks, a 40-megapixel image, go back to the system at once."""

NAMES = ("auto", "cpu", "cuda", "mps")
"""What `pick` takes."""

_slot = threading.RLock()


def pick(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is the GPU when there is one, NVIDIA's before Apple's (`mps`).

    Raises:
        InvalidRequest: the name is unknown, or names a GPU that this machine lacks.
    """
    if name not in NAMES:
        raise InvalidRequest(f"Device '{name}' is not known. Use auto, cpu, cuda or mps.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidRequest("PyTorch finds no CUDA device here. Use --device cpu, or install a CUDA build of torch.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise InvalidRequest("PyTorch finds no Apple GPU (MPS) here. Use --device cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    _prepare(name)
    return torch.device(name)


@cache
def _prepare(name: str) -> None:
    """Set what may be set only once per process."""
    if name != "cuda":  # on Apple's GPU, what it cannot do is the CPU's work
        # In a container PyTorch may count cores that this process is not given.
        if hasattr(os, "sched_getaffinity"):
            torch.set_num_threads(max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0)))))
        _keep_memory()
    else:
        torch.backends.cudnn.benchmark = True


def _keep_memory() -> None:
    """Let the GNU allocator keep what one layer frees for the next, where it is the allocator.

    By default it hands large blocks back to the system, which clears every page again before the next layer gets it:
    a tenth of a small encoder's time and more. What is kept is at most what the largest batch needed, once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


@cache
def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by hardware here; emulated bfloat16 is slower than float32."""
    if device.type == "mps":
        return False  # not every chip has it, and float32 is fast enough to need no guard of its own
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # AVX-512 alone emulates it and gains nothing; its dot products of bfloat16 double a small network's training speed.
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


@contextmanager
def inference_slot(threads: int = 0) -> Iterator[None]:
    """Hold the device for one piece of work; waits while another thread holds it.

    Args:
        threads: of PyTorch for this piece; 0 for as many as the process has.
    """
    with _slot, torch.inference_mode():
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def gradient_slot() -> Iterator[None]:
    """Like `inference_slot`, for the few methods that need a backward pass."""
    with _slot, torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def reduced_precision(device: torch.device, allowed: bool) -> Iterator[None]:
    """bfloat16 autocast where it is `allowed` and computed by hardware, float32 otherwise."""
    if allowed and has_fast_bf16(device):
        with torch.autocast(device.type, torch.bfloat16):
            yield
    else:
        yield
