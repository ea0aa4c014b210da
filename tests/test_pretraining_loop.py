"""Training on sixteen images of noise: losses, checkpoints, and what is shipped in the end."""

import csv
import math
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from toys import CPU, resnet18

from core.datasets.memory import LabelledImages
from core.encoders import architectures, encoder, registry
from core.errors import InvalidRequest
from core.heads.linear import LinearHead
from core.pretraining import export, loop
from core.pretraining import recipe as recipes
from core.pretraining.methods import METHODS
from core.pretraining.recipe import Recipe

TRAINED = [name for name in METHODS if name != "random"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    # No fewer than 16 channels, see toys.small_resnet.
    build = lambda: resnet18(width=16, stem_stride=2)  # noqa: E731
    monkeypatch.setitem(architectures.OWN, "tiny", build)


def recipe(method: str, **changed) -> Recipe:
    facts = {"architecture": "tiny", "size": 16, "sizes": ((1.0, 16),), "epochs": 2, "batch": 8, "warmup": 1}
    options = {"temperature": 0.2, "hidden": 32, "redundancy": 5e-3}
    return replace(
        recipes.load("small/supervised"), **(facts | {"id": method, "method": method, "options": options} | changed)
    )


def noise(count: int = 17) -> LabelledImages:
    """Random images; the second class is darker."""
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 256, (count, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return LabelledImages(pixels // (1 + labels.view(-1, 1, 1, 1)).to(torch.uint8), labels, ("a", "b"))


def silent(line: str) -> None:
    """Nobody reads the log of a test."""


def run(plan: Recipe, out: Path) -> tuple[list[loop.Epoch], nn.Module]:
    out.mkdir(exist_ok=True)
    return loop.train(plan, noise(), noise(10), CPU, out, silent)


@pytest.mark.parametrize("method", TRAINED)
def test_two_epochs(method: str, tmp_path: Path) -> None:
    plan, lines = recipe(method), []
    history, network = loop.train(plan, noise(), noise(10), CPU, tmp_path, lines.append)
    assert [row.epoch for row in history] == [1, 2]
    assert all(math.isfinite(row.loss) and row.loss > 0 for row in history)
    assert all(0 <= row.knn_top1 <= 100 for row in history)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    with (tmp_path / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(loop.Epoch.__slots__)
    assert [float(row["loss"]) for row in rows] == pytest.approx([row.loss for row in history], abs=1e-4)
    assert [plan.id in line for line in lines] == [True, True]
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("method", TRAINED)
def test_resumed_run_is_the_uninterrupted_one_bit_for_bit(method: str, tmp_path: Path) -> None:
    plan = recipe(method, epochs=3)
    whole_history, whole = run(plan, tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    killed = loop.Trainer(plan, noise(), CPU, tmp_path / "broken")
    killed.close_epoch(killed.epoch(), 0.0)
    torch.manual_seed(12345)  # whatever happened in between
    history, network = run(plan, tmp_path / "broken")
    assert [row.loss for row in history] == [row.loss for row in whole_history]
    expected = whole.state_dict()
    for key, value in network.state_dict().items():
        assert torch.equal(value, expected[key]), key


class Killed(Exception):
    """What a power cut looks like to a test."""


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_run_killed_within_an_epoch_is_the_unbroken_one_bit_for_bit(batches, tmp_path: Path, monkeypatch) -> None:
    plan = recipe("simclr", batch=4)
    whole_history, whole = run(plan, tmp_path / "whole")
    (tmp_path / "broken").mkdir()
    monkeypatch.setattr(loop, "MINUTES_BETWEEN_CHECKPOINTS", -1)  # after every batch
    with monkeypatch.context() as patch:
        written = []
        save = loop.Trainer.save

        def dies(trainer: loop.Trainer) -> None:
            save(trainer)
            written.append(trainer.run.step)
            if len(written) == batches:
                raise Killed

        patch.setattr(loop.Trainer, "save", dies)
        with pytest.raises(Killed):
            run(plan, tmp_path / "broken")
    assert written == list(range(1, batches + 1)), "killed within the first epoch"
    history, network = run(plan, tmp_path / "broken")
    assert [row.loss for row in history] == [row.loss for row in whole_history]
    for key, value in network.state_dict().items():
        assert torch.equal(value, whole.state_dict()[key]), key


def test_finished_run_is_only_read(tmp_path: Path) -> None:
    plan = recipe("supervised")
    history, first = run(plan, tmp_path)
    again, second = run(plan, tmp_path)
    assert again == history
    for key, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[key])


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    run(recipe("supervised", epochs=1, warmup=0), tmp_path)
    with pytest.raises(InvalidRequest, match=r"checkpoint\.pt was made by another recipe"):
        run(recipe("supervised", epochs=1, warmup=0, learning_rate=0.1), tmp_path)


def test_fewer_images_than_a_batch_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"17 images.*batch of 32"):
        run(recipe("supervised", batch=32), tmp_path)


def test_diverged_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"loss became (nan|inf).*Lower the learning rate"):
        run(recipe("supervised", learning_rate=1e30, epochs=3), tmp_path)


def test_untrained_member_gets_the_statistics_of_its_data(tmp_path: Path) -> None:
    (history, network) = run(recipe("random", epochs=0), tmp_path)
    assert len(history) == 1
    assert math.isnan(history[0].loss)
    assert network.bn1.running_var.std() > 0
    assert not (tmp_path / "checkpoint.pt").exists()
    again = run(recipe("random", epochs=0), tmp_path)[1].state_dict()
    assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())


def test_features_leave_the_mode_as_found() -> None:
    network = architectures.build("tiny")
    for training in (True, False):
        network.train(training)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        assert loop.features_of(network, noise().images, 16, batch=5).shape == (17, 128)
        assert network.training is training
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def as_shipped(folder: Path, plan: Recipe) -> encoder.Encoder:
    """The encoder as users will load it: from the half-precision file."""
    spec = registry.parse(plan.id, tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))["encoder"])
    network = architectures.build(spec.architecture)
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return encoder.freeze(spec, network, CPU, spec.weights.sha256)


