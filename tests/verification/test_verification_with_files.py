"""Encoders on this machine put through every check, and their addresses asked."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from toys import CPU, noise
from weight_servers import CONTENT, serving

from core import readout, samples
from core.commands.given import open_contenders
from core.doubts import doubts
from core.encoders import architectures, checked
from core.encoders.registry import encoder_spec
from core.encoders.spec import WeightFile
from core.errors import InvalidRequest, WeightsUnavailable
from core.tasks import task, tasks
from core.verification import with_files


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def test_a_packaged_encoder_passes_and_its_card_can_say_so(folder: Path) -> None:
    spec = encoder_spec("simclr")
    assert checked.recorded(spec) == ("", [])
    checks = with_files.here(spec)
    assert {check.name for check in checks} >= {"hash", "weights-finite", "features-differ", "prediction-repeatable"}
    assert all(check.ok for check in checks)
    date, kept = checked.recorded(spec)
    assert kept == checks
    assert len(date) == 10
    (folder / "checks" / "simclr.json").write_text("{")
    assert checked.recorded(spec) == ("", [])


def test_a_result_is_of_the_files_it_was_measured_on(folder: Path) -> None:
    spec = encoder_spec("simclr")
    with_files.here(spec)
    path = folder / "checks" / "simclr.json"
    table = json.loads(path.read_text())
    table["files"] = dict.fromkeys(table["files"], "0" * 64)
    path.write_text(json.dumps(table))
    assert checked.recorded(spec) == ("", [])


def test_nothing_is_said_of_files_that_are_not_here() -> None:
    with pytest.raises(WeightsUnavailable):
        with_files.here(encoder_spec("resnet50-dino"))


@pytest.mark.parametrize("id", [id for id, sample in samples.samples().items() if sample.right])
def test_labels_of_the_samples_are_classes(id: str) -> None:
    known = {name for known in tasks().values() for name in known.classes}
    assert set(samples.samples()[id].right) <= known
    assert samples.true_classes(id, task("imagenet-1k"))


def test_five_samples_have_labels() -> None:
    assert sum(bool(sample.right) for sample in samples.samples().values()) == 5


@pytest.mark.parametrize(("megabytes", "ok"), [(0, True), (len(CONTENT) / 1e6, True), (94, False)])
def test_an_address_is_asked_for_its_size_and_nothing_is_downloaded(megabytes: float, ok: bool, folder: Path) -> None:
    with serving() as server:
        check = with_files.reachable(WeightFile("toy.pth", server.url, megabytes=megabytes))
        assert server.asked == ["bytes=0-0"]
    assert check.ok is ok
    assert "3 MB" in check.detail
    assert list(folder.iterdir()) == []


def test_a_mirror_answers_for_an_address_that_is_gone() -> None:
    with serving() as server:
        gone = WeightFile("toy.pth", "http://127.0.0.1:9/toy.pth", mirrors=(server.url,))
        assert with_files.reachable(gone).ok
    alone = with_files.reachable(replace(gone, mirrors=()))
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
    said = doubts(contender)
    assert len(said) == 2
    assert "BatchNorm" in said[0]
    assert "fresh layer" in said[1]
    open_contenders([spec.id], "imagenet-1k", CPU)
    assert "may be untrained: 0 of 53 BatchNorm layers" in capsys.readouterr().err


def test_packaged_encoders_are_not_doubted() -> None:
    for id in ("supervised", "random"):
        assert doubts(readout.load_contender(id, "tiny-imagenet", CPU)) == []


def test_trap_6_collapsed_features_are_told() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.001]])
    assert with_files.features_differ(features).ok
    check = with_files.features_differ(features[[0, 2]])
    assert not check.ok
    assert "1.000" in check.detail
    at = math.acos(0.99)
    for angle, ok in ((at * 1.01, True), (at * 0.99, False)):
        pair = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
        assert with_files.features_differ(pair).ok == ok
    assert "1 of 2 features are zero" in with_files.features_differ(torch.tensor([[1.0, 0.0], [0.0, 0.0]])).detail
    assert not with_files.features_differ(torch.tensor([[1.0, math.nan], [0.0, 1.0]])).ok


def test_trap_9_1_a_random_head_changes_from_load_to_load() -> None:
    """As SwAV's hub does (swav#105)."""
    inputs = noise(2, 8).flatten(1)
    check = with_files.repeatable(lambda: nn.Linear(192, 5)(inputs).detach())
    assert not check.ok
    assert "differ by" in check.detail
    weight = torch.randn(5, 192)
    assert with_files.repeatable(lambda: inputs @ weight.T).ok
    assert not with_files.repeatable(lambda: torch.full((2, 5), math.nan)).ok
    shapes = iter([torch.ones(2, 5), torch.ones(2, 6)])
    assert not with_files.repeatable(lambda: next(shapes)).ok


@pytest.mark.parametrize(("correct", "total", "ok"), [(6, 10, True), (5, 10, False), (10, 10, True), (0, 0, False)])
def test_trap_6_six_of_ten(correct: int, total: int, ok: bool) -> None:
    check = with_files.sanity_top1(correct, total)
    assert check.ok == ok
    assert f"{correct} of {total}" in check.detail


def test_one_image_cannot_be_judged() -> None:
    with pytest.raises(InvalidRequest, match="two images or more"):
        with_files.features_differ(torch.ones(1, 3))
