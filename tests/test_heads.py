"""Heads: fitted as scikit-learn fits them, written and read back, and never used on the wrong encoder."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.nn import functional as F
from toys import TwoChannels, encoder, linear_head, spec

from core.encoders.registry import encoder_spec
from core.errors import HeadUnavailable, UnknownName, WeightsInvalid
from core.heads import fitting, linear, store
from core.heads.knn import knn_probabilities
from core.metrics.calibration import fit_temperature


def clusters(count: int, classes: int = 4, width: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Overlapping Gaussian classes in features of very different scale and offset."""
    generator = torch.Generator().manual_seed(seed)
    centres = 1.5 * torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % classes
    features = centres[labels] + torch.randn(count, width, generator=generator)
    return features * torch.logspace(-2, 2, width) + 5, labels


def test_knn_by_hand() -> None:
    """Cosines 1, .6 and 0 at temperature .2; two neighbours vote."""
    bank = torch.tensor([[2.0, 0], [0.6, 0.8], [0, 3]])
    found = knn_probabilities(torch.tensor([[5.0, 0]]), bank, torch.tensor([1, 0, 2]), classes=4, k=2, temperature=0.2)
    second = np.exp(0.6 / 0.2) / (np.exp(0.6 / 0.2) + np.exp(1 / 0.2))
    np.testing.assert_allclose(found, [[second, 1 - second, 0, 0]], rtol=1e-5)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 1.0), (500, 0.07)])
def test_knn_is_scikit_learns(k: int, temperature: float) -> None:
    bank, bank_labels = clusters(200)
    queries, _ = clusters(1100, seed=1)
    found = knn_probabilities(queries, bank, bank_labels, 4, k, temperature)
    reference = KNeighborsClassifier(
        min(k, 200), metric="cosine", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(bank, bank_labels)
    np.testing.assert_allclose(found, reference.predict_proba(queries), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(1100))


def held_out_tenth(labels: Tensor) -> Tensor:
    """Every tenth sample of each class."""
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        mask[(labels == label).nonzero().flatten()[::10]] = True
    return mask


def test_protocol_end_to_end_agrees_with_scikit_learn() -> None:
    """The same search, by scikit-learn: same C, same answers, same temperature."""
    features, labels = clusters(400)
    held_out = held_out_tenth(labels)
    fit = fitting.fit_linear(features, labels, 4, held_out, "toy", "avg")
    kept, truth = features[~held_out], labels[held_out].numpy()
    scaled, unseen = ((part - kept.mean(0)) / kept.std(0, correction=0) for part in (kept, features[held_out]))
    searched = [
        LogisticRegression(C=c, tol=1e-7, max_iter=5000).fit(scaled, labels[~held_out]) for c in fitting.STRENGTHS
    ]
    scores = [m.score(unseen, truth) for m in searched]
    path = fit.facts["path"]
    np.testing.assert_allclose(path, scores[: len(path)], atol=1e-5)
    assert fit.facts["validation_top1"] == pytest.approx(max(scores)), "nothing better lies behind the search's end"
    losses = [log_loss(truth, m.predict_proba(unseen)) for m in searched]
    best = max(range(len(losses)), key=lambda i: (round(scores[i], 6), -losses[i]))
    assert fit.facts["C"] == fitting.STRENGTHS[best]
    logits = searched[best].decision_function(unseen)
    assert fit.temperature == pytest.approx(fit_temperature(logits, truth), rel=0.01)
    mean, deviation = features.mean(0), features.std(0, correction=0)
    reference = LogisticRegression(C=fit.facts["C"], tol=1e-7, max_iter=5000).fit((features - mean) / deviation, labels)
    fresh, _ = clusters(1000, seed=5)
    ours = F.softmax(F.linear(fresh, fit.weight, fit.bias), dim=1)
    np.testing.assert_allclose(ours, reference.predict_proba((fresh - mean) / deviation), atol=2e-3)


def test_fit_is_repeatable_and_works_inside_inference_mode_with_a_constant_feature() -> None:
    features, labels = clusters(80)
    features[:, 2] = 3
    with torch.inference_mode():
        fit = fitting.fit_linear(features, labels, 4, held_out_tenth(labels), "toy", "avg")
    again = fitting.fit_linear(features, labels, 4, held_out_tenth(labels), "toy", "avg")
    assert torch.equal(again.weight, fit.weight)
    assert again.temperature == fit.temperature
    assert fit.weight.isfinite().all()
    assert not fit.weight[:, 2].any(), "what never changes says nothing"
    assert not fit.weight.requires_grad


@pytest.mark.parametrize(("labels", "classes"), [([0, 0, 2, 2], 3), ([0, 0, 0, 0], 1), ([0, 1, 1, 0], 2)])
def test_fit_refuses_a_class_without_samples(labels: list[int], classes: int) -> None:
    held_out = torch.tensor([True, False, False, True])
    with pytest.raises(ValueError, match="at least two classes, each with samples"):
        fitting.fit_linear(torch.randn(4, 3), torch.tensor(labels), classes, held_out, "toy", "avg")


def test_fit_refuses_to_choose_without_validation() -> None:
    held_out = torch.tensor([False, False])
    with pytest.raises(ValueError, match="no sample is held out"):
        fitting.fit_linear(torch.randn(2, 3), torch.tensor([0, 1]), 2, held_out, "toy", "avg")


def test_round_trip(tmp_path: Path) -> None:
    head = linear_head(torch.randn(5, 7), torch.randn(5), facts={"linear_top1": 12.5, "encoder_sha256": "ab" * 32})
    path = tmp_path / "below" / "toy.safetensors"
    linear.save(head, path)
    back = linear.load(path)
    for name in ("task", "protocol", "pooling", "temperature", "calibrated", "facts"):
        assert getattr(back, name) == getattr(head, name)
    assert torch.equal(back.weight, head.weight)
    assert torch.equal(back.bias, head.bias)
    assert back.weight.dtype == torch.float32
    assert path.stat().st_mode & 0o444 == 0o444, "an installed head is read by other users too"


def test_logits_are_affine_in_float32() -> None:
    head = linear_head(torch.tensor([[1.0, 2], [0, -1]]), torch.tensor([0.5, 0]))
    assert head.logits(torch.tensor([[3.0, 4]]).half()).tolist() == [[11.5, -4]]


GOOD = {"task": "toy", "protocol": "linear", "pooling": "avg", "temperature": 1.0, "calibrated": True, "facts": {}}


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        ({"weight": (3, 2), "bias": (3,)}, None),
        ({"weight": (3, 2), "bias": (3,)}, {"head": "not json"}),
        ({"weight": (3, 2), "bias": (3,)}, {"head": json.dumps({"task": "toy"})}),
        ({"weight": (3, 2), "bias": (3,)}, {"head": json.dumps(GOOD | {"surprise": 1})}),
        ({"weight": (3, 2)}, {"head": json.dumps(GOOD)}),
        ({"weight": (3, 2), "bias": (4,)}, {"head": json.dumps(GOOD)}),
        ({"weight": (3,), "bias": (3,)}, {"head": json.dumps(GOOD)}),
    ],
    ids=["no metadata", "no json", "facts missing", "facts unknown", "no bias", "bias too long", "flat weight"],
)
def test_file_that_is_no_head_is_refused(tmp_path: Path, tensors: dict, metadata: dict | None) -> None:
    path = tmp_path / "head.safetensors"
    save_file({key: torch.zeros(shape) for key, shape in tensors.items()}, path, metadata=metadata)
    with pytest.raises(WeightsInvalid, match=r"head\.safetensors"):
        linear.load(path)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    linear.save(linear_head(torch.randn(5, 7)), path)
    for content in (path.read_bytes()[:-20], b"", b"nonsense" * 10):
        path.write_bytes(content)
        with pytest.raises(WeightsInvalid, match=r"head\.safetensors.*again"):
            linear.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on files, as Linux has it")
