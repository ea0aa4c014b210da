"""Fine-tuning of networks that train in milliseconds: what it can do, what it leaves alone, and how it resumes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study_material import part_of, pictures_material
from toys import TwoChannels, encoder, resnet18, small_vit, spec

from core.encoders.encoder import Encoder
from core.errors import InvalidRequest, UnreadableImage
from core.study import rows
from core.study.protocols import PROTOCOLS, Material, ProtocolAnswers
from core.study.protocols.finetuning import pixels, search


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads on networks this small wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Enough(Exception):
    """Raised in the middle, as the handler of a signal does."""


@contextlib.contextmanager
def fuse(count: int) -> Iterator[None]:
    """Let pixels be read and steps be taken `count` times in all, and end the work at the next."""
    left = count

    def fused(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Enough
            return work(*arguments)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "read", fused(pixels.read))
        patch.setattr(search.TrainingRun, "advance", fused(search.TrainingRun.advance))
        yield


def pictures(name: str, count: int, side: int, seed: int) -> Any:
    """Grey noise over a level of green and blue alike that tells the two classes apart; red says nothing."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 2)
    values = rng.integers(0, 60, (count, side, side + 3, 3))
    values[..., 0] += rng.integers(0, 100, (count, 1, 1))
    values[..., 1:] += 40 + 90 * labels[:, None, None, None]
    return part_of(name, values.astype(np.uint8), labels)


def parts(side: int, train: int = 40, test: int = 30) -> dict[str, Any]:
    return {"train": pictures("train", train, side, 0), "test": pictures("test", test, side, 1)}


def two_channels() -> Encoder:
    return encoder(TwoChannels(), spec())


def resnet() -> Encoder:
    torch.manual_seed(0)
    # No fewer than 16 channels, see toys.small_resnet.
    network = resnet18(width=16, stem_stride=2)
    return encoder(network, spec("resnet", dim=128, size=16))


def vit() -> Encoder:
    return small_vit().encoder


MAKERS: dict[str, tuple[Callable[[], Encoder], int]] = {"resnet": (resnet, 16), "vit": (vit, 32)}
QUICK = {"steps": 10, "batch": 8, "rates": [0.01, 0.001]}


def run(material: Material) -> ProtocolAnswers:
    return PROTOCOLS["fine-tune"].run(material)


def accuracy(answers: ProtocolAnswers, material: Material) -> float:
    return float((answers.logits.argmax(axis=1) == material.test.labels[answers.sample]).mean())


def timeless(answers: ProtocolAnswers) -> dict[str, Any]:
    return {name: fact for name, fact in answers.facts.items() if name != "training_seconds"}


def assert_same(first: ProtocolAnswers, second: ProtocolAnswers) -> None:
    np.testing.assert_array_equal(first.logits, second.logits)
    assert timeless(first) == timeless(second)
    assert first.temperature == second.temperature


def test_beats_the_probe_where_the_encoder_is_blind(tmp_path: Path) -> None:
    """The encoder keeps red, and green minus blue; the classes differ in green plus blue."""
    material = pictures_material(
        two_channels(), parts(8, 100, 60), 2, tmp_path, steps=150, batch=16, rates=[0.03, 0.001]
    )
    assert accuracy(PROTOCOLS["linear"].run(material), material) < 0.75
    answers = run(material)
    assert accuracy(answers, material) > 0.95
    assert answers.sample.tolist() == list(range(60))
    assert answers.episode is None
    facts = answers.facts
    assert facts["validation_top1"] > 0.9
    assert facts["rate"] == 0.03
    assert facts["steps_in_all"] == 150 + sum(record["steps"] for record in facts["members"])
    names = rows.Names("s", "e", "SL", "0", "d", "similar", "test", "fine-tune", 0)
    assert rows.table(names, answers, material.test).num_rows == 60


@pytest.mark.parametrize("name", MAKERS)
def test_the_encoder_stays_as_it_was(name: str, tmp_path: Path) -> None:
    make, side = MAKERS[name]
    shared = make()
    before = {key: value.clone() for key, value in shared.network.state_dict().items()}
    draws = torch.get_rng_state()
    run(pictures_material(shared, parts(side), 2, tmp_path, **QUICK))
    assert not any(module.training for module in shared.network.modules())
    assert not any(p.requires_grad or p.grad is not None for p in shared.network.parameters())
    after = shared.network.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert torch.equal(torch.get_rng_state(), draws)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", MAKERS)
def test_resumed_search_is_the_uninterrupted_one_bit_for_bit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while it reads, in either member, between them, and in the last training."""
    monkeypatch.setattr(search, "SAVE_EVERY", 3)
    make, side = MAKERS[name]
    whole = run(pictures_material(make(), parts(side), 2, tmp_path / "whole", **QUICK))
    for calls in (1, 6, 13, whole.facts["steps_in_all"] - 4):
        folder = tmp_path / str(calls)
        material = pictures_material(make(), parts(side), 2, folder, **QUICK)
        with pytest.raises(Enough), fuse(calls):
            run(material)
        assert not (folder / "result.npz").exists()
        torch.manual_seed(12345)  # whatever happened in between
        assert_same(run(material), whole)


def test_stopped_at_every_turn_it_still_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each life ends a few steps after its last checkpoint."""
    monkeypatch.setattr(search, "SAVE_EVERY", 2)
    whole = run(pictures_material(two_channels(), parts(8), 2, tmp_path / "whole", **QUICK))
    material = pictures_material(two_channels(), parts(8), 2, tmp_path / "broken", **QUICK)
    lives = []
    while not lives or lives[-1] is None:
        try:
            with fuse(6):
                lives.append(run(material))
        except Enough:
            lives.append(None)
        assert len(lives) < 40
    assert len(lives) > 3
    assert_same(lives[-1], whole)


