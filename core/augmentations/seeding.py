"""Randomness that belongs to an image: a hash of its seed, the same in any batch, order and on any device."""

import math

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The int64 with the same 64 bits, which is what tensors can multiply by (products wrap)."""
    return value - (1 << 64) if value >= 1 << 63 else value


_STEP = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


def _mix(state: Tensor) -> Tensor:
    """The output function of SplitMix64 (Steele, Lea & Flood 2014), in place: 64 well mixed bits for each state."""
    # The masks make the arithmetic shifts of signed integers logical ones.
    state ^= (state >> 30) & ((1 << 34) - 1)
    state *= _FIRST
    state ^= (state >> 27) & ((1 << 37) - 1)
    state *= _SECOND
    state ^= (state >> 31) & ((1 << 33) - 1)
    return state


def seeded_bits(seeds: Tensor, count: int) -> Tensor:
    """(B, count) int64 of random bits: row i is the start of the SplitMix64 stream that seed i picks.

    Args:
        seeds: (B,) int64, any values; neighbouring seeds give unrelated streams.
        count: how many for each seed.
    """
    steps = torch.arange(1, count + 1, device=seeds.device) * _STEP
    return _mix(_mix(seeds.long()[:, None] + _STEP) + steps)


def seeded_uniform(seeds: Tensor, low: float, high: float) -> Tensor:
    """(B,) float32, uniform between `low` and `high`, each fixed by its own seed.

    Args:
        seeds: (B,) int64.
        low: smallest value.
        high: upper end.
    """
    # 24 bits are what float32 holds exactly, so that every device makes the same number of them.
    bits = (seeded_bits(seeds, 1)[:, 0] >> 40) & 0xFFFFFF
    return low + (high - low) * (bits.float() / (1 << 24))


def seeded_uniforms(seeds: Tensor, count: int) -> Tensor:
    """(B, count) float32, uniform in [0, 1), row i fixed by seed i; the first is what `seeded_uniform` takes.

    Args:
        seeds: (B,) int64.
        count: how many for each seed.
    """
    return ((seeded_bits(seeds, count) >> 40) & 0xFFFFFF).float() / (1 << 24)


def seeded_sign(seeds: Tensor) -> Tensor:
    """(B,) float32 of -1 and +1, each fixed by its own seed."""
    # The sign bit is the highest of the 24 that `seeded_uniform` takes: unset, it means less than one half.
    return torch.where(seeded_bits(seeds, 1)[:, 0] >= 0, -1.0, 1.0)


def seeded_normal(seeds: Tensor, count: int) -> Tensor:
    """(B, count) float32 of standard normal values, row i fixed by seed i (Box & Muller 1958).

    Args:
        seeds: (B,) int64.
        count: how many for each seed.
    """
    # One hash serves a pair of normals: its high bits give the radius, its low bits the angle.
    bits = seeded_bits(seeds, (count + 1) // 2)
    radius = (((bits >> 40) & 0xFFFFFF) + 1).float().div_(1 << 24).log_().mul_(-2).sqrt_()
    angle = (bits & 0xFFFFFF).float().mul_(2 * math.pi / (1 << 24))
    return torch.cat((radius * angle.cos(), radius * angle.sin_()), dim=1)[:, :count]
