"""The same answers on a GPU as on the CPU; without one these are skipped."""

import numpy as np
import pytest
import torch
from toys import CPU, image, small_resnet, small_vit, spec

from core import devices, pipeline, readout
from core.attribution import METHODS
from core.encoders.encoder import Encoder, freeze
from core.encoders.layouts import LAYOUTS
from core.encoders.resident import Residents
from core.encoders.spec import EncoderSpec, WeightFile
from core.readout import Contender

pytestmark = pytest.mark.cuda
PICTURES = [image(seed=0), image(60, 90, seed=1)]
MAKERS = {
    "resnet": small_resnet,
    "vit": small_vit,
    "vit-cls4": lambda: small_vit("cls4"),
    "packaged": lambda: readout.load_contender("random", "tiny-imagenet", CPU),
}


@pytest.fixture(params=MAKERS)
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Contender, Contender]:
    """One contender on both devices, without TF32."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    gpu = torch.device("cuda")
    there = MAKERS[request.param]()
    moved = freeze(there.encoder.spec, there.encoder.network, gpu, there.encoder.sha256)
    return MAKERS[request.param](), Contender(moved, there.head.to(gpu))


def test_readings_agree(pair: tuple[Contender, Contender]) -> None:
    here, there = (pipeline.read_images(contender, PICTURES) for contender in pair)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a.crop, b.crop)
        np.testing.assert_allclose(a.pooled, b.pooled, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(a.logits, b.logits, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_maps_agree(pair: tuple[Contender, Contender], method: str) -> None:
    maps = []
    for contender in pair:
        (reading,) = pipeline.read_images(contender, PICTURES[:1])
        maps.append(pipeline.attribute(contender, PICTURES[0], reading, 1, method))
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.999
    np.testing.assert_allclose(maps[0], maps[1], atol=0.01 * np.abs(maps[0]).max())


def test_pairs_and_floors_agree(pair: tuple[Contender, Contender]) -> None:
    (a, map_a), (b, map_b) = (pipeline.compare_pair(contender, *PICTURES) for contender in pair)
    assert a == pytest.approx(b, abs=1e-4)
    np.testing.assert_allclose(map_a, map_b, rtol=1e-2, atol=1e-3)
    assert pipeline.strangers_floor(pair[0]) == pytest.approx(pipeline.strangers_floor(pair[1]), abs=5e-3)


@pytest.mark.parametrize("name", ["rotation", "noise"])
def test_sweeps_agree(pair: tuple[Contender, Contender], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)
    grid = pipeline.augmentation(name).strengths[:3]
    here, there = (list(pipeline.sweep(contender, PICTURES, name, grid, 2)) for contender in pair)
    for (_, _, a), (_, _, b) in zip(here, there, strict=True):
        np.testing.assert_allclose(a.cosine, b.cosine, atol=2e-3)
        np.testing.assert_allclose(a.drift, b.drift, atol=5e-3)


def test_auto_is_the_gpu() -> None:
    assert devices.pick("auto").type == "cuda"
    assert pipeline.device_label(devices.pick("cuda")) == torch.cuda.get_device_name()


def test_memory_of_an_encoder_that_left_comes_back() -> None:
    def entry(id: str) -> EncoderSpec:
        return spec(id, weights=WeightFile(f"{id}.pth", megabytes=67))

    def load(id: str, device: torch.device, progress) -> Encoder:
        network = torch.nn.Linear(4096, 4096, device=device)
        return Encoder(entry(id), network, LAYOUTS["map"], device, "")

    shared = Residents(load, lambda device: 70_000_000, entry)
    shared.get("a", torch.device("cuda"))
    before = torch.cuda.memory_reserved()
    shared.get("b", torch.device("cuda"))
    assert torch.cuda.memory_reserved() <= before
