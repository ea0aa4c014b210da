"""One forward pass: the same for one image as for many, and in bfloat16 only where that is safe."""

from dataclasses import replace

import pytest
import torch
from toys import CPU, BrokenInHalf, TwoChannels, literal, noise, small_resnet, small_vit

from core import devices, precision, readout
from core.encoders import encoder
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest, UnknownName


@pytest.mark.parametrize("make", [literal, small_resnet, small_vit, lambda: small_vit("cls4")])
def test_batch_is_its_images_one_by_one(make) -> None:
    contender = make()
    inputs = noise(5, contender.encoder.spec.preprocessing.size)
    together = readout.read(contender, inputs)
    for i in range(5):
        alone = readout.read(contender, inputs[i : i + 1])
        torch.testing.assert_close(alone.feature_map[0], together.feature_map[i], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone.pooled[0], together.pooled[i], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone.logits[0], together.logits[i], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("make", [literal, small_resnet, small_vit, lambda: small_vit("cls4")])
def test_logits_are_those_of_the_differentiable_function(make) -> None:
    contender = make()
    inputs = noise(2, contender.encoder.spec.preprocessing.size)
    torch.testing.assert_close(contender.logits(inputs), readout.read(contender, inputs).logits, rtol=1e-4, atol=1e-4)


def test_feature_is_the_encoders_also_when_the_head_reads_another() -> None:
    read = readout.read(small_vit("cls4"), noise(1, 32))
    assert read.pooled.shape == (1, 24)
    torch.testing.assert_close(read.pooled, readout.read(small_vit("token"), noise(1, 32)).pooled)


def test_features_are_the_readouts() -> None:
    contender = small_vit()
    inputs = noise(7, 32)
    found = encoder.features(contender.encoder, inputs, batch=3)
    expected = readout.read(contender, inputs, sweeping=True).pooled
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    assert found.dtype == torch.float32


def test_closed_form_belongs_to_average_pooling() -> None:
    assert small_resnet().has_closed_form
    assert not small_resnet("head").has_closed_form
    assert not small_vit().has_closed_form


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bfloat16 counts as fast here; where it is not, it is only slow."""
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: True)
    precision._verdicts.cache_clear()  # all toys have the same hash


@pytest.mark.parametrize(("network", "used"), [(TwoChannels, torch.bfloat16), (BrokenInHalf, torch.float32)])
def test_a_sweep_reads_in_bfloat16_where_that_is_fast_and_changes_nothing(
    network: type[TwoChannels], used: torch.dtype, hardware: None
) -> None:
    assert readout.read(literal(network()), noise(1, 8), sweeping=True).feature_map.dtype == used


def test_a_sweep_reads_in_float32_without_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)
    inputs = noise(1, 8)
    full, asked = readout.read(literal(), inputs), readout.read(literal(), inputs, sweeping=True)
    assert torch.equal(full.logits, asked.logits)


def test_head_stays_in_float32(hardware: None) -> None:
    read = readout.read(literal(TwoChannels()), noise(1, 8), sweeping=True)
    assert read.feature_map.dtype == torch.bfloat16
    assert read.pooled.dtype == torch.float32
    assert read.logits.dtype == torch.float32


def test_unknown_device_and_encoder() -> None:
    with pytest.raises(InvalidRequest, match="auto, cpu, cuda or mps"):
        devices.pick("tpu")
    with pytest.raises(UnknownName, match=r"no encoder called 'resnet'\. Nearest of \d+: resnet"):
        readout.load_contender("resnet", "tiny-imagenet", CPU)


def test_missing_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidRequest, match="--device cpu"):
        devices.pick("cuda")
    assert devices.pick("auto") == CPU


@pytest.mark.parametrize(("side", "count", "threads"), [(64, 2, 1), (64, 25, 2), (128, 2, 2)])
def test_few_small_images_are_read_by_one_thread_which_is_given_back(side, count, threads, monkeypatch) -> None:
    contender = small_resnet()
    monkeypatch.setattr(contender.encoder.network, "forward_features", seen := Threads(contender.encoder.network))
    spec = replace(contender.encoder.spec, preprocessing=Preprocessing(side, side))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        readout.read(replace(contender, encoder=replace(contender.encoder, spec=spec)), noise(count, 16))
        assert seen.found == [threads]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Threads:
    """A network's features, and PyTorch's threads while they were computed."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.forward, self.found = network.forward_features, []

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        self.found.append(torch.get_num_threads())
        return self.forward(inputs)
