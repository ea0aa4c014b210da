"""Random numbers that belong to a seed."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from core.augmentations.seeding import seeded_bits, seeded_normal, seeded_sign, seeded_uniform, seeded_uniforms

MASK = (1 << 64) - 1


def split_mix(state: int) -> int:
    """SplitMix64's output function in Python's unbounded integers."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_mixing_is_that_of_the_published_generator() -> None:
    """The first outputs for the seed 1234567, as given with reference implementations of SplitMix64."""
    step = 0x9E3779B97F4A7C15
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [split_mix((1234567 + i * step) & MASK) for i in (1, 2, 3)] == published


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63 - 1, -(2**63), 1234567])
def test_tensors_wrap_as_64_bit_integers_do(seed: int) -> None:
    step = 0x9E3779B97F4A7C15
    start = split_mix((seed + step) & MASK)
    expected = [split_mix((start + i * step) & MASK) for i in (1, 2, 3)]
    found = seeded_bits(torch.tensor([seed]), 3)[0].tolist()
    assert [value & MASK for value in found] == expected


def test_uniform_is_uniform_even_for_consecutive_seeds() -> None:
    draws = seeded_uniform(torch.arange(20_000), -2, 6)
    assert draws.min() >= -2
    assert draws.max() < 6
    assert kstest(((draws + 2) / 8).numpy(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.02


def test_several_uniforms_of_a_seed_have_nothing_to_do_with_each_other() -> None:
    draws = seeded_uniforms(torch.arange(20_000), 5)
    assert torch.equal(draws[:, 0], seeded_uniform(torch.arange(20_000), 0, 1))
    assert torch.equal(draws[7:8, :3], seeded_uniforms(torch.tensor([7]), 3))
    for column in draws.T:
        assert kstest(column.numpy(), "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T.numpy()) - np.eye(5)).max() < 0.03


def test_signs_are_even() -> None:
    signs = seeded_sign(torch.arange(10_000))
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert signs.mean().abs() < 0.03


@pytest.mark.parametrize("count", [20_000, 20_001])
def test_normal_is_normal(count: int) -> None:
    draws = seeded_normal(torch.tensor([7, 8]), count)
    assert draws.shape == (2, count)
    for row in draws:
        assert kstest(row.numpy(), "norm").pvalue > 0.01


def test_draws_follow_the_seed_alone_and_leave_it_untouched() -> None:
    seeds = torch.tensor([5, 3, 5, 11])
    draws, kept = seeded_normal(seeds, 10), seeds.clone()
    assert torch.equal(seeds, kept)
    assert torch.equal(draws[0], draws[2])
    assert torch.equal(seeded_normal(seeds.flip(0), 10), draws.flip(0))
    assert torch.equal(seeded_normal(seeds[1:2], 10)[0], draws[1])
