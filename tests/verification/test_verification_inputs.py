"""An own file's preprocessing, held against what BatchNorm kept of training."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from checkpoints import folder, untried
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from core import samples
from core.encoders import own, preprocess
from core.encoders.checked import Check
from core.encoders.own import Said
from core.encoders.registry import encoder_spec
from core.encoders.spec import Preprocessing
from core.paths import ASSETS
from core.verification import inputs, with_files

__all__ = ["folder", "untried"]
pytestmark = pytest.mark.usefixtures("untried")

NETWORK = "resnet-s-64px"
HALF, UNIT = {"mean": [0.5] * 3, "std": [0.5] * 3}, {"mean": [0.0] * 3, "std": [1.0] * 3}
BYTES = {"mean": [0.0] * 3, "std": [1 / 255] * 3}


def trained(id: str = "supervised") -> dict[str, Tensor]:
    """A network of this project, trained with ImageNet's mean and deviation."""
    return load_file(ASSETS / "models" / id / "weights.safetensors")


def verified(folder: Path, tensors: dict[str, Tensor], given: dict[str, list[float]]) -> list[Check]:
    torch.save(tensors, folder / "mine.pth")
    spec = own.add(folder / "mine.pth", "mine", Said(NETWORK, preprocessing={"size": 64, "resize": 64} | given))
    return [check for check in with_files.here(spec) if check.name == inputs.NAME]


@pytest.mark.parametrize("id", ["supervised", "simclr", "random"])
def test_the_preprocessing_of_training_passes(id: str, folder: Path) -> None:
    (check,) = verified(folder, trained(id), {})
    assert check.ok
    assert "Photos give the statistics of training's" in check.detail


@pytest.mark.parametrize("given", [UNIT, HALF, BYTES], ids=["0..1", "-1..1", "0..255"])
def test_another_one_is_told_with_the_one_that_fits(given: dict[str, list[float]], folder: Path) -> None:
    (check,) = verified(folder, trained(), given)
    assert not check.ok
    assert "Input of ImageNet's mean and deviation would fit better" in check.detail
    assert "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" in check.detail


@pytest.mark.parametrize(
    ("scale", "offset", "words", "flags"),
    [
        (1.0, 0.0, "0 to 1", "--mean 0,0,0 --std 1,1,1"),
        (2.0, -1.0, "-1 to 1", "--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5"),
        (255.0, 0.0, "0 to 255", "--std 0.003922,0.003922,0.003922"),
    ],
)
def test_a_network_of_another_input_is_told_which(
    scale: float, offset: float, words: str, flags: str, folder: Path
) -> None:
    """The same network made to read [0, 1] times a scale plus an offset: exact but at the zeros around a picture."""
    tensors = trained()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    weight = tensors["conv1.weight"]
    # (unit - mean) / std = (seen - offset - scale * mean) / (scale * std); the constant moves BatchNorm's mean.
    tensors["conv1.weight"] = weight / (scale * std)
    tensors["bn1.running_mean"] = tensors["bn1.running_mean"] + (weight * (offset + scale * mean) / (scale * std)).sum(
        dim=(1, 2, 3)
    )
    (check,) = verified(folder, tensors, {})
    assert not check.ok
    assert f"Input of {words} would fit better" in check.detail
    assert flags in check.detail


@pytest.mark.parametrize("id", ["supervised", "simclr"])
def test_red_and_blue_swapped_are_told(id: str, folder: Path) -> None:
    """As of photos that OpenCV read: the same network whose first layer meets blue first."""
    tensors = trained(id)
    tensors["conv1.weight"] = tensors["conv1.weight"][:, [2, 1, 0]]
    (check,) = verified(folder, tensors, {"mean": [0.406, 0.456, 0.485], "std": [0.225, 0.224, 0.229]})
    assert not check.ok
    assert "blue first (BGR)" in check.detail
    assert "turn its first layer's weight in the file (weight[:, [2, 1, 0]]) and add" in check.detail
    assert "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" in check.detail


