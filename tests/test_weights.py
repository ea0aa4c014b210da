"""Weight files: found, checked against what is known of them, and loaded whole or not at all."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from toys import TwoChannels

from core.encoders.files import weights
from core.encoders.opening import reading
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable
from core.paths import ASSETS

FILE = WeightFile("toy.pth", url="https://example.org/toy.pth")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def trained() -> dict[str, torch.Tensor]:
    """A state dict of the toy network that is not its initial one."""
    return {key: torch.full_like(value, 7) for key, value in TwoChannels().state_dict().items()}


def save(content: object, folder: Path, **facts) -> WeightFile:
    torch.save(content, folder / "toy.pth")
    return WeightFile("toy.pth", url=FILE.url, **facts)


def test_folder_is_the_chosen_one_or_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weights.weights_folder() == tmp_path
    monkeypatch.delenv("INVARISCOPE_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights.weights_folder() == tmp_path / "cache" / "invariscope" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.weights_folder() == Path.home() / ".cache" / "invariscope" / "weights"
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", "~/mine")
    assert weights.weights_folder() == Path.home() / "mine"


def test_packaged_files_are_below_assets() -> None:
    assert weights.path_of(WeightFile("models/x/w.safetensors", packaged=True)) == ASSETS / "models/x/w.safetensors"


def test_missing_file_says_what_from_where_to_where(folder: Path) -> None:
    assert not weights.is_here(FILE)
    for action in (weights.verify, reading.state_dict):
        with pytest.raises(WeightsUnavailable) as caught:
            action(FILE)
        assert FILE.file in str(caught.value)
        assert FILE.url in str(caught.value)
        assert str(folder / FILE.file) in str(caught.value)


def test_missing_packaged_file_says_install_again() -> None:
    lost = WeightFile("models/lost/weights.safetensors", packaged=True)
    for action in (weights.verify, weights.fetch):
        with pytest.raises(WeightsUnavailable, match="Install it again"):
            action(lost)


def test_hash_may_be_whole_or_its_beginning(folder: Path) -> None:
    save(trained(), folder)
    digest = weights.sha256_of(folder / "toy.pth")
    for stated in (digest, digest[:8], ""):
        assert weights.verify(WeightFile("toy.pth", sha256=stated)) == digest


def test_other_hash_is_refused(folder: Path) -> None:
    save(trained(), folder)
    with pytest.raises(WeightsInvalid, match=r"expected 0000aaaa.*Delete it and fetch it again"):
        weights.verify(WeightFile("toy.pth", sha256="0000aaaa"))


@pytest.mark.parametrize("known", [0, 8])
def test_file_must_stay_the_one_that_was_fetched(folder: Path, known: int) -> None:
    """Also when the catalog states only the first characters of the hash."""
    save(trained(), folder)
    digest = weights.sha256_of(folder / "toy.pth")
    file = WeightFile("toy.pth", sha256=digest[:known])
    (folder / "toy.pth.sha256").write_text(digest)
    assert weights.verify(file) == digest
    (folder / "toy.pth.sha256").write_text(digest[:8] + "f" * 56)
    with pytest.raises(WeightsInvalid, match="expected"):
        weights.verify(file)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_tensor_finds_its_place(folder: Path, suffix: str) -> None:
    path = folder / f"toy{suffix}"
    if suffix == ".pth":
        torch.save(trained(), path)
    else:
        save_file(trained(), path)
    network = TwoChannels()
    reading.load_strictly(network, WeightFile(path.name))
    assert (network.conv.weight == 7).all()


def test_half_precision_becomes_what_the_network_holds(folder: Path) -> None:
    network = TwoChannels()
    reading.load_strictly(network, save({key: value.half() for key, value in trained().items()}, folder))
    assert network.conv.weight.dtype == torch.float32


def test_batch_counters_may_be_absent(folder: Path) -> None:
    network = nn.Sequential(nn.BatchNorm2d(2))
    content = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
    reading.load_strictly(network, save(content, folder))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda t: {"conv.weigth": t["conv.weight"]},
            ["missing such as conv.weight", "unexpected such as conv.weigth"],
        ),
        (lambda t: {}, ["1 missing such as conv.weight"]),
        (lambda t: {"conv.weight": t["conv.weight"][:1]}, ["1 of another shape such as conv.weight", "architecture"]),
        (
            lambda t: t | {"fc.weight": torch.ones(2), "fc.bias": torch.ones(2)},
            ["2 unexpected such as fc.bias, fc.weight"],
        ),
        (lambda t: {f"module.{key}": value for key, value in t.items()}, ["module.conv.weight", "prefix"]),
    ],
    ids=["renamed", "missing", "shape", "extra", "prefix"],
)
def test_what_does_not_fit_is_listed_and_nothing_is_loaded(folder: Path, change, told: list[str]) -> None:
    file = save(change(trained()), folder)
    network = TwoChannels()
    before = network.conv.weight.clone()
    with pytest.raises(WeightsInvalid) as caught:
        reading.load_strictly(network, file)
    assert str(folder / "toy.pth") in str(caught.value)
    for words in told:
        assert words in str(caught.value)
    assert torch.equal(network.conv.weight, before)


def test_dropped_keys_are_expected(folder: Path) -> None:
    content = trained() | {"fc.weight": torch.ones(2), "fc.bias": torch.ones(2)}
    network = TwoChannels()
    reading.load_strictly(network, save(content, folder, drop=("fc.",)))
    assert (network.conv.weight == 7).all()


def test_prefix_is_cut_only_at_the_beginning(folder: Path) -> None:
    content = {
        "backbone.conv.weight": trained()["conv.weight"],
        "student_backbone.conv.weight": torch.zeros(2, 3, 4, 4),
        "backbone.backbone.scale": torch.ones(1),
    }
    found = reading.state_dict(save(content, folder, prefix="backbone."))
    assert set(found) == {"conv.weight", "backbone.scale"}
    assert (found["conv.weight"] == 7).all()
    network = TwoChannels()
    reading.load_strictly(network, save(content, folder, prefix="student_backbone."))
    assert not network.conv.weight.any()


def test_container_leads_to_the_tensors(folder: Path) -> None:
    content = {"epoch": 3, "state": {"model": trained() | {"step": 4}}}
    assert set(reading.state_dict(save(content, folder, container=("state", "model")))) == {"conv.weight"}


@pytest.mark.parametrize("container", [("model",), ("state", "teacher"), ("epoch", "model")])
def test_missing_container_is_named(folder: Path, container: tuple[str, ...]) -> None:
    content = {"epoch": 3, "state": {"model": trained()}}
    with pytest.raises(WeightsInvalid, match=rf"no '{container[-1]}' inside"):
        reading.state_dict(save(content, folder, container=container))


@pytest.mark.parametrize("content", [torch.ones(3), [torch.ones(3)], 5, {"state": 5}, {0: torch.ones(3)}])
def test_file_without_named_tensors_is_refused(folder: Path, content: object) -> None:
    container = ("state",) if isinstance(content, dict) and "state" in content else ()
    with pytest.raises(WeightsInvalid):
        reading.load_strictly(TwoChannels(), save(content, folder, container=container))


class Bomb:
    """What a hostile file would do when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("way", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_does_not_run(folder: Path, way: str) -> None:
    trace = folder / "trace"
    content = {"conv.weight": Bomb(trace)}
    if way == "torch":
        torch.save(content, folder / "toy.pth")
    else:
        (folder / "toy.pth").write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsInvalid, match="refused"):
        reading.state_dict(FILE)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file_is_refused(folder: Path, suffix: str) -> None:
    path = folder / f"toy{suffix}"
    (torch.save if suffix == ".pth" else save_file)(trained(), path)
    for share in (0.5, 0.0):
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(WeightsInvalid, match="damaged"):
            reading.state_dict(WeightFile(path.name))
