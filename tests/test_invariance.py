"""Sweeps: nothing moves at the identity, points come in order, and what cannot be measured is refused."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
import torch
from toys import CPU, image, literal, small_resnet, small_vit

from core import devices, invariance, pipeline, readout
from core.augmentations import AUGMENTATIONS
from core.errors import InvalidRequest, UnknownName
from core.invariance import Compared, Point
from core.readout import Contender

PICTURES = [image(seed=0), image(60, 90, seed=1), image(64, 64, seed=2)]
every = pytest.mark.parametrize("name", AUGMENTATIONS)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sweep reads in bfloat16 is compared with a float32 reference and so never exactly equal."""
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)


@pytest.fixture(scope="module", params=["resnet", "vit", "packaged"])
def contender(request: pytest.FixtureRequest) -> Contender:
    makers = {
        "resnet": small_resnet,
        "vit": small_vit,
        "packaged": lambda: readout.load_contender("random", "tiny-imagenet", CPU),
    }
    return makers[request.param]()


def points(contender: Contender, name: str, strengths: tuple[float, ...], seeds: int = 2) -> list[Point]:
    return [point for _, _, point in pipeline.sweep(contender, PICTURES, name, strengths, seeds)]


@every
def test_nothing_moves_at_the_identity(contender: Contender, name: str) -> None:
    augmentation = AUGMENTATIONS[name]
    (point,) = points(contender, name, (augmentation.identity,))
    assert point.cosine.shape == (3, 2 if augmentation.seeded else 1)
    np.testing.assert_allclose(point.cosine, 1, atol=1e-5)
    assert not point.flipped.any()
    np.testing.assert_allclose(point.drift, 0, atol=1e-5)
    np.testing.assert_allclose(point.map_stability, 1, atol=1e-3)
    np.testing.assert_allclose(point.kept, point.confidence)


@every
def test_something_moves_at_the_strongest(name: str) -> None:
    contender, augmentation = small_resnet(), AUGMENTATIONS[name]
    (point,) = points(contender, name, (augmentation.strengths[-1],))
    assert point.strength == augmentation.strengths[-1]
    assert (point.cosine < 1 - 1e-6).any()
    assert (point.drift > 0).any()
    for values in (point.cosine, point.confidence, point.kept, point.drift):
        assert np.isfinite(values).all()
        assert (values >= -1).all()
        assert (values <= 1).all()
    assert (point.kept <= point.confidence + 1e-12).all()


def test_numbers_of_a_point_by_hand() -> None:
    """A plain red image of .5 under another brightness: the linear toy's feature keeps its direction."""
    contender, brightness = literal(), AUGMENTATIONS["brightness"]
    unit = torch.zeros(1, 3, 8, 8)
    unit[:, 0] = 0.5
    reference = invariance.clean(contender, unit)
    assert reference.predicted.tolist() == [0]
    point = invariance.measure(contender, reference, brightness, brightness.strengths[2], 3)
    assert point.cosine.shape == (1, 3)
    strengths = torch.full((3,), float(brightness.strengths[2]))
    views = brightness.apply(unit.expand(3, -1, -1, -1), strengths, torch.arange(3))
    for seed, red in enumerate(views[:, 0].mean(dim=(1, 2)).tolist()):
        assert red != pytest.approx(0.5)
        assert point.cosine[0, seed] == pytest.approx(1)
        # 16 pixels a cell: logits (16 r + 1/2, 0, 16 r - 3) over a temperature of 2.
        odds = np.exp(np.array([16 * red + 0.5, 0, 16 * red - 3]) / 2)
        assert point.kept[0, seed] == pytest.approx(odds[0] / odds.sum(), rel=1e-4)


