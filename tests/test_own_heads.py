"""Heads for an encoder that does not ship: in the user's own folder, and found there by commands and pages."""

from pathlib import Path

import command_line
import pytest
import torch
from command_line import strict
from safetensors.torch import load_file
from study_folders import folder as labelled

from core import paths
from core.cli import main
from core.encoders import own
from core.encoders.own import Said
from core.encoders.partners import order
from core.encoders.registry import encoder_spec, encoders
from core.errors import HeadUnavailable
from core.heads import store
from core.heads.store import path_below
from core.paths import ASSETS, own_folder
from core.readout import shared_contender
from core.tasks import task, tasks

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture
BIRDS = ["--task", "birds", "--label", "Birds", "--domain", "similar"]


@pytest.fixture
def data(tmp_path: Path, nothing_fetched: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A labelled folder; beside it an own encoder called mine, and an app whose assets nobody may write."""
    monkeypatch.setattr("core.encoders.opening.converting.rehearse", lambda path, reader: None)
    torch.save(load_file(ASSETS / "models" / "supervised" / "weights.safetensors"), tmp_path / "mine.pth")
    own.add(tmp_path / "mine.pth", "mine", Said("resnet-s-64px", preprocessing={"size": 64, "resize": 64}))
    return labelled(tmp_path, "birds")


def listed() -> set[Path]:
    return {path for part in ("heads", "tasks") for path in (ASSETS / part).rglob("*")}


def test_a_head_of_an_own_encoder_goes_to_the_users_folder_and_is_found(
    data: Path, picture: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listed()
    assert "birds" not in tasks()
    assert main(["fit-heads", str(data), *BIRDS, "--encoders", "mine", "--device", "cpu", "--json"]) == 0
    captured = capsys.readouterr()
    (row,) = strict(captured.out)
    assert listed() == before
    assert Path(row["file"]) == own_folder() / "heads" / "mine" / "birds.safetensors"
    assert own_folder() == paths.weights_folder() / "own"
    assert f"{row['file']} is the head of mine for birds." in captured.err
    assert task("birds").classes == ("blue", "green", "red")
    assert list(tasks())[-1] == "imagenet-1k"
    assert store.tasks_of(encoder_spec("mine")) == ["birds"]
    assert store.encoders_for("birds") == ["mine"]
    looks = []
    monkeypatch.setattr(store, "own_folder", lambda: (looks.append(1), own_folder())[1])
    for id in tasks():
        assert store.encoders_for(id) == order(name for name, spec in encoders().items() if id in store.tasks_of(spec))
    looks.clear()
    assert store.encoders_for("imagenet-1k")
    assert len(looks) == 1, "one look at the disk, however many encoders there are"
    assert main(["predict", str(picture), "--encoders", "mine", "--task", "birds", "--device", "cpu", "--json"]) == 0
    (read,) = strict(capsys.readouterr().out)
    assert {answer["label"] for answer in read["results"][0]["top"]} == {"blue", "green", "red"}
    # Known from now on: no label, no domain; and other classes under its name are refused.
    assert main(["fit-heads", str(data), "--task", "birds", "--encoders", "mine", "--device", "cpu"]) == 0
    other = labelled(data.parent, "other", classes=2)
    assert main(["fit-heads", str(other), *BIRDS, "--encoders", "mine"]) == 2
    assert "has other classes than" in capsys.readouterr().err


def test_a_head_that_is_fitted_anew_answers_at_once(data: Path) -> None:
    """The encoder stays in memory, as in a server that runs while somebody fits."""
    cpu = torch.device("cpu")
    fit = ["fit-heads", str(data), *BIRDS, "--encoders", "mine", "--device", "cpu"]
    assert main(fit) == 0
    before = shared_contender("mine", "birds", cpu)
    assert shared_contender("mine", "birds", cpu).head is before.head
    # The names of two classes change places.
    for part in ("train", "test"):
        place = data / part
        (place / "red").rename(place / "x")
        (place / "blue").rename(place / "red")
        (place / "x").rename(place / "blue")
    assert main(fit) == 0
    after = shared_contender("mine", "birds", cpu)
    assert after.encoder is before.encoder
    assert not torch.equal(after.head.weight, before.head.weight)
    assert torch.equal(after.head.weight, store.load(after.encoder, "birds").weight)
    path_below(own_folder(), "mine", "birds").unlink()
    with pytest.raises(HeadUnavailable):
        shared_contender("mine", "birds", cpu)


def test_a_task_that_ships_is_not_described_again(data: Path, capsys) -> None:
    arguments = [str(data), "--task", "cifar10", "--label", "x", "--domain", "similar", "--encoders", "mine"]
    assert main(["fit-heads", *arguments]) == 2
    assert "has other classes than" in capsys.readouterr().err


def test_out_still_says_where(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "assets"
    assert main(["fit-heads", str(data), *BIRDS, "--encoders", "mine", "--device", "cpu", "--out", str(out)]) == 0
    assert (out / "heads" / "mine" / "birds.safetensors").is_file()
    assert (out / "tasks" / "birds.toml").is_file()
    assert not (own_folder() / "heads").exists()


def test_a_damaged_task_is_left_out_and_told(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (own_folder() / "tasks").mkdir()
    (own_folder() / "tasks" / "bad.toml").write_text("label = ")
    (own_folder() / "tasks" / "odd.toml").write_text(
        'label = "x"\ndomain = "far"\nclasses = ["a"]\nsource = ""\nlicence = ""'
    )
    assert not {"bad", "odd"} & set(tasks())
    assert "bad.toml is left out" in caplog.text
    assert "there is no domain 'far'" in caplog.text
