"""Half precision is used when asked for, and only where it gives the same answers."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from toys import CPU, HEAD_BIAS, HEAD_WEIGHT, BrokenInHalf, TwoChannels, encoder, linear_head, noise, small_vit, spec

from core import precision, readout, samples
from core.encoders import encoder as encoders
from core.errors import InvalidRequest
from core.readout import Contender


class Loud(TwoChannels):
    """A network whose numbers float16 cannot hold."""

    def forward_features(self, x: Tensor) -> Tensor:
        return self.conv(x * 1e6)


class Counting(TwoChannels):
    """A network that counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward_features(self, x: Tensor) -> Tensor:
        self.passes += 1
        return super().forward_features(x)


@pytest.fixture(autouse=True)
def nothing_known_or_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(precision.VARIABLE, raising=False)
    precision._verdicts.cache_clear()


def made_contender(network: torch.nn.Module) -> Contender:
    return Contender(encoder(network, spec()), linear_head(HEAD_WEIGHT.clone(), HEAD_BIAS.clone()))


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_what_answers_alike_may_run_in_half(name: str) -> None:
    contender = made_contender(TwoChannels())
    verdict = precision.guard(contender.encoder, contender.head, name)
    assert verdict.ok
    assert precision.settle(contender.encoder, contender.head, name) == name
    assert (verdict.changed, verdict.probes) == (0, len(samples.samples()))
    assert 0 < verdict.largest < 0.02
    assert verdict.cosine > 0.9999
    assert "it is used" in verdict.sentence


def test_a_changed_answer_keeps_float32_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    contender = made_contender(BrokenInHalf())
    inputs = noise(6, 8)
    full = readout.read(contender, inputs).logits
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert torch.equal(readout.read(contender, inputs, precision="bf16").logits, full)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("toy: bf16 changes ")
    assert said.endswith("it stays at fp32.")


def test_half_precision_is_what_is_computed() -> None:
    contender = made_contender(TwoChannels())
    inputs = noise(6, 8)
    full = readout.read(contender, inputs)
    for name in ("fp16", "bf16"):
        half = readout.read(contender, inputs, precision=name)
        assert half.pooled.dtype == half.logits.dtype == torch.float32
        assert not torch.equal(half.logits, full.logits)
        torch.testing.assert_close(half.logits, full.logits, rtol=0.05, atol=0.2)


def test_a_call_goes_before_the_environment_and_both_before_the_sweeps_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.devices.has_fast_bf16", lambda device: True)
    contender = made_contender(TwoChannels())
    inputs = noise(6, 8)
    full, sweep = readout.read(contender, inputs).logits, readout.read(contender, inputs, sweeping=True).logits
    assert not torch.equal(full, sweep)
    monkeypatch.setenv(precision.VARIABLE, "bf16")
    assert torch.equal(readout.read(contender, inputs).logits, sweep)
    assert torch.equal(readout.read(contender, inputs, sweeping=True, precision="fp32").logits, full)
    monkeypatch.setenv(precision.VARIABLE, "fp32")
    assert torch.equal(readout.read(contender, inputs, sweeping=True).logits, full)


def test_features_that_turn_are_refused_even_if_no_sample_shows_it() -> None:
    contender = made_contender(BrokenInHalf())
    always = replace(contender.head, bias=torch.tensor([1e6, 0.0, 0.0]))
    verdict = precision.guard(contender.encoder, always, "bf16")
    assert verdict.changed == 0
    assert verdict.cosine < 0.999
    assert not verdict.ok


def test_numbers_that_overflow_are_refused() -> None:
    contender = made_contender(Loud())
    verdict = precision.guard(contender.encoder, contender.head, "fp16")
    assert math.isinf(verdict.largest)
    assert precision.settle(contender.encoder, contender.head, "fp16") == "fp32"
    assert "overflows" in verdict.sentence
    assert precision.guard(contender.encoder, contender.head, "bf16").ok


def test_attention_runs_in_half_too() -> None:
    contender = small_vit("cls4")
    verdict = precision.guard(contender.encoder, contender.head, "bf16")
    assert 0 < verdict.largest < 0.2


def test_a_verdict_is_reached_once_for_weights_precision_and_head() -> None:
    network = Counting()
    contender = made_contender(network)

    def passes(work: Callable[[], object]) -> int:
        before = network.passes
        work()
        return network.passes - before

    assert passes(lambda: precision.guard(contender.encoder, contender.head, "bf16")) == 2
    assert passes(lambda: precision.guard(contender.encoder, contender.head, "bf16")) == 0
    assert passes(lambda: precision.guard(contender.encoder, contender.head, "fp16")) == 2
    others = encoders.freeze(spec(), network, CPU, "1" * 64)
    assert passes(lambda: precision.guard(others, contender.head, "bf16")) == 2
    refitted = linear_head(HEAD_WEIGHT + 1, HEAD_BIAS.clone())
    assert passes(lambda: precision.guard(contender.encoder, refitted, "bf16")) == 2


def test_unknown_precisions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match=r"Precision 'int8' is not known\. Use fp32, fp16, bf16"):
        readout.read(made_contender(TwoChannels()), noise(1, 8), precision="int8")
    monkeypatch.setenv(precision.VARIABLE, "half")
    with pytest.raises(InvalidRequest, match=precision.VARIABLE):
        readout.read(made_contender(TwoChannels()), noise(1, 8))