def test_curve_does_not_depend_on_company() -> None:
    """Each image, strength and seed stands for itself, however many are measured together."""
    contender = small_resnet()
    (together,) = points(contender, "rotation", (20,), seeds=3)
    for i, picture in enumerate(PICTURES):
        ((_, _, alone),) = pipeline.sweep(contender, [picture], "rotation", (20,), 2)
        np.testing.assert_allclose(alone.cosine[0], together.cosine[i, :2], atol=1e-4)
        np.testing.assert_allclose(alone.map_stability[0], together.map_stability[i, :2], atol=0.05)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    contender = small_resnet()
    (whole,) = points(contender, "noise", (AUGMENTATIONS["noise"].strengths[4],), seeds=4)
    monkeypatch.setitem(invariance.VIEWS_AT_ONCE, "cpu", 5)
    (pieces,) = points(contender, "noise", (AUGMENTATIONS["noise"].strengths[4],), seeds=4)
    np.testing.assert_allclose(pieces.cosine, whole.cosine, atol=1e-5)
    np.testing.assert_array_equal(pieces.prediction, whole.prediction)


def test_points_come_one_by_one_in_order() -> None:
    asked: list[float] = []

    def measure(strength: float) -> Point:
        asked.append(strength)
        empty = np.zeros((1, 1))
        kinds = {"prediction": int, "flipped": bool}
        arrays = {field.name: empty.astype(kinds.get(field.name, float)) for field in fields(Compared)}
        return Point(strength=strength, **arrays)

    running = invariance.sweep(measure, (0, 30, 10))
    assert asked == []
    assert next(running)[:2] == (1, 3)
    assert asked == [0], "the next point is measured only when it is asked for"
    assert [(done, total, point.strength) for done, total, point in running] == [(2, 3, 30), (3, 3, 10)]


def test_default_grid_is_the_augmentations() -> None:
    found = [point.strength for _, _, point in pipeline.sweep(literal(), PICTURES[:1], "blur", seeds=1)]
    assert found == list(AUGMENTATIONS["blur"].strengths)


@pytest.mark.parametrize("strength", [-181.0, 1e9, float("nan"), float("inf")])
def test_strength_out_of_range_is_refused_before_anything_is_read(
    strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readout, "read", lambda *arguments, **options: 1 / 0)
    with pytest.raises(InvalidRequest, match="Rotation cannot have strength"):
        pipeline.sweep(literal(), PICTURES, "rotation", (0, strength))


@pytest.mark.parametrize("seeds", [0, -1, invariance.MAX_SEEDS + 1])
@pytest.mark.parametrize("name", ["rotation", "brightness"])
def test_number_of_seeds_out_of_range_is_refused_at_once(seeds: int, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"1 to {invariance.MAX_SEEDS} seeds"):
        pipeline.sweep(literal(), PICTURES, name, seeds=seeds)


def test_unknown_augmentation_and_empty_grid_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"no augmentation called 'rotatian'.*rotation"):
        pipeline.sweep(literal(), PICTURES, "rotatian")
    with pytest.raises(InvalidRequest, match="at least one strength"):
        list(pipeline.sweep(literal(), PICTURES, "rotation", ()))


def test_table_has_a_row_a_strength_image_and_seed() -> None:
    digests = [picture.digest for picture in PICTURES]
    found = points(small_resnet(), "rotation", (0, 15), seeds=2)
    table = pipeline.points_table(found, "resnet", "rotation", digests)
    assert list(table.columns) == [
        "encoder", "augmentation", "strength", "image", "seed", "cosine", "prediction", "flipped", "confidence", "kept",
        "drift_bits", "map_stability",
    ]  # fmt: skip
    assert len(table) == 2 * 3 * 2
    assert not table.duplicated(["strength", "image", "seed"]).any()
    row = table[(table.strength == 15) & (table.image == digests[2]) & (table.seed == 1)].iloc[0]
    assert row.cosine == found[1].cosine[2, 1]
    assert row.drift_bits == found[1].drift[2, 1]
    assert pd.api.types.is_bool_dtype(table.flipped)
    assert pd.api.types.is_integer_dtype(table.prediction)