def test_shipped_encoder_is_the_trained_one_in_half_precision(tmp_path: Path) -> None:
    plan = recipe("supervised")
    history, network = run(plan, tmp_path)
    folder = export.export(plan, network, history, "noise, 2 classes", CPU, tmp_path / "assets")
    assert {path.name for path in folder.iterdir()} == {"weights.safetensors", "training.csv", "card.toml"}
    shipped = as_shipped(folder, plan)
    assert not shipped.network.training
    assert shipped.spec.regime == "supervised"
    assert shipped.spec.preprocessing.size == 16
    assert shipped.spec.feature_dim == 128
    assert shipped.sha256 == tomllib.loads((folder / "card.toml").read_text())["encoder"]["weights"]["sha256"]
    trained = network.state_dict()
    for key, value in shipped.network.state_dict().items():
        expected = trained[key].half().to(value.dtype) if value.is_floating_point() else trained[key]
        assert torch.equal(value, expected), key


def test_half_precision_hardly_moves_a_feature(tmp_path: Path) -> None:
    """Of the calibrated untrained member; two epochs on noise leave statistics that amplify any rounding."""
    plan = recipe("random", epochs=0)
    history, network = run(plan, tmp_path)
    folder = export.export(plan, network, history, "noise, 2 classes", CPU, tmp_path / "assets")
    shipped = as_shipped(folder, plan)
    before, after = (loop.features_of(n, noise().images, 16) for n in (network, shipped.network))
    assert nn.functional.cosine_similarity(before, after).min() > 0.99


def test_measured_numbers_reach_the_card(tmp_path: Path) -> None:
    plan = recipe("random", epochs=0)
    export.export(plan, architectures.build("tiny"), [], "noise", CPU, tmp_path)
    facts = {"linear_top1": 7.5, "knn_top1": 5.0, "train_images": 10, "test_images": 5, "l2": 0.1}
    head = LinearHead("toy", "linear", "avg", torch.ones(2, 128), torch.zeros(2), 1.0, True, facts)
    export.add_measured(head, "random", tmp_path)
    card = tomllib.loads((tmp_path / "models" / "random" / "card.toml").read_text())
    assert card["measured"]["toy"] == {"linear_top1": 7.5, "knn_top1": 5.0, "train_images": 10, "test_images": 5}
    assert card["encoder"]["label"] == "ResNet-S · random"


