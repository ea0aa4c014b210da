"""The grid, the schedule, who ends early, and what a small GPU or a large data set changes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study_material import pictures_material
from test_protocol_finetune import QUICK, accuracy, assert_same, parts, resnet, run, two_channels, vit
from toys import small_vit

from core.encoders import preprocess
from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest
from core.study.protocols.finetuning import network, options, pixels, rules
from core.study.protocols.finetuning.options import Member
from core.study.protocols.finetuning.rules import Check
from core.study.protocols.finetuning.training import Samples, TrainingRun, rate_at


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads on networks this small wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def curve(*top1: float, every: int = 10) -> list[Check]:
    return [Check(every * (i + 1), value, 1 - value) for i, value in enumerate(top1)]


def ending(own: list[Check], leader: list[Check], samples: int = 1000) -> str | None:
    return rules.ending(own, leader, steps=100, patience=3, samples=samples)


def test_grid_of_the_paper() -> None:
    members = options.read({"grid": "full"}).members
    assert len(members) == 56
    rates, decays = ({getattr(m, name) for m in members} for name in ("rate", "decay"))
    np.testing.assert_allclose(sorted(rates), np.logspace(-4, -1, 7))
    np.testing.assert_allclose(sorted(decays), [0, *np.logspace(-6, -3, 7)])
    assert Member(0.01, 1e-4).l2 == pytest.approx(0.01)
    small = options.read({}).members
    assert [(m.rate, m.decay) for m in small] == [(0.01, 0), (0.1, 0), (0.001, 0)]
    assert all(any(m.rate == pytest.approx(rate) for rate in rates) for m in small)
    assert options.read({"grid": "full", "decays": [0]}).members == tuple(Member(r, 0.0) for r in options.FULL_RATES)


def test_schedule_is_half_a_cosine() -> None:
    assert [rate_at(step, 4, 0.2) for step in range(5)] == pytest.approx(
        [0.2, 0.1 + 0.1 * math.sqrt(0.5), 0.1, 0.1 - 0.1 * math.sqrt(0.5), 0]
    )


@pytest.mark.parametrize("steps", [1, 7, 10, 1000, 1003])
def test_checks_are_even_and_the_last_step_is_one(steps: int) -> None:
    looks = [step for step in range(1, steps + 1) if rules.is_check(step, steps)]
    assert len(looks) == min(steps, rules.CHECKS)
    assert looks[-1] == steps
    assert max(np.diff([0, *looks])) <= math.ceil(steps / rules.CHECKS)


def test_leader_is_never_ended() -> None:
    assert ending(curve(0.5, 0.4, 0.4, 0.4, 0.4), []) is None
    assert ending(curve(0.9, 0.4, 0.4, 0.4, 0.4), curve(0.8, 0.8, 0.8)) is None


def test_patience() -> None:
    leader = curve(0.6, 0.6, 0.6, 0.6)
    assert ending(curve(0.58, 0.55, 0.55), leader) is None
    assert ending(curve(0.58, 0.55, 0.55, 0.58), leader) == "patience"
    assert ending(curve(0.5, 0.55, 0.57, 0.58), leader) is None


def test_hopeless_from_a_quarter_on() -> None:
    leader = curve(0.6, 0.7, 0.8, 0.9)
    assert ending(curve(0.1, 0.2), leader) is None
    assert ending(curve(0.1, 0.2, 0.3), leader) == "hopeless"
    # Two standard errors of a difference at .8 of 1,000 samples: .0358.
    assert ending(curve(0.1, 0.2, 0.77), leader) is None
    assert ending(curve(0.1, 0.2, 0.76), leader) == "hopeless"
    # With 20 samples .3 apart is chance.
    assert ending(curve(0.1, 0.2, 0.57), leader, samples=20) is None
    # The leader is taken as it was then, not as it became.
    assert ending(curve(0.6, 0.7, 0.79), leader) is None


def test_diverged() -> None:
    assert ending([Check(10, 0.0, math.inf)], []) == "diverged"
    found = rules.check(3, np.array([[np.nan, 1.0]], np.float32), np.array([1]))
    assert found == Check(3, 0.0, math.inf)


def test_check_of_known_logits() -> None:
    found = rules.check(5, np.log(np.array([[0.8, 0.2], [0.4, 0.6]], np.float32)), np.array([0, 0]))
    assert (found.step, found.top1) == (5, 0.5)
    assert found.loss == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2, rel=1e-6)
    assert rules.leads([found], [])
    assert rules.leads([found], [replace(found, loss=found.loss + 1)])
    assert not rules.leads([found], [found])


def test_members_end_early_and_the_best_wins(tmp_path: Path) -> None:
    """A rate far too small learns nothing, one far too large breaks; both end long before the schedule."""
    material = pictures_material(
        two_channels(), parts(8, 300, 60), 2, tmp_path, steps=150, batch=16, rates=[0.03, 1e-8, 90.0]
    )
    answers = run(material)
    ended = {record["rate"]: (record["ended"], record["steps"]) for record in answers.facts["members"]}
    assert ended[0.03] == ("complete", 150)
    assert ended[1e-8][0] in ("hopeless", "patience")
    assert ended[1e-8][1] <= 75
    assert ended[90.0][1] <= 75
    assert answers.facts["rate"] == 0.03
    assert answers.facts["steps_in_all"] < 450
    assert accuracy(answers, material) > 0.9


def test_divergence_everywhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"diverged at every learning rate\. Lower 'rates'"):
        run(pictures_material(resnet(), parts(16), 2, tmp_path, steps=10, batch=8, rates=[100]))


def samples(count: int = 10, side: int = 20, seed: int = 0) -> Samples:
    values = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Samples(values, np.arange(count) % 2, np.arange(count), seed)


def test_epochs_follow_each_other_without_a_gap() -> None:
    found = samples()
    stream = np.concatenate([found.batch(step, 4) for step in range(10)])
    for epoch in stream.reshape(4, 10).tolist():
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in stream.reshape(4, 10).tolist()}) == 4
    assert sorted(samples(3).batch(0, 6).tolist()) == [0, 0, 1, 1, 2, 2]  # a set smaller than a batch
    assert samples(seed=1).batch(0, 10).tolist() != samples().batch(0, 10).tolist()


def gradient_step(micro: int, **changed: Any) -> dict[str, torch.Tensor]:
    setup = options.read({"steps": 4, "batch": 8, "rates": [0.05]} | changed)
    run = TrainingRun(vit(), 2, setup.members[0], setup, samples(16, 40))
    for _ in range(3):
        run.advance(micro)
    return run.model.state_dict()


@pytest.mark.parametrize("micro", [4, 2, 1, 3])
def test_pieces_of_a_batch_add_up_to_its_gradient(micro: int) -> None:
    whole, pieces = gradient_step(8), gradient_step(micro)
    assert not torch.equal(whole["head.weight"], torch.zeros_like(whole["head.weight"]))
    for key in whole:
        torch.testing.assert_close(pieces[key], whole[key], rtol=1e-4, atol=1e-5)


def test_no_room_halves_the_piece_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = run(pictures_material(vit(), parts(32), 2, tmp_path / "a", **QUICK))
    plain, calls = network.Tuned.forward, []

    def narrow(self: network.Tuned, inputs: torch.Tensor, reduced: bool = False) -> torch.Tensor:
        calls.append(len(inputs))
        if len(calls) > 12 and reduced and len(inputs) > 2:
            raise torch.cuda.OutOfMemoryError("no room")
        return plain(self, inputs, reduced)

    monkeypatch.setattr(network.Tuned, "forward", narrow)
    tight = run(pictures_material(vit(), parts(32), 2, tmp_path / "b", **QUICK))
    assert roomy.facts["micro_batch"] == 8
    assert tight.facts["micro_batch"] == 2
    np.testing.assert_allclose(tight.logits, roomy.logits, rtol=1e-3, atol=1e-3)
    assert [r["ended"] for r in tight.facts["members"]] == [r["ended"] for r in roomy.facts["members"]]


def test_no_room_for_one_sample_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: network.Tuned, inputs: torch.Tensor, reduced: bool = False) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("no room")

    monkeypatch.setattr(network.Tuned, "forward", full)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run(pictures_material(two_channels(), parts(8), 2, tmp_path, **QUICK))


def test_a_file_of_pixels_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = run(pictures_material(two_channels(), parts(8), 2, tmp_path / "a", **QUICK))
    monkeypatch.setattr(pixels, "IN_MEMORY", 0)
    assert_same(run(pictures_material(two_channels(), parts(8), 2, tmp_path / "b", **QUICK)), in_memory)


def test_pixels_in_a_file_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "IN_MEMORY", 0)
    part, reads = parts(8)["train"], []
    counted = replace(part, read=lambda i: (reads.append(i), part.read(i))[1])
    recipe = Preprocessing(8, 8)
    where = [(counted, i) for i in (3, 1, 2)]
    file = tmp_path / "x" / "p.npy"
    for damaged in (False, False, True):
        if damaged:
            file.write_bytes(file.read_bytes()[:-1] + b"!")
        found = pixels.read(where, 8, lambda rgb: preprocess.model_crop(rgb, recipe), file)
        assert sorted(reads) == ([1, 1, 2, 2, 3, 3] if damaged else [1, 2, 3]), "again when the file is damaged"
    np.testing.assert_array_equal(found[np.array([0])][0], preprocess.model_crop(part.read(3), recipe))
    assert sorted(entry.name for entry in (tmp_path / "x").iterdir()) == ["p.npy", "p.sha256"]


def test_training_crop_is_the_centred_square() -> None:
    recipe = Preprocessing(size=8, resize=8)
    assert pixels.training_side(recipe) == 10
    assert pixels.training_side(Preprocessing(224, 320)) == 320
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 10:30] = 200
    found = pixels.training_crop(picture, recipe)
    assert found.shape == (10, 10, 3)
    assert (found[:, 1:-1] == 200).all()
    # The border averages a pixel beyond the square, as every antialiased resampling of a box does.
    assert found[:, [0, -1]].min() > 150


def test_decay_spares_biases_scales_and_positions() -> None:
    tuned = network.Tuned(small_vit().encoder, 2)
    decayed, plain = network.optimiser_of(tuned, 0.1).param_groups
    names = {id(parameter): name for name, parameter in tuned.named_parameters()}
    assert {names[id(p)] for p in plain["params"]} >= {"network.pos_embed", "network.cls_token", "head.bias"}
    assert {names[id(p)] for p in decayed["params"]} >= {"head.weight", "network.patch_embed.proj.weight"}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0)
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


def test_batch_norm_learns_and_forgets_slowly_in_long_epochs() -> None:
    tuned = network.Tuned(resnet(), 2)
    before = tuned.network.bn1.running_mean.clone()
    network.prepare(tuned, 1000)
    assert tuned.network.bn1.momentum == 0.01
    network.prepare(tuned, 10)
    assert tuned.network.bn1.momentum == 0.1
    tuned.train()(torch.randn(4, 3, 16, 16))
    assert not torch.equal(tuned.network.bn1.running_mean, before)
