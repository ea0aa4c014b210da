"""A person's own file becomes an entry: nothing is copied, nothing is claimed, and what does not fit is refused."""

import os
from pathlib import Path

import pytest
import torch
from malicious import swollen
from toys import CPU

from core.encoders import architectures, encoder, own
from core.encoders.files import weights
from core.encoders.opening import converting, reading
from core.encoders.own import Said
from core.encoders.registry import encoder_spec, encoders, unreadable
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest, UnknownName, WeightsInvalid, WeightsUnavailable
from core.heads import store
from core.paths import own_folder

NETWORK = "resnet18"
"""The catalog's ResNet-50 recipes on a smaller network, to be quick."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial in a process of its own, which takes seconds, where a test is about something else."""
    monkeypatch.setattr(converting, "rehearse", lambda path, reader: None)


def tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return architectures.build(NETWORK).state_dict()


def moco_file(path: Path, prefix: str = "module.encoder_q.") -> Path:
    head = {f"{prefix}fc.{part}": torch.ones(4) for part in ("weight", "bias")}
    torch.save({"state_dict": {f"{prefix}{key}": value for key, value in tensors().items()} | head}, path)
    return path


def test_a_file_is_read_like_an_entry_and_stays_where_it_is(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    before = encoders()
    spec = own.add(file, "my-moco", Said(like="resnet50-moco-v2-800", architecture=NETWORK))
    assert spec == encoders()["my-moco"] == encoder_spec("my-moco")
    assert set(encoders()) - set(before) == {"my-moco"}
    assert weights.path_of(spec.weights) == file
    assert [path.name for path in (folder / "weights").rglob("*") if path.is_file()] == ["my-moco.toml"]
    like = encoder_spec("resnet50-moco-v2-800")
    assert (spec.regime, spec.method) == (like.regime, like.method)
    assert (spec.layout, spec.pooling) == ("map", "avg")
    # Of another network than its neighbour's, so the input is that network's own.
    assert spec.preprocessing == Preprocessing(224, 235, "bicubic")
    assert "prefix 'module.encoder_q.'; left out: fc (2 tensors)." in spec.note
    assert spec.feature_dim == 512
    assert spec.target_layer == "layer4"
    assert (spec.pretraining.data, spec.pretraining.epochs, spec.licence) == ("unknown", None, "unknown")
    loaded = encoder.load("my-moco", CPU)
    assert torch.equal(loaded.network.conv1.weight, tensors()["conv1.weight"])


@pytest.mark.usefixtures("untried")
def test_a_method_means_its_entries_for_the_network(folder: Path) -> None:
    spec = own.add(moco_file(folder / "mine.pth"), "mine", Said(like="moco", architecture=NETWORK))
    assert spec.weights.prefix == "module.encoder_q."
    assert spec.method.startswith("MoCo")
    assert own.add(moco_file(folder / "v2.pth"), "v2", Said(like="MoCo-v2", architecture=NETWORK)).method == "MoCo v2"


@pytest.mark.usefixtures("untried")
def test_nothing_is_claimed_that_nobody_said(folder: Path) -> None:
    spec = own.add(moco_file(folder / "mine.pth"), "mine", Said(architecture=NETWORK))
    assert (spec.regime, spec.method, spec.family) == ("unknown", "unknown", "other")
    said = Said(architecture=NETWORK, regime="supervised", method="cross-entropy", like="resnet50-moco-v2-800")
    spec = own.add(moco_file(folder / "two.pth"), "two", said)
    assert (spec.regime, spec.method) == ("supervised", "cross-entropy")
    with pytest.raises(UnknownName, match="no regime called 'magic'"):
        own.add(folder / "two.pth", "three", Said(architecture=NETWORK, regime="magic"))
    with pytest.raises(InvalidRequest, match="Say which network it is"):
        own.add(folder / "two.pth", "three", Said())


@pytest.mark.usefixtures("untried")
def test_preprocessing_is_the_networks_own_or_what_was_said(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    given = {"size": 96, "crop": 0.8, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear"}
    spec = own.add(file, "mine", Said(architecture=NETWORK, preprocessing=given))
    assert spec.preprocessing == Preprocessing(96, 120, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert encoder_spec("mine").preprocessing == spec.preprocessing
    for wrong in ({"size": 8}, {"resize": 100}, {"std": [1, 1, 0]}, {"crop": 1.5}):
        with pytest.raises(InvalidRequest):
            own.add(file, "other", Said(architecture=NETWORK, preprocessing=wrong))


@pytest.mark.usefixtures("untried")
def test_a_changed_file_is_told(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    own.add(file, "mine", Said(like="moco", architecture=NETWORK))
    torch.save({"state_dict": {}}, file)
    with pytest.raises(WeightsInvalid, match=r"mine\.pth is not the file.*add it again under another name"):
        encoder.load("mine", CPU)


@pytest.mark.usefixtures("untried")
def test_a_head_in_the_file_is_kept(folder: Path) -> None:
    file = folder / "supervised.pth"
    torch.save(tensors() | {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.arange(1000.0)}, file)
    spec = own.add(file, "mine", Said(architecture=NETWORK))
    assert store.tasks_of(spec) == ["imagenet-1k"]
    head = store.load(encoder.load("mine", CPU), "imagenet-1k")
    assert torch.equal(head.bias, torch.arange(1000.0))
    few = folder / "few.pth"
    torch.save(tensors() | {"fc.weight": torch.ones(5, 512), "fc.bias": torch.ones(5)}, few)
    assert own.add(few, "few", Said(architecture=NETWORK)).heads == ()


def test_what_does_not_fit_is_refused_and_leaves_nothing(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    with pytest.raises(WeightsInvalid, match=r"does not fit resnet34: .*Probably it is of a shallower network"):
        own.add(file, "mine", Said(architecture="resnet34"))
    (folder / "text.pth").write_text("no weights")
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        own.add(folder / "text.pth", "mine", Said(architecture=NETWORK))
    torch.save({"epoch": 3}, folder / "none.pth")
    with pytest.raises(WeightsInvalid, match="holds no named tensors"):
        own.add(folder / "none.pth", "mine", Said(architecture=NETWORK))
    assert not own_folder().exists()
    assert "mine" not in encoders()


def test_a_file_that_would_run_code_is_refused(folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "ran"),)

    torch.save({"state_dict": Evil()}, folder / "evil.pth")
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        own.add(folder / "evil.pth", "mine", Said(like="resnet50-moco-v2-800", architecture=NETWORK))
    assert not (folder / "ran").exists()


@pytest.mark.usefixtures("untried")
def test_names_are_checked(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    for bad in ("", "../up", "Upper", "a b", "x" * 65):
        with pytest.raises(InvalidRequest, match="no good name"):
            own.add(file, bad, Said(like="moco", architecture=NETWORK))
    own.add(file, "mine", Said(like="moco", architecture=NETWORK))
    for taken in ("mine", "resnet50-dino", "simclr"):
        with pytest.raises(InvalidRequest, match=f"called '{taken}' already"):
            own.add(file, taken, Said(like="moco", architecture=NETWORK))


@pytest.mark.usefixtures("untried")
def test_choices_are_listed(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    with pytest.raises(UnknownName, match=r"no encoder or method called 'moko'\. Nearest of \d+: .*oco"):
        own.add(file, "mine", Said(like="moko", architecture=NETWORK))
    with pytest.raises(UnknownName, match=r"no architecture .* called 'resnet18x'\. Nearest of \d+: resnet18"):
        own.add(file, "mine", Said(like="resnet50-moco-v2-800", architecture="resnet18x"))
    with pytest.raises(InvalidRequest, match=r"several networks\. Name the architecture: .*resnet50.*vit_base"):
        own.add(file, "mine", Said(like="MoCo v3"))
    with pytest.raises(WeightsUnavailable, match=r"no file .*absent\.pth"):
        own.add(folder / "absent.pth", "mine", Said(like="moco", architecture=NETWORK))


@pytest.mark.usefixtures("untried")
def test_a_damaged_entry_is_told_and_the_others_stay(folder: Path) -> None:
    own.add(moco_file(folder / "mine.pth"), "mine", Said(like="moco", architecture=NETWORK))
    assert unreadable() == ()
    (own_folder() / "broken.toml").write_text("label = ")
    (own_folder() / "resnet50-dino.toml").write_text((own_folder() / "mine.toml").read_text())
    text = (own_folder() / "mine.toml").read_text()
    (own_folder() / "wrong.toml").write_text(text.replace('regime = "self-supervised"', 'regime = "magic"'))
    (own_folder() / "zero.toml").write_text("architecture = 0")
    first, second, third, fourth = unreadable()
    assert "broken.toml is left out" in first
    assert "there is no regime 'magic'" in third
    assert "the catalog has an encoder of this name" in second
    assert "zero.toml is left out" in fourth
    assert "mine" in encoders()
    assert encoders()["resnet50-dino"].weights.url
    (own_folder() / "mine.toml").unlink()
    assert "mine" not in encoders()


def test_a_file_that_would_fill_the_memory_is_refused_before_this_process_reads_it(folder: Path) -> None:
    file = swollen(folder / "swollen.pth")
    with pytest.raises(WeightsInvalid, match=r"^\S+ was not read: it needs more memory than a file"):
        own.add(file, "mine", Said(like="resnet50-moco-v2-800", architecture=NETWORK))


def test_a_conversion_beside_stands_for_a_file_that_cannot_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "mine.pth"
    kept = {f"module.encoder_q.{key}": value for key, value in tensors().items()}
    torch.save({"state_dict": kept, "path": Path("x")}, file)
    with pytest.raises(WeightsInvalid, match="models convert"):
        own.add(file, "mine", Said(like="resnet50-moco-v2-800", architecture=NETWORK))
    converting.convert(file, reading.converted_path(file))
    monkeypatch.setattr(reading, "plain", lambda *_: pytest.fail("the pickle was opened"))
    spec = own.add(file, "mine", Said(like="resnet50-moco-v2-800", architecture=NETWORK))
    assert spec.weights.reader == "converted"
    assert torch.equal(encoder.load("mine", CPU).network.conv1.weight, tensors()["conv1.weight"])


@pytest.mark.parametrize(("value", "may"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_a_server_says_whether_paths_may_be_named(value: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_ALLOW_PATHS", value)
    assert own.allowed() == may