def test_a_disk_without_room_keeps_the_head_before(tmp_path: Path) -> None:
    import resource

    path, small = tmp_path / "head.safetensors", linear_head(torch.randn(2, 3))
    linear.save(small, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            linear.save(linear_head(torch.randn(200, 30)), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert torch.equal(linear.load(path).weight, small.weight)
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A packaged head for the encoder called toy, with what a test says of it."""
    monkeypatch.setattr(store, "ASSETS", tmp_path)

    def write(weight: Tensor, sha256: str) -> None:
        head = linear_head(weight, facts={"encoder_sha256": sha256})
        linear.save(head, tmp_path / "heads" / "toy" / "tiny-imagenet.safetensors")

    return write


def test_head_of_this_encoder_loads(packaged) -> None:
    packaged(torch.ones(200, 2), "0" * 64)
    assert store.load(encoder(TwoChannels(), spec()), "tiny-imagenet").weight.shape == (200, 2)
    assert store.tasks_of(spec()) == ["tiny-imagenet"]


def test_head_fitted_on_other_weights_is_refused(packaged) -> None:
    packaged(torch.ones(200, 2), "1" * 64)
    with pytest.raises(WeightsInvalid, match=r"other weights \(1{12}\).*0{12}.*fit-heads"):
        store.load(encoder(TwoChannels(), spec()), "tiny-imagenet")


def test_head_that_fits_neither_task_nor_encoder_is_refused(packaged) -> None:
    packaged(torch.ones(99, 2), "0" * 64)
    with pytest.raises(WeightsInvalid, match="99 classes, the task 200"):
        store.load(encoder(TwoChannels(), spec()), "tiny-imagenet")
    packaged(torch.ones(200, 3), "0" * 64)
    with pytest.raises(WeightsInvalid, match="another encoder"):
        store.load(encoder(TwoChannels(), spec()), "tiny-imagenet")


def test_encoder_without_such_a_head() -> None:
    packaged = encoder_spec("random")
    with pytest.raises(HeadUnavailable, match=r"no head for imagenet-1k.*tiny-imagenet"):
        store.load(encoder(TwoChannels(), packaged), "imagenet-1k")
    with pytest.raises(UnknownName, match="no task called 'nothing'"):
        store.load(encoder(TwoChannels(), packaged), "nothing")
