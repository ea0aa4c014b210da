"""A head that knows its own: near images are familiar, strange ones are told, and the file keeps it."""

from dataclasses import replace
from types import SimpleNamespace

import torch
import toys

from core import pipeline
from core.heads import familiarity, linear
from core.heads.linear import LinearHead


def task(count: int, seed: int) -> torch.Tensor:
    """Features of two classes, each around its own direction."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.eye(2, 16)[torch.arange(count) % 2] * 10
    return centres + torch.randn(count, 16, generator=generator)


def fitted() -> LinearHead:
    train, test = task(800, 0), task(400, 1)
    weight, bias = torch.eye(2, 16), torch.zeros(2)
    known = familiarity.describe(train, test, test @ weight.T)
    return LinearHead("toy", "linear", "avg", weight, bias, 1.0, True, {}, known)


def test_own_images_are_familiar_and_strangers_are_not() -> None:
    head = fitted()
    assert head.familiarity.bank.shape == (familiarity.BANK, 16)
    own, strange = task(400, 2), torch.roll(task(400, 3), 8, dims=1)
    shares = [head.familiarity.of(pooled, head.logits(pooled)) for pooled in (own, strange)]
    assert (shares[0] > familiarity.THRESHOLD).mean() < 0.05
    assert (shares[1] > familiarity.THRESHOLD).all()


def test_bank_of_a_small_task_is_all_it_has() -> None:
    few = task(3, 0)
    known = familiarity.describe(few, few, few[:, :2])
    assert torch.equal(known.bank, few.half())


def test_file_keeps_it_and_a_head_without_stays_without(tmp_path) -> None:
    head = fitted()
    linear.save(head, tmp_path / "with.safetensors")
    again = linear.load(tmp_path / "with.safetensors").familiarity
    assert torch.equal(again.bank, head.familiarity.bank)
    assert torch.equal(again.reference, head.familiarity.reference)
    bare = LinearHead("toy", "native", "avg", torch.ones(2, 4), torch.zeros(2), 1.0, False, {})
    linear.save(bare, tmp_path / "without.safetensors")
    assert linear.load(tmp_path / "without.safetensors").familiarity is None


def test_answer_to_a_strange_image_comes_with_a_warning(monkeypatch) -> None:
    contender = toys.small_resnet(classes=2)
    monkeypatch.setattr(pipeline, "task", lambda id: SimpleNamespace(classes=("day", "night")))
    known, strange = (toys.image(seed=s) for s in (1, 2))
    readings = pipeline.read_images(contender, [known, strange])
    assert [pipeline.outlyingness(contender, reading) for reading in readings] == [None, None]
    assert [pipeline.unfamiliar(contender, reading) for reading in readings] == ["", ""]
    own = torch.from_numpy(readings[0].pooled)[None] + 1e-3 * torch.randn(50, readings[0].pooled.size)
    head = contender.head
    taught = replace(contender, head=replace(head, familiarity=familiarity.describe(own, own, head.logits(own))))
    found = [pipeline.outlyingness(taught, reading) for reading in readings]
    assert found[0] < 1
    assert found[1] == 1
    assert pipeline.unfamiliar(taught, readings[1]) == (
        "Unlike 99% of this task's images: it may be none of its 2 classes."
    )
