"""Encoders on this machine put through every gate, and their addresses asked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import CPU
from weight_servers import CONTENT, serving

from core import readout, samples
from core.commands.given import open_contenders
from core.encoders import architectures
from core.encoders.checks import gating
from core.encoders.registry import encoder_spec
from core.encoders.spec import WeightFile
from core.errors import WeightsUnavailable
from core.tasks import task


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def test_a_packaged_encoder_passes_and_its_card_can_say_so(folder: Path) -> None:
    spec = encoder_spec("simclr")
    assert gating.recorded(spec) == ("", [])
    checks = gating.here(spec)
    assert {check.name for check in checks} >= {"hash", "weights-finite", "features-differ", "prediction-repeatable"}
    assert all(check.ok for check in checks)
    date, kept = gating.recorded(spec)
    assert kept == checks
    assert len(date) == 10
    (folder / "checks" / "simclr.json").write_text("{")
    assert gating.recorded(spec) == ("", [])


def test_a_result_is_of_the_files_it_was_measured_on(folder: Path) -> None:
    spec = encoder_spec("simclr")
    gating.here(spec)
    path = folder / "checks" / "simclr.json"
    table = json.loads(path.read_text())
    table["files"] = dict.fromkeys(table["files"], "0" * 64)
    path.write_text(json.dumps(table))
    assert gating.recorded(spec) == ("", [])


def test_nothing_is_said_of_files_that_are_not_here() -> None:
    with pytest.raises(WeightsUnavailable):
        gating.here(encoder_spec("resnet50-dino"))


@pytest.mark.parametrize("id", [id for id, sample in samples.samples().items() if sample.imagenet])
def test_labels_of_the_samples_are_classes(id: str) -> None:
    assert set(samples.samples()[id].imagenet) <= set(task("imagenet-1k").classes)


def test_five_samples_have_labels() -> None:
    assert sum(bool(sample.imagenet) for sample in samples.samples().values()) == 5


@pytest.mark.parametrize(("megabytes", "ok"), [(0, True), (len(CONTENT) / 1e6, True), (94, False)])
def test_an_address_is_asked_for_its_size_and_nothing_is_downloaded(megabytes: float, ok: bool, folder: Path) -> None:
    with serving() as server:
        check = gating.reachable(WeightFile("toy.pth", server.url, megabytes=megabytes))
        assert server.asked == ["bytes=0-0"]
    assert check.ok is ok
    assert "3 MB" in check.detail
    assert list(folder.iterdir()) == []


def test_a_mirror_answers_for_an_address_that_is_gone() -> None:
    with serving() as server:
        gone = WeightFile("toy.pth", "http://127.0.0.1:9/toy.pth", mirrors=(server.url,))
        assert gating.reachable(gone).ok
    alone = gating.reachable(replace(gone, mirrors=()))
    assert not alone.ok
    assert "127.0.0.1:9" in alone.detail


def test_a_published_file_with_an_untrained_network_is_doubted_wherever_it_is_shown(folder: Path, capsys) -> None:
    spec = encoder_spec("resnet50-moco-v3-1000")
    torch.manual_seed(0)
    named = {f"module.{key}": value for key, value in architectures.build("resnet50").state_dict().items()}
    head = torch.nn.Linear(2048, 1000)
    named |= {"module.fc.weight": head.weight.detach(), "module.fc.bias": head.bias.detach()}
    torch.save({"state_dict": named}, folder / spec.weights.file)
    contender = readout.load_contender(spec.id, "imagenet-1k", CPU)
    said = gating.doubts(contender)
    assert len(said) == 2
    assert "BatchNorm" in said[0]
    assert "fresh layer" in said[1]
    open_contenders([spec.id], "imagenet-1k", CPU)
    assert "may be untrained: 0 of 53 BatchNorm layers" in capsys.readouterr().err


def test_packaged_encoders_are_not_doubted() -> None:
    for id in ("supervised", "random"):
        assert gating.doubts(readout.load_contender(id, "tiny-imagenet", CPU)) == []