def test_kill_during_a_checkpoint_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(pictures_material(two_channels(), parts(8), 2, tmp_path / "whole", **QUICK))
    material = pictures_material(two_channels(), parts(8), 2, tmp_path / "broken", **QUICK)
    with pytest.raises(Enough), fuse(8):
        run(material)
    before = (tmp_path / "broken" / "state.pt").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(material)
    assert (tmp_path / "broken" / "state.pt").read_bytes() == before
    assert_same(run(material), whole)


def test_finished_search_is_only_read_and_leaves_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "IN_MEMORY", 0)
    material = pictures_material(two_channels(), parts(8), 2, tmp_path, **QUICK)
    first = run(material)
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.npz"]
    with fuse(0):
        again = run(replace(material, encoder=lambda: two_channels()))
    assert_same(again, first)
    assert again.facts["training_seconds"] == first.facts["training_seconds"]


@pytest.mark.parametrize("calls", [8, 10_000])
def test_a_damaged_checkpoint_counts_as_absent(tmp_path: Path, calls: int) -> None:
    """In the middle of a search, and of a finished one."""
    material = pictures_material(two_channels(), parts(8), 2, tmp_path, **QUICK)
    with contextlib.suppress(Enough), fuse(calls):
        run(material)
    (file,) = (path for path in tmp_path.iterdir() if path.name in ("state.pt", "result.npz"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert_same(run(material), run(pictures_material(two_channels(), parts(8), 2, tmp_path / "fresh", **QUICK)))


def test_other_settings_do_not_continue(tmp_path: Path) -> None:
    material = pictures_material(two_channels(), parts(8), 2, tmp_path, **QUICK)
    with pytest.raises(Enough), fuse(8):
        run(material)
    other = {**QUICK, "steps": 12}
    resumed = run(replace(material, options=other))
    assert_same(resumed, run(pictures_material(two_channels(), parts(8), 2, tmp_path / "fresh", **other)))


def test_seed_decides(tmp_path: Path) -> None:
    def answers(seed: int, folder: str) -> ProtocolAnswers:
        return run(pictures_material(two_channels(), parts(8), 2, tmp_path / folder, seed=seed, **QUICK))

    assert_same(answers(0, "a"), answers(0, "b"))
    assert not np.array_equal(answers(0, "c").logits, answers(1, "d").logits)


def test_validation_samples_are_trained_on_in_the_end(tmp_path: Path) -> None:
    """A second class that is held out whole can only be learned in the last training."""
    dark, light = (np.full((20, 8, 8, 3), level, np.uint8) for level in (40, 200))
    for value in dark, light:
        value[..., 2] = 0  # or the encoder would see neither
    own = {
        "train": part_of("train", np.concatenate([dark, light[:1]]), np.array([0] * 20 + [1])),
        "val": part_of("val", light, np.ones(20, np.int64)),
        "test": part_of("test", np.concatenate([dark, light]), np.arange(40) // 20),
    }
    material = pictures_material(two_channels(), own, 2, tmp_path, steps=150, batch=16, rates=[0.01])
    assert material.held_out.sum() == 20
    assert accuracy(run(material), material) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"Option 'steps' of protocol fine-tune must be a whole number from 1 to"),
        ({"rates": []}, r"'rates'.*a list of different numbers from 1e-08 to 100, not \[\]"),
        ({"rates": [0.1, 0.1]}, r"'rates'.*different"),
        ({"decays": [float("nan")]}, r"'decays'.*numbers from 0 to 0\.1"),
        ({"grid": "huge"}, r"'grid'.*one of small, full"),
        ({"epochs": 3}, r"no option 'epochs'\. Its options: batch, decays, grid"),
    ],
)
def test_wrong_options_are_said(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(pictures_material(two_channels(), parts(8), 2, tmp_path, **options))


def test_nothing_to_validate_on_is_said(tmp_path: Path) -> None:
    few = {"train": pictures("train", 2, 8, 0), "test": pictures("test", 4, 8, 1)}
    with pytest.raises(InvalidRequest, match="needs training and validation samples"):
        run(pictures_material(two_channels(), few, 2, tmp_path, **QUICK))


def test_image_that_became_unreadable_is_said(tmp_path: Path) -> None:
    material = pictures_material(two_channels(), parts(8), 2, tmp_path, **QUICK)

    def read(i: int) -> np.ndarray:
        raise UnreadableImage("gone")

    broken = replace(material.images, parts={"train": replace(material.images.parts["train"], read=read)})
    with pytest.raises(UnreadableImage, match="gone"):
        run(replace(material, images=broken))
