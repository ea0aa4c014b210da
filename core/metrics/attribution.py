"""Where a model looks: the class activation map, agreement of two maps, and agreement of a map with an object.

Maps are (h, w) on the encoder's native grid (7×7 for ResNet-50 at 224), never upsampled: interpolated cells would count
as evidence that was never computed. The mass of a map is its positive part, ReLU(M).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from core.metrics import _checks as check
from core.metrics._checks import BoolArray, FloatArray

CELLS = (-2, -1)
"""Axes of a map."""
NEGLIGIBLE = 1e-3  # share of the scale of logits below which evidence counts as none


@dataclass(frozen=True, slots=True)
class Overlap:
    """Intersection over union (…) of pairs of regions, and about what two random regions of that size would have."""

    iou: FloatArray
    chance: float


def class_activation_map(feature_map: ArrayLike, weights: ArrayLike) -> FloatArray:
    """Contribution of each cell to each logit, M_c = Σ_k W_ck A_k / (h·w).

    With global average pooling and a linear head this is Grad-CAM before its ReLU (Zhou 2016, Selvaraju 2017) for all
    classes at once, and Σ_ij M_c = z_c − b_c: maps of two models share one scale.

    Args:
        feature_map: A, (…, K, h, w), what the pooling averages.
        weights: W, (C, K), of the linear head.

    Returns:
        (…, C, h, w), signed, in logits per cell.
    """
    features = check.floats("feature_map", feature_map, "(…, K, h, w)")
    head = check.floats("weights", weights, "(C, K)")
    *lead, channels, height, width = features.shape
    if head.shape[1] != channels:
        raise check.bad("weights", f"shape (C, {channels}) to match feature_map", f"shape {head.shape}")
    flat = features.reshape(*lead, channels, height * width)
    return (head @ flat / (height * width)).reshape(*lead, len(head), height, width)


def degenerate(map: ArrayLike, logit_scale: float) -> bool:
    """Whether a map holds no positive evidence worth drawing: max(ReLU(M)) · h·w < `NEGLIGIBLE` · logit_scale.

    A cell's value times the number of cells is the logit that an image of such cells would reach, which does not
    depend on the grid and can be compared with logits.

    Args:
        map: (h, w) class activation map, in logits per cell.
        logit_scale: typical size of the model's logits, > 0, such as their standard deviation over classes.
    """
    values = check.floats("map", map, "(h, w)")
    scale = check.number("logit_scale", logit_scale, 0, inside=True)
    return bool(max(values.max(), 0.0) * values.size < NEGLIGIBLE * scale)


def spearman_agreement(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Spearman rank correlation of two maps over their cells, or of many pairs, ties sharing their mean rank.

    Args:
        a: (…, h, w).
        b: (…, h, w).

    Returns:
        (…) in [−1, 1], higher is more alike, chance 0; nan when a map is constant.
    """
    first, second = _pair(a, b)
    grid = first.shape[-2:]
    shared = np.ones((math.prod(first.shape[:-2]), *grid), np.bool_)
    agreement = spearman(first.reshape(-1, *grid), second.reshape(-1, *grid), shared)
    return agreement.reshape(first.shape[:-2])[()]


def spearman(a: NDArray[np.generic], b: NDArray[np.generic], shared: BoolArray) -> FloatArray:
    """Spearman rank correlation of V pairs of maps at once: on small encoders, one by one costs a third of a sweep.

    Args:
        a: (V, h, w).
        b: (V, h, w).
        shared: (V, h, w) the cells to compare; values of others are not looked at.

    Returns:
        (V,) in [−1, 1]; nan when a map is constant on the shared cells.
    """
    seen = shared.reshape(len(shared), -1)
    both = np.stack((a, b)).reshape(2, *seen.shape)
    if not np.isfinite(both[:, seen]).all():
        raise check.bad("maps", "finite numbers", "NaN or infinite")
    # Cells out of view rank last, so the others keep the ranks that they have among themselves: 1 … n, which average
    # (n + 1)/2, ties or not.
    ranks = np.where(seen, _ranks(np.where(seen, both, np.inf)) - (seen.sum(axis=1)[:, None] + 1) / 2, 0.0)
    # Ranks are halves of whole numbers: these sums are exact in any order.
    scale = np.sqrt(np.prod(np.sum(ranks**2, axis=2), axis=0))
    agreement = np.sum(ranks[0] * ranks[1], axis=1) / np.where(scale > 0, scale, np.nan)
    return np.clip(agreement, -1.0, 1.0)


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1 along the last axis, equal values sharing the mean of theirs; no value is nan."""
    # SciPy's ranks without what SciPy asks first, which on maps this small is most of the time.
    order = values.argsort(axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    begins = np.ones(values.shape, dtype=np.bool_)
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=begins[..., 1:])
    ends = np.roll(begins, -1, axis=-1)
    places = np.arange(values.shape[-1])
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, places, places[-1])[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=-1)
    return ranks


def iou_at(a: ArrayLike, b: ArrayLike, share: float = 0.2) -> Overlap:
    """Intersection over union of the regions that hold the largest values of two maps, or of many pairs.

    Each region has n = round(share · h·w) cells, at least 1. Of cells tied for the last places each belongs in part, as
    if drawn at random: two constant maps agree by chance and not by the order of their cells.

    Args:
        a: (…, h, w).
        b: (…, h, w).
        share: size of the regions, in (0, 1).

    Returns:
        IoU (…) in [0, 1], higher is more alike, with its chance level q / (2 − q), q = n / (h·w).
    """
    first, second = _pair(a, b)
    cells = math.prod(first.shape[-2:])
    size = max(1, round(check.number("share", share, 0, 1, inside=True) * cells))
    common = np.sum(_largest(first, size) * _largest(second, size), axis=CELLS)
    q = size / cells
    return Overlap(iou=common / (2 * size - common), chance=q / (2 - q))


def overlaps(maps: Sequence[ArrayLike]) -> list[Overlap]:
    """`iou_at` of each pair of maps that lie on one grid, in the order of `itertools.combinations`; others are no pair.

    Args:
        maps: (h, w) each.
    """
    return [iou_at(a, b) for a, b in combinations(maps, 2) if np.shape(a) == np.shape(b)]


def _largest(values: FloatArray, size: int) -> FloatArray:
    """Membership in [0, 1] of each cell of (…, h, w) maps in the region of a map's `size` largest; sums to `size`."""
    flat = values.reshape(*values.shape[:-2], -1)
    last = np.partition(flat, -size, axis=-1)[..., -size, None, None]
    above, tied = values > last, values == last
    part = (size - np.count_nonzero(above, axis=CELLS, keepdims=True)) / np.count_nonzero(
        tied, axis=CELLS, keepdims=True
    )
    return above + tied * part


