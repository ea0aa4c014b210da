"""What the card of an own entry says of it: its head, what was taken over, and who named the network."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BODY, NETWORK, folder, untried
from safetensors.torch import load_file

from core.cli import main
from core.encoders import architectures, own
from core.encoders.own import Said
from core.encoders.registry import encoder_spec
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest
from core.paths import ASSETS

__all__ = ["folder", "untried"]
pytestmark = pytest.mark.usefixtures("untried")

SIZE = {"size": 64, "resize": 64}


def head(classes: int) -> dict[str, torch.Tensor]:
    return {"fc.weight": torch.randn(classes, 256), "fc.bias": torch.zeros(classes)}


@pytest.mark.parametrize(
    ("classes", "said", "unsaid"),
    [
        (1000, "fc: 1000 classes, taken for ImageNet-1k's because there are 1,000.", "left out"),
        (7, "left out: fc (7 classes).", "ImageNet"),
    ],
)
def test_the_note_says_how_many_classes_the_head_has(classes: int, said: str, unsaid: str, folder: Path) -> None:
    torch.save(BODY | head(classes), folder / "mine.pth")
    own.add(folder / "mine.pth", "mine", Said(NETWORK, preprocessing=SIZE))
    note = encoder_spec("mine").note
    assert said in note
    assert unsaid not in note


def test_what_is_taken_over_from_another_entry_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(load_file(ASSETS / "models" / "simclr" / "weights.safetensors"), folder / "mine.pth")
    arguments = ["models", "add", str(folder / "mine.pth"), "--like", "simclr", "--id"]
    assert main([*arguments, "one"]) == 0
    over = "Taken over from simclr: regime self-supervised, method SimCLR, preprocessing."
    assert over in capsys.readouterr().out
    assert over in encoder_spec("one").note
    assert main([*arguments, "two", "--regime", "supervised", "--size", "96"]) == 0
    said = "Taken over from simclr: method SimCLR, what is not said of the preprocessing."
    assert said in capsys.readouterr().out
    assert (encoder_spec("two").regime, encoder_spec("two").method) == ("supervised", "SimCLR")
    assert main([*arguments, "three", "--regime", "supervised", "--method", "mine"]) == 0
    assert "Taken over from simclr: preprocessing." in capsys.readouterr().out
    # Of another network nothing but the training is shared.
    torch.save(architectures.build("resnet18").state_dict(), folder / "mine.pth")
    assert main([*arguments, "four", "--arch", "resnet18", "--size", "64"]) == 0
    assert "Taken over from simclr: regime self-supervised, method SimCLR." in capsys.readouterr().out


NAMED: dict[str, tuple[dict[str, Any], str]] = {
    "PyTorch's example, timm": ({"arch": NETWORK, "epoch": 3}, "arch"),
    "Namespace": ({"args": argparse.Namespace(arch=NETWORK, lr=0.1)}, "args.arch"),
    "Namespace, model": ({"args": argparse.Namespace(model=NETWORK, name="run 7")}, "args.model"),
    "Lightning": ({"hyper_parameters": {"lr": 0.1, "backbone": NETWORK}}, "hyper_parameters.backbone"),
    "solo-learn": ({"hyper_parameters": {"backbone": {"name": NETWORK}}}, "hyper_parameters.backbone.name"),
    "spelling": ({"arch": NETWORK.upper()}, "arch"),
    "twice alike": ({"arch": NETWORK, "args": argparse.Namespace(arch=NETWORK)}, "arch"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_file_that_names_its_network_needs_no_arch(name: str, folder: Path) -> None:
    content, where = NAMED[name]
    torch.save({"state_dict": BODY} | content, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said(preprocessing=SIZE))
    assert spec.architecture == NETWORK
    assert f"The file names its network itself: {NETWORK} ('{where}')." in spec.note


def test_what_is_said_comes_before_what_the_file_says(folder: Path) -> None:
    torch.save({"state_dict": BODY, "arch": "resnet50"}, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said(NETWORK, preprocessing=SIZE))
    assert spec.architecture == NETWORK
    assert "names its network" not in spec.note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"arch": "my_net"}, r"Say which network it is.*The file calls it 'my_net' \('arch'\), which neither"),
        ({"arch": NETWORK, "args": {"model": "resnet50"}}, r"several networks: .*'arch'.*resnet50 \('args\.model'\)"),
        ({"args": {"name": NETWORK}, "epoch": 3}, "Say which network it is"),
    ],
)
def test_what_the_file_says_must_be_known_and_one(content: dict[str, Any], said: str, folder: Path) -> None:
    torch.save({"state_dict": BODY} | content, folder / "mine.pth")
    with pytest.raises(InvalidRequest, match=said):
        own.add(folder / "mine.pth", "mine", Said())


def test_the_preprocessing_is_that_of_the_network_the_file_names(folder: Path) -> None:
    torch.save({"state_dict": architectures.build("resnet18").state_dict(), "arch": "resnet18"}, folder / "mine.pth")
    assert own.add(folder / "mine.pth", "mine", Said()).preprocessing == Preprocessing(224, 235, "bicubic")