class Identity(nn.Module):
    """Gives its input; stands for encoder and projector."""

    num_features = 128

    def forward(self, x: Tensor) -> Tensor:
        return x


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> float:
    """Eq. 1 of Chen et al. 2020, term by term."""
    views = [v / v.norm() for v in (*first, *second)]
    count = len(first)
    total = 0.0
    for i, view in enumerate(views):
        partner = (i + count) % (2 * count)
        scores = [math.exp(float(view @ other) / temperature) for k, other in enumerate(views) if k != i]
        total -= math.log(math.exp(float(view @ views[partner]) / temperature) / sum(scores))
    return total / (2 * count)


def views_of(count: int, width: int = 128) -> torch.Tensor:
    """First and second views of `count` images, the second near the first."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(count, width, generator=generator), torch.randn(count, width, generator=generator)
    return torch.cat([first, second + 2 * first])


def method_on(name: str, **options: float) -> nn.Module:
    """A method whose encoder and head give what they get."""
    method = METHODS[name](Identity(), 2, recipe(name, options={"hidden": 128} | options))
    method.head = Identity()
    return method


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_simclr_is_nt_xent(temperature: float) -> None:
    outputs = views_of(6)
    found = method_on("simclr", temperature=temperature).objective(outputs, torch.zeros(6)).item()
    assert found == pytest.approx(nt_xent(*outputs.chunk(2), temperature), rel=1e-4)


def test_supcon_by_hand_and_without_equal_labels_is_simclr() -> None:
    outputs, names = views_of(5), [0, 1, 0, 2, 1]
    found = method_on("supcon", temperature=0.2).objective(outputs, torch.tensor(names)).item()
    unit, names = [v / v.norm() for v in outputs], names * 2
    total = 0.0
    for i, view in enumerate(unit):
        scores = {a: math.exp(float(view @ other) / 0.2) for a, other in enumerate(unit) if a != i}
        positives = [a for a in scores if names[a] == names[i]]
        total -= sum(math.log(scores[p] / sum(scores.values())) for p in positives) / len(positives)
    assert found == pytest.approx(total / len(unit), rel=1e-4)
    alone = method_on("supcon", temperature=0.2).objective(outputs, torch.arange(5)).item()
    assert alone == pytest.approx(nt_xent(*outputs.chunk(2), 0.2), rel=1e-4)


def test_barlow_twins_by_hand() -> None:
    outputs = views_of(40, width=6)
    first, second = ((v - v.mean(0)) / v.std(0, unbiased=False) for v in outputs.chunk(2))
    correlation = first.T @ second / 40
    diagonal = (correlation.diagonal() - 1).square().sum()
    apart = correlation.square().sum() - correlation.diagonal().square().sum()
    found = method_on("barlow-twins", redundancy=5e-3).objective(outputs, torch.zeros(40))
    torch.testing.assert_close(found, diagonal + 5e-3 * apart, rtol=1e-3, atol=1e-4)


def test_vicreg_by_hand() -> None:
    outputs = views_of(40, width=6)
    views = outputs.chunk(2)
    distance = (views[0] - views[1]).square().mean()
    spread = sum(torch.relu(1 - (v.var(0) + 1e-4).sqrt()).mean() for v in views) / 2
    covariance = [torch.cov(v.T) for v in views]
    shared = sum((c.square().sum() - c.diagonal().square().sum()) / 6 for c in covariance)
    found = method_on("vicreg").objective(outputs, torch.zeros(40))
    torch.testing.assert_close(found, 25 * distance + 25 * spread + shared, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.regime == "self-supervised"])
def test_self_supervised_methods_never_look_at_labels(name: str) -> None:
    method = METHODS[name](architectures.build("tiny"), 2, recipe(name)).eval()
    views = [torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in (0, 1)]
    assert method.loss(views, torch.zeros(4)) == method.loss(views, torch.ones(4))


def test_supervised_is_cross_entropy_of_both_views() -> None:
    method = METHODS["supervised"](Identity(), 2, recipe("supervised"))
    features, labels = torch.randn(6, 128, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    probabilities = method.head(features).softmax(1)
    expected = -probabilities[torch.arange(6), labels.repeat(2)].log().mean()
    torch.testing.assert_close(method.loss(list(features.chunk(2)), labels), expected)
