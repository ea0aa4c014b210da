"""Apple's GPU: chosen where PyTorch has it, and kept only where it answers as the CPU does."""

import logging

import pytest
import torch
from torch import Tensor, nn
from toys import CPU, TwoChannels, encoder, spec

from core import devices
from core.encoders import encoder as encoders
from core.encoders.encoder import moved
from core.errors import InvalidRequest

MPS = torch.device("mps")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch says that it has an Apple GPU."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("there")
def test_it_is_chosen_where_it_is() -> None:
    assert devices.pick("mps") == devices.pick("auto") == MPS
    assert devices.pick("cpu") == CPU
    assert not devices.has_fast_bf16(MPS)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_it_is_refused_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match=r"no Apple GPU \(MPS\) here\. Use --device cpu"):
        devices.pick("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick("auto") == CPU


@pytest.mark.usefixtures("there")
@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_an_encoder_that_cannot_go_there_stays_on_the_cpu_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = encoders.load("supervised", devices.pick("auto"))
    assert found.device == CPU
    assert "supervised stays on the CPU: on mps" in caplog.text
    assert encoders.features(found, torch.randn(2, 3, 64, 64)).isfinite().all()


class Otherwise(TwoChannels):
    """A network whose second pass, as on a device with wrong kernels, is another one."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        self.second, self.passes = second, 0

    def forward_features(self, x: Tensor) -> Tensor:
        self.passes += 1
        return super().forward_features(x if self.passes == 1 else self.second(x))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (nn.Identity(), ""),
        (nn.Softshrink(0.3), "differ by up to"),
        (nn.Threshold(2, float("nan")), "not finite"),
    ],
)
def test_answers_are_held_against_the_cpus(second: nn.Module, said: str, caplog: pytest.LogCaptureFixture) -> None:
    given = encoder(Otherwise(second), spec())
    with caplog.at_level(logging.WARNING):
        found = moved(given, CPU)
    assert (found is given) == bool(said)
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)