class Seen(nn.Module):
    """A network of another library, known by what its first BatchNorm layers read."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        library, _, model = name.partition(":")
        network = models.get_model(model, weights=None) if library == "torchvision" else timm.create_model(model)
        self.network = network.train()
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # every batch counts alike

    def learn(self, photos: list[np.ndarray], recipe: Preprocessing) -> None:
        units = preprocess.to_unit(preprocess.model_crops(photos, recipe))
        with torch.no_grad():
            self.network(preprocess.normalise(units, recipe))
        self.eval()


OTHERS = ("torchvision:resnet18", "torchvision:mobilenet_v2", "timm:mobilenetv3_small_050", "timm:efficientnet_b0")


@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_others_that_saw_photos_know_them_again(name: str) -> None:
    """Statistics of a pass over halves of the photos that the check does not ask in this form: nearer ones than other
    photos give, as what counts is that wrong inputs stand out."""
    photos = [samples.image(id).rgb for id in inputs.PHOTOS]
    halves = [half for rgb in photos for half in (rgb[: len(rgb) // 2], rgb[len(rgb) // 2 :])]
    usual = Preprocessing(size=96, resize=110)
    network = Seen(name)
    network.learn(halves, usual)
    for given, ok in (({}, True), (UNIT, False), (HALF, False), (BYTES, False)):
        recipe = preprocess.changed(usual, given)
        encoder = SimpleNamespace(network=network, trunk=network.network, spec=SimpleNamespace(preprocessing=recipe))
        (check,) = inputs.of_input(encoder)
        assert check.ok == ok, (given, check.detail)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("first", [0, 1])
def test_networks_of_others_that_saw_other_photos_are_nearest_to_the_right_input(
    name: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second photo is learned from, in pieces, and the others are asked: no picture is on both sides."""
    seen, asked = inputs.PHOTOS[first::2], inputs.PHOTOS[1 - first :: 2]
    monkeypatch.setattr(inputs, "PHOTOS", asked)
    pieces = [
        piece
        for id in seen
        for rows in np.array_split(samples.image(id).rgb, 3)
        for piece in np.array_split(rows, 3, axis=1)
    ]
    usual = Preprocessing(size=96, resize=110)
    network = Seen(name)
    network.learn(pieces, usual)

    def asking(given: dict[str, list[float]]) -> SimpleNamespace:
        recipe = preprocess.changed(usual, given)
        return SimpleNamespace(network=network, trunk=network.network, spec=SimpleNamespace(preprocessing=recipe))

    def far(given: dict[str, list[float]]) -> float:
        encoder = asking(given)
        crops = preprocess.model_crops((samples.image(id).rgb for id in asked), encoder.spec.preprocessing)
        return inputs._apart(encoder, preprocess.to_unit(crops), encoder.spec.preprocessing).far

    # Five photos are too few for the bounds, which are for ten: what holds is that the right input is the nearest.
    assert all(far(given) > 1.2 * far({}) for given in (UNIT, HALF, BYTES))


def test_no_alarm_where_batchnorm_is_folded_or_fresh(folder: Path) -> None:
    tensors = trained()
    for key in tensors:
        if key.endswith("running_mean"):
            tensors[key] = torch.zeros_like(tensors[key])
        if key.endswith("running_var"):
            tensors[key] = torch.ones_like(tensors[key])
    assert verified(folder, tensors, BYTES) == []


def test_statistics_that_no_usual_input_gives_are_no_alarm(folder: Path) -> None:
    """As of pictures unlike photos: some channels hardly ever moved, others more than photos move them."""
    tensors = trained()
    factors = torch.logspace(-1, 1, len(tensors["bn1.running_var"]))
    tensors["bn1.running_var"] = tensors["bn1.running_var"] * factors
    (check,) = verified(folder, tensors, {})
    assert check.ok
    assert "not judged" in check.detail


def test_published_entries_are_not_asked() -> None:
    assert inputs.NAME not in {check.name for check in with_files.here(encoder_spec("supervised"))}