def mass_overlap(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Mass that two maps, or the maps of many pairs, have in common: Σ min(a', b'), each positive part summing to 1.

    The similarity (SIM) of the saliency literature, one minus the total variation distance (Bylinskii et al. 2019).

    Args:
        a: (…, h, w).
        b: (…, h, w).

    Returns:
        (…) in [0, 1], higher is more alike; nan when a map has no positive part.
    """
    first, second = (_mass(values) for values in _pair(a, b))
    return np.minimum(first, second).sum(axis=CELLS)


def centre_shift(a: ArrayLike, b: ArrayLike) -> float:
    """Distance between the centres of mass of two maps' positive parts, in % of the image diagonal.

    Cells are squares, so the diagonal is √(h² + w²) cells.

    Args:
        a: (h, w).
        b: (h, w).

    Returns:
        In [0, 100), lower is more alike; nan when a map has no positive part.
    """
    first, second = (_mass(values) for values in _pair(a, b, "(h, w)"))
    down, right = (float(np.sum((first - second) * place)) for place in np.indices(first.shape))
    return 100 * math.hypot(down, right) / math.hypot(*first.shape)


def effective_cells(map: ArrayLike) -> float:
    """Number of cells that a map's positive evidence is spread over, as a share of all cells.

    exp of the entropy of the evidence's shares, over h·w: the perplexity of where the evidence lies.

    Args:
        map: (h, w).

    Returns:
        In [1/(h·w), 1]: 1/(h·w) all in one cell, 1 everywhere alike; nan when the map has no positive part.
    """
    shares = _mass(check.floats("map", map, "(h, w)"))
    return float(np.exp(special.entr(shares).sum()) / shares.size)


def gini(map: ArrayLike) -> float:
    """Gini coefficient of a map's positive evidence over its cells (Hurley & Rickard 2009, as a measure of sparsity).

    Args:
        map: (h, w).

    Returns:
        In [0, 1 − 1/(h·w)], higher is more concentrated: 0 everywhere alike; nan when the map has no positive part.
    """
    shares = np.sort(_mass(check.floats("map", map, "(h, w)")), axis=None)
    count = len(shares)
    return float(2 * np.arange(1, count + 1) @ shares / count - (count + 1) / count)


def pointing_hit(map: ArrayLike, mask: ArrayLike) -> float:
    """Whether the largest value of a map lies on the object: the pointing game (Zhang et al. 2018).

    No tolerance around the object, which the paper has in pixels: a native cell is wider.

    Args:
        map: (h, w).
        mask: (h, w), the share of each cell that the object covers, in [0, 1]; bool will do.

    Returns:
        In [0, 1], higher is better: the mask at the maximum, averaged over cells tied for it.
        Chance is the mask's mean.
    """
    values, covered = _map_and_mask(map, mask)
    return float(covered[values == values.max()].mean())


def energy_in_mask(map: ArrayLike, mask: ArrayLike) -> float:
    """Share of a map's mass on the object, Σ ReLU(M)·mask / Σ ReLU(M) (energy pointing game, Wang et al. 2020).

    Args:
        map: (h, w).
        mask: (h, w), the share of each cell that the object covers, in [0, 1]; bool will do.

    Returns:
        In [0, 1], higher is better; chance is the mask's mean. nan when the map has no positive part.
    """
    values, covered = _map_and_mask(map, mask)
    return float(np.sum(_mass(values) * covered))


def centred_gaussian(height: int, width: int) -> FloatArray:
    """(h, w) Gaussian about the centre, a quarter of each side in deviation: where photographers put what they show.

    What a map must beat before its evidence on the object says anything of the network.
    """
    down, right = ((np.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    return np.exp(-8 * (down[:, None] ** 2 + right[None] ** 2))


def _mass(values: FloatArray) -> FloatArray:
    """The positive part of each map of (…, h, w) scaled to sum to 1; nan everywhere when there is none."""
    positive = np.maximum(values, 0.0)
    total = positive.sum(axis=CELLS, keepdims=True)
    return positive / np.where(total > 0, total, np.nan)


def _pair(a: ArrayLike, b: ArrayLike, shape: str = "(…, h, w)") -> tuple[FloatArray, FloatArray]:
    first, second = check.floats("a", a, shape), check.floats("b", b, shape)
    check.same_shape("b", second, "a", first)
    return first, second


def _map_and_mask(map: ArrayLike, mask: ArrayLike) -> tuple[FloatArray, FloatArray]:
    values, covered = check.floats("map", map, "(h, w)"), check.units("mask", mask, "(h, w)")
    check.same_shape("mask", covered, "map", values)
    if not covered.any():
        raise check.bad("mask", "an object in at least one cell", "only zeros")
    return values, covered
