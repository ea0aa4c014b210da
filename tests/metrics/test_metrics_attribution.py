from itertools import combinations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy import ndimage, stats
from scipy.spatial.distance import cityblock
from torch import nn

from core.metrics.attribution import (
    centre_shift,
    class_activation_map,
    degenerate,
    effective_cells,
    energy_in_mask,
    gini,
    iou_at,
    mass_overlap,
    overlaps,
    pointing_hit,
    spearman_agreement,
)

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 7, 7))
RAMP = np.arange(25.0).reshape(5, 5)


class Toy(nn.Module):
    """Convolution, global average pooling and a linear head: the shape for which CAM and Grad-CAM coincide."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 6, 3, stride=2)
        self.head = nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def toy() -> tuple[Toy, torch.Tensor, np.ndarray]:
    model = Toy().eval()
    images = torch.randn(2, 3, 11, 11, generator=torch.Generator().manual_seed(1))
    features = model.body(images).detach().numpy()
    return model, images, class_activation_map(features, model.head.weight.detach().numpy())


@pytest.mark.parametrize("target", range(4))
def test_class_activation_map_is_the_grad_cam_of_captum(toy, target: int) -> None:
    model, images, maps = toy
    expected = LayerGradCam(model, model.body).attribute(images, target=target).detach().numpy()
    np.testing.assert_allclose(maps[:, target], expected[:, 0], atol=1e-6)


@pytest.mark.parametrize("target", range(4))
def test_class_activation_map_is_that_of_pytorch_grad_cam_but_for_its_scaling(toy, target: int) -> None:
    model, images, maps = toy
    with GradCAM(model, [model.body]) as method:
        # The package cuts at 0, divides by the maximum and resizes: at the map's own size that leaves the first two.
        method.get_target_width_height = lambda _: maps.shape[:-3:-1]
        found = method(images, [ClassifierOutputTarget(target)] * 2)
    for own, theirs in zip(maps[:, target], found, strict=True):
        positive = np.maximum(own, 0) - np.maximum(own, 0).min()
        np.testing.assert_allclose(theirs, positive / positive.max(), atol=1e-4)


def test_class_activation_maps_sum_to_logits_without_bias(toy) -> None:
    model, images, maps = toy
    expected = (model(images) - model.head.bias).detach().numpy()
    np.testing.assert_allclose(maps.sum(axis=(2, 3)), expected, atol=1e-5)


def test_class_activation_map_by_hand_and_for_any_leading_axes() -> None:
    features = np.array([[[1, 2], [3, 4]], [[0, 1], [0, 1]]])
    assert class_activation_map(features, [[2, -4]]).tolist() == [[[0.5, 0.0], [1.5, 1.0]]]
    assert class_activation_map(RNG.normal(size=(2, 3, 5, 6, 7)), RNG.normal(size=(4, 5))).shape == (2, 3, 4, 6, 7)


def test_degenerate_by_hand() -> None:
    weak = np.full((7, 7), -1.0)
    weak[3, 3] = 1e-4  # an image of such cells would reach a logit of .0049
    assert not degenerate(weak, logit_scale=4.0)
    assert degenerate(weak, logit_scale=5.0)
    assert degenerate(-np.ones((7, 7)), logit_scale=1e-9)
    assert not degenerate(A, logit_scale=1.0)


def test_degenerate_does_not_depend_on_the_grid() -> None:
    # Twice as fine a grid spreads the same logit over four times as many cells.
    for scale in (0.5, 1.0, 2.0):
        assert degenerate(np.full((4, 4), 1e-3 / 16), scale) == degenerate(np.full((8, 8), 1e-3 / 64), scale)


def test_spearman_agreement_is_that_of_scipy() -> None:
    for first, second in ((A, B), (A.round(0), B.round(0)), (A, A + B)):
        expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
        assert spearman_agreement(first, second) == pytest.approx(expected)


def test_spearman_agreement_at_its_limits() -> None:
    assert spearman_agreement(A, np.exp(A)) == pytest.approx(1)
    assert spearman_agreement(A, -A) == pytest.approx(-1)
    assert np.isnan(spearman_agreement(A, np.full((7, 7), 0.3)))


def test_iou_at_by_hand() -> None:
    # The top 5 of a ramp are its last row; the top 5 of its transpose the last column: one cell in common.
    found = iou_at(RAMP, RAMP.T)
    assert found.iou == pytest.approx(1 / 9)
    assert found.chance == pytest.approx(0.2 / 1.8)


def test_iou_at_at_its_limits() -> None:
    assert iou_at(A, A).iou == 1.0
    assert iou_at(RAMP, -RAMP).iou == 0.0
    assert iou_at(A, B, share=1e-9).chance == pytest.approx((1 / 49) / (2 - 1 / 49))


def test_iou_at_of_constant_maps_is_chance() -> None:
    found = iou_at(np.zeros((7, 7)), np.ones((7, 7)))
    assert found.iou == pytest.approx(found.chance)
    assert iou_at(np.zeros((7, 7)), A).iou == pytest.approx(found.chance)


def test_iou_at_of_random_maps_is_near_chance() -> None:
    found = [iou_at(*RNG.random((2, 14, 14))) for _ in range(300)]
    assert np.mean([overlap.iou for overlap in found]) == pytest.approx(found[0].chance, abs=0.01)


def test_mass_overlap_is_one_minus_the_total_variation() -> None:
    masses = [np.clip(values, 0, None).ravel() / np.clip(values, 0, None).sum() for values in (A, B)]
    assert mass_overlap(A, B) == pytest.approx(1 - cityblock(*masses) / 2)


def test_mass_overlap_at_its_limits() -> None:
    assert mass_overlap(A, 9 * A) == pytest.approx(1)
    assert mass_overlap(A, -A) == 0.0
    assert np.isnan(mass_overlap(A, -np.ones((7, 7))))


def test_centre_shift_is_that_of_scipys_centres_of_mass() -> None:
    a, b = RNG.normal(size=(2, 6, 8))
    centres = [np.array(ndimage.center_of_mass(np.clip(values, 0, None))) for values in (a, b)]
    expected = 100 * np.linalg.norm(centres[0] - centres[1]) / 10
    assert centre_shift(a, b) == pytest.approx(expected)


def test_centre_shift_at_its_limits() -> None:
    corner, opposite = np.zeros((2, 3, 4))
    corner[0, 0] = opposite[2, 3] = 1
    assert centre_shift(corner, opposite) == pytest.approx(100 * np.sqrt(13) / 5)
    assert centre_shift(A, A) == 0.0
    assert np.isnan(centre_shift(A, -np.ones((7, 7))))


def test_effective_cells_is_the_perplexity_of_the_evidence() -> None:
    positive = np.clip(A, 0, None).ravel()
    expected = np.exp(stats.entropy(positive / positive.sum())) / 49
    assert effective_cells(A) == pytest.approx(expected)
    assert effective_cells(7 * A) == pytest.approx(expected), "a scale changes no share"


def test_effective_cells_by_hand() -> None:
    # Three quarters and one quarter: 2^(entropy in bits) cells, of six.
    assert effective_cells([[3.0, 1.0, -9.0], [0.0, 0.0, 0.0]]) == pytest.approx(2**0.8112781 / 6)
    assert effective_cells([[2.0, 2.0, -1.0], [2.0, 0.0, 0.0]]) == pytest.approx(3 / 6)


def test_effective_cells_at_its_limits() -> None:
    one = np.zeros((3, 5))
    one[1, 2] = 4
    assert effective_cells(one) == pytest.approx(1 / 15)
    assert effective_cells(np.full((3, 5), 0.2)) == pytest.approx(1)
    assert np.isnan(effective_cells(-np.ones((3, 5))))
    assert np.isnan(effective_cells(np.zeros((3, 5))))


def test_gini_is_half_the_relative_mean_difference_of_all_pairs() -> None:
    for values in (A, B, A.round(0)):
        positive = np.clip(values, 0, None).ravel()
        pairs = sum(abs(x - y) for x in positive for y in positive)
        assert gini(values) == pytest.approx(pairs / (2 * 49 * positive.sum()))
        assert gini(3 * values) == pytest.approx(gini(values))


def test_gini_is_twice_the_area_between_the_lorenz_curve_and_equality() -> None:
    positive = np.sort(np.clip(A, 0, None), axis=None)
    lorenz = np.concatenate([[0], np.cumsum(positive) / positive.sum()])
    assert gini(A) == pytest.approx(1 - 2 * np.trapezoid(lorenz, dx=1 / 49))


def test_gini_at_its_limits() -> None:
    one = np.zeros((3, 5))
    one[1, 2] = 4
    assert gini(one) == pytest.approx(1 - 1 / 15)
    assert gini(np.full((3, 5), 0.2)) == pytest.approx(0)
    assert gini([[1.0, 3.0]]) == pytest.approx(1 / 4)
    assert np.isnan(gini(-np.ones((3, 5))))
    assert np.isnan(gini(np.zeros((3, 5))))


def test_overlaps_are_those_of_pairs_on_one_grid() -> None:
    maps = [RAMP, A, RAMP.T, B, -RAMP]
    found = overlaps(maps)
    named = [(0, 2), (0, 4), (1, 3), (2, 4)]  # of ten pairs those of 5 × 5 with 5 × 5 and 7 × 7 with 7 × 7
    assert len(found) == len(named)
    for (one, two), overlap in zip(named, found, strict=True):
        size = round(0.2 * maps[one].size)
        top = [set(np.argsort(maps[place], axis=None)[-size:].tolist()) for place in (one, two)]
        assert overlap.iou == pytest.approx(len(top[0] & top[1]) / len(top[0] | top[1]))
    assert [overlap.iou for overlap in found[:2]] == pytest.approx([1 / 9, 0])


def test_overlaps_may_be_none() -> None:
    assert overlaps([]) == overlaps([A]) == overlaps([A, RAMP]) == []
    assert overlaps([A, B, A + B]) == [iou_at(x, y) for x, y in combinations((A, B, A + B), 2)]
    assert overlaps([A, A])[0].iou == 1.0


def test_pointing_hit_by_hand() -> None:
    mask = np.zeros((5, 5))
    mask[4, 4] = 1
    assert pointing_hit(RAMP, mask) == 1.0
    assert pointing_hit(-RAMP, mask) == 0.0
    assert pointing_hit(np.ones((5, 5)), mask > 0) == pytest.approx(1 / 25)
    assert pointing_hit(RAMP, 0.25 * mask) == 0.25


def test_energy_in_mask_by_hand() -> None:
    values = [[3.0, -5.0], [1.0, 4.0]]
    assert energy_in_mask(values, [[1, 1], [0, 0]]) == pytest.approx(3 / 8)
    assert energy_in_mask(values, [[0, 0], [0.5, 0.5]]) == pytest.approx(2.5 / 8)
    assert energy_in_mask(values, np.ones((2, 2), dtype=bool)) == 1.0
    assert energy_in_mask(np.ones((4, 4)), np.eye(4)) == pytest.approx(0.25)
    assert np.isnan(energy_in_mask(-np.ones((2, 2)), np.ones((2, 2))))


BAD = [
    (lambda: class_activation_map(A, A), r"feature_map: expected shape \(…, K, h, w\), got shape \(7, 7\)"),
    (
        lambda: class_activation_map(A[None], A),
        r"weights: expected shape \(C, 1\) to match feature_map",
    ),
    (lambda: class_activation_map(A[None] * np.nan, [[1]]), "feature_map: expected finite numbers, got 49 NaN"),
    (lambda: degenerate(A, 0.0), r"logit_scale: expected a number in \(0, inf\), got 0"),
    (lambda: degenerate(A[0], 1.0), r"map: expected shape \(h, w\), got shape \(7,\)"),
    (lambda: spearman_agreement(A, RAMP), r"b: expected the shape of a, \(7, 7\), got shape \(5, 5\)"),
    (lambda: spearman_agreement(np.empty((0, 0)), A), r"a: expected at least one value, got shape \(0, 0\)"),
    (lambda: iou_at(A, B, share=1.0), r"share: expected a number in \(0, 1\), got 1"),
    (lambda: effective_cells(A[0]), r"map: expected shape \(h, w\), got shape \(7,\)"),
    (lambda: gini(A * np.nan), "map: expected finite numbers, got 49 NaN"),
    (lambda: mass_overlap(A, B * np.inf), "b: expected finite numbers, got 49 NaN"),
    (lambda: centre_shift(A, "map"), r"b: expected shape \(h, w\), got shape \(\)"),
    (lambda: pointing_hit(A, RAMP > 3), "mask: expected the shape of map"),
    (lambda: pointing_hit(A, np.zeros((7, 7))), "mask: expected an object in at least one cell, got only zeros"),
    (lambda: energy_in_mask(A, 2 * np.ones((7, 7))), r"mask: expected values in \[0, 1\], got values in \[2, 2\]"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
