"""Published entries of each kind, from files of their publishers' layout with random numbers in them, to an answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor
from toys import CPU, noise

from core import readout
from core.encoders import architectures, encoder, registry
from core.encoders.files import weights
from core.encoders.spec import EncoderSpec
from core.errors import HeadUnavailable, WeightsInvalid, WeightsUnavailable
from core.heads import store

Tensors = dict[str, Tensor]


def randoms(network: torch.nn.Module) -> Tensors:
    """A state dict of small random numbers; half precision keeps the files small."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(value.shape, generator=generator).mul(0.05).half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }


def blank(name: str, classes: int = 0) -> torch.nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, num_classes=classes)


def resnet(classes: int = 0) -> Tensors:
    counters = {"num_batches_tracked": torch.zeros((), dtype=torch.long)}
    found = randoms(blank("resnet50", classes))
    return {key: counters.get(key.rpartition(".")[2], value) for key, value in found.items()}


def linear(prefix: str, width: int) -> Tensors:
    generator = torch.Generator().manual_seed(1)
    return {
        f"{prefix}weight": torch.randn(1000, width, generator=generator).half(),
        f"{prefix}bias": torch.zeros(1000).half(),
    }


def probe(width: int) -> dict[str, object]:
    """What DINO's evaluation script saves of its linear classifier."""
    return {"epoch": 100, "state_dict": linear("module.linear.", width), "optimizer": {"state": {}}, "best_acc": 75.3}


PUBLISHED: dict[str, Callable[[], dict[str, object]]] = {
    "resnet50-supervised": lambda: {"resnet50-supervised.pth": resnet(1000)},
    "resnet50-dino": lambda: {"resnet50-dino.pth": resnet(), "resnet50-dino-linear.pth": probe(2048)},
    "deit-s": lambda: {"deit-s.pth": {"model": randoms(blank("vit_small_patch16_224", 1000))}},
    "vits16-dino": lambda: {
        "vits16-dino.pth": randoms(blank("vit_small_patch16_224")),
        "vits16-dino-linear.pth": probe(4 * 384),
    },
}


def without_hashes(spec: EncoderSpec) -> EncoderSpec:
    """The entry for files that cannot have the published hash."""
    heads = tuple(replace(head, weights=replace(head.weights, sha256="")) for head in spec.heads)
    return replace(spec, weights=replace(spec.weights, sha256=""), heads=heads)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    catalog = {id: without_hashes(spec) for id, spec in registry.encoders().items()}
    monkeypatch.setattr(registry, "encoders", lambda: catalog)
    return tmp_path


@pytest.mark.parametrize("id", PUBLISHED)
def test_published_layout_loads_strictly_and_answers(id: str, folder: Path) -> None:
    for name, content in PUBLISHED[id]().items():
        torch.save(content, folder / name)
    contender = readout.load_contender(id, "imagenet-1k", CPU)
    spec = contender.encoder.spec
    assert contender.encoder.sha256 == weights.sha256_of(weights.path_of(spec.weights))
    assert contender.head.protocol == "native"
    assert not contender.head.calibrated
    found = readout.read(contender, noise(1, spec.preprocessing.size))
    assert found.logits.shape == (1, 1000)
    assert found.logits.isfinite().all()
    assert found.pooled.shape == (1, spec.feature_dim)
    assert contender.head.weight.shape[1] == spec.feature_dim * (4 if contender.head.pooling == "cls4" else 1)
    with pytest.raises(HeadUnavailable, match="imagenet-1k"):
        store.load(contender.encoder, "tiny-imagenet")


def test_real_hash_is_asked_of_a_file_put_there_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    torch.save({"fc.weight": torch.ones(1)}, tmp_path / "resnet50-supervised.pth")
    with pytest.raises(WeightsInvalid, match="expected 0676ba61"):
        encoder.load("resnet50-supervised", CPU)


def test_head_of_another_encoder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe of the ResNet under the name of the transformer's."""
    torch.save(probe(2048), folder / "vits16-dino-linear.pth")
    spec = registry.encoder_spec("vits16-dino")
    frozen = encoder.freeze(spec, torch.nn.Module(), CPU, "0" * 64)
    with pytest.raises(WeightsInvalid, match=r"2048.*384"):
        store.load(frozen, "imagenet-1k")
    torch.save(probe(1536) | {"state_dict": linear("linear.", 1536)}, folder / "vits16-dino-linear.pth")
    with pytest.raises(WeightsInvalid, match=r"module\.linear\.weight"):
        store.load(frozen, "imagenet-1k")


def test_missing_head_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_OFFLINE", "1")
    spec = registry.encoder_spec("vits16-dino")
    with pytest.raises(WeightsUnavailable, match=r"vits16-dino-linear\.pth.*INVARISCOPE_OFFLINE.*put it at"):
        store.load(encoder.freeze(spec, torch.nn.Module(), CPU, "0" * 64), "imagenet-1k")
    assert not store.is_here(spec, "imagenet-1k")


def test_architectures_are_built_without_a_classifier() -> None:
    with torch.device("meta"):
        assert all("fc" not in key for key in architectures.build("resnet50").state_dict())
