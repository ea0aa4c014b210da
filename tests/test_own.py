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
from core.encoders.registry import encoder_spec, encoders, own_folder, unreadable
from core.errors import InvalidRequest, UnknownName, WeightsInvalid, WeightsUnavailable
from core.heads import store

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
    spec = own.add(file, "my-moco", like="resnet50-moco-v2-800", architecture=NETWORK)
    assert spec == encoders()["my-moco"] == encoder_spec("my-moco")
    assert set(encoders()) - set(before) == {"my-moco"}
    assert weights.path_of(spec.weights) == file
    assert [path.name for path in (folder / "weights").rglob("*") if path.is_file()] == ["my-moco.toml"]
    like = encoder_spec("resnet50-moco-v2-800")
    assert (spec.layout, spec.pooling, spec.preprocessing) == (like.layout, like.pooling, like.preprocessing)
    assert (spec.regime, spec.method, spec.line) == (like.regime, like.method, like.line)
    assert spec.feature_dim == 512
    assert spec.target_layer == "layer4"
    assert (spec.pretraining.data, spec.pretraining.epochs, spec.licence) == ("unknown", None, "unknown")
    loaded = encoder.load("my-moco", CPU)
    assert torch.equal(loaded.network.conv1.weight, tensors()["conv1.weight"])


@pytest.mark.usefixtures("untried")
def test_a_method_means_the_way_that_fits(folder: Path) -> None:
    """'moco' stands for files of MoCo v1 to v3, laid out in different ways."""
    spec = own.add(moco_file(folder / "mine.pth"), "mine", like="moco", architecture="resnet18")
    assert spec.weights.prefix == "module.encoder_q."
    assert spec.method == "moco"
    assert own.add(moco_file(folder / "v2.pth"), "v2", like="MoCo-v2", architecture="resnet18").method == "MoCo v2"


@pytest.mark.usefixtures("untried")
def test_a_changed_file_is_told(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    own.add(file, "mine", like="moco", architecture=NETWORK)
    torch.save({"state_dict": {}}, file)
    with pytest.raises(WeightsInvalid, match=r"mine\.pth is not the file.*add it again under another name"):
        encoder.load("mine", CPU)


@pytest.mark.usefixtures("untried")
def test_a_head_in_the_file_is_kept(folder: Path) -> None:
    file = folder / "supervised.pth"
    torch.save(tensors() | {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.arange(1000.0)}, file)
    spec = own.add(file, "mine", like="resnet50-supervised", architecture=NETWORK)
    assert store.tasks_of(spec) == ["imagenet-1k"]
    head = store.load(encoder.load("mine", CPU), "imagenet-1k")
    assert torch.equal(head.bias, torch.arange(1000.0))
    few = folder / "few.pth"
    torch.save(tensors() | {"fc.weight": torch.ones(5, 512), "fc.bias": torch.ones(5)}, few)
    assert own.add(few, "few", like="resnet50-supervised", architecture=NETWORK).heads == ()


def test_what_does_not_fit_is_refused_and_leaves_nothing(folder: Path) -> None:
    file = moco_file(folder / "mine.pth", prefix="backbone.")
    with pytest.raises(WeightsInvalid, match=r"module\.encoder_q\."):
        own.add(file, "mine", like="resnet50-moco-v2-800", architecture=NETWORK)
    with pytest.raises(WeightsInvalid, match=r"fits none of \d+ ways to read it like 'moco'\. Like resnet50-moco"):
        own.add(file, "mine", like="moco", architecture=NETWORK)
    (folder / "text.pth").write_text("no weights")
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        own.add(folder / "text.pth", "mine", like="resnet50-moco-v2-800", architecture=NETWORK)
    assert not own_folder().exists()
    assert "mine" not in encoders()


def test_a_file_that_would_run_code_is_refused(folder: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder / "ran"),)

    torch.save({"state_dict": Evil()}, folder / "evil.pth")
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        own.add(folder / "evil.pth", "mine", like="resnet50-moco-v2-800", architecture=NETWORK)
    assert not (folder / "ran").exists()


@pytest.mark.usefixtures("untried")
def test_names_are_checked(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    for bad in ("", "../up", "Upper", "a b", "x" * 65):
        with pytest.raises(InvalidRequest, match="no good name"):
            own.add(file, bad, like="moco", architecture=NETWORK)
    own.add(file, "mine", like="moco", architecture=NETWORK)
    for taken in ("mine", "resnet50-dino", "simclr"):
        with pytest.raises(InvalidRequest, match=f"called '{taken}' already"):
            own.add(file, taken, like="moco", architecture=NETWORK)


@pytest.mark.usefixtures("untried")
def test_choices_are_listed(folder: Path) -> None:
    file = moco_file(folder / "mine.pth")
    with pytest.raises(UnknownName, match=r"no encoder or method called 'moko'\. Known: .*MoCo v2.*SwAV"):
        own.add(file, "mine", like="moko", architecture=NETWORK)
    with pytest.raises(UnknownName, match=r"no architecture .* called 'resnet18x'\. Known: .*resnet50"):
        own.add(file, "mine", like="resnet50-moco-v2-800", architecture="resnet18x")
    with pytest.raises(InvalidRequest, match=r"several networks\. Name the architecture: .*resnet50.*vit_base"):
        own.add(file, "mine", like="MoCo v3")
    with pytest.raises(WeightsUnavailable, match=r"no file .*absent\.pth"):
        own.add(folder / "absent.pth", "mine", like="moco", architecture=NETWORK)


@pytest.mark.usefixtures("untried")
def test_a_damaged_entry_is_told_and_the_others_stay(folder: Path) -> None:
    own.add(moco_file(folder / "mine.pth"), "mine", like="moco", architecture=NETWORK)
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
        own.add(file, "mine", like="resnet50-moco-v2-800", architecture=NETWORK)


def test_a_conversion_beside_stands_for_a_file_that_cannot_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "mine.pth"
    kept = {f"module.encoder_q.{key}": value for key, value in tensors().items()}
    torch.save({"state_dict": kept, "path": Path("x")}, file)
    with pytest.raises(WeightsInvalid, match="models convert"):
        own.add(file, "mine", like="resnet50-moco-v2-800", architecture=NETWORK)
    converting.convert(file, reading.converted_path(file))
    monkeypatch.setattr(reading, "plain", lambda *_: pytest.fail("the pickle was opened"))
    spec = own.add(file, "mine", like="resnet50-moco-v2-800", architecture=NETWORK)
    assert spec.weights.reader == "converted"
    assert torch.equal(encoder.load("mine", CPU).network.conv1.weight, tensors()["conv1.weight"])


@pytest.mark.parametrize(("value", "may"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_a_server_says_whether_paths_may_be_named(value: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_ALLOW_PATHS", value)
    assert own.allowed() == may
