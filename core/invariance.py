"""Invariance sweeps: what happens to representation, answer, confidence and map as an augmentation grows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import readout
from core.attribution import cam
from core.augmentations.spec import Augmentation
from core.encoders.preprocess import normalise
from core.errors import InvalidRequest
from core.metrics import confidence as confidence_metrics
from core.metrics import invariance as metrics
from core.readout import Contender

VIEWS_AT_ONCE = {"cpu": 32, "cuda": 256}
MAX_SEEDS = 32


@dataclass(frozen=True, slots=True)
class Point:
    """One strength, measured on N images with S seeds each; every array is (N, S).

    Attributes:
        strength: in the augmentation's unit.
        cosine: between the clean and the augmented feature, [-1, 1].
        prediction: class of the augmented view.
        flipped: whether that differs from the clean view's class.
        confidence: calibrated probability of the augmented view's class.
        kept: calibrated probability of the clean view's class, in the augmented view.
        drift: Jensen–Shannon divergence of the two calibrated distributions, bits, [0, 1].
        map_stability: Spearman of the clean class's map before and after, brought back into place; nan where the
            maps overlap too little or one is flat.
    """

    strength: float
    cosine: NDArray[np.float64]
    prediction: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    kept: NDArray[np.float64]
    drift: NDArray[np.float64]
    map_stability: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clean:
    """What every view is compared with: the readout of the images as they are."""

    unit: Tensor
    pooled: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    maps: NDArray[np.float32]


def clean(contender: Contender, unit: Tensor) -> Clean:
    """The clean side of a sweep for (N, 3, S, S) images in [0, 1]."""
    inputs = normalise(unit.to(contender.encoder.device), contender.encoder.spec.preprocessing)
    # In the precision of the views, or rounding would pass for a change at the identity.
    read = readout.read(contender, inputs, sweeping=True)
    logits = read.logits.cpu().numpy()
    predicted = logits.argmax(axis=1)
    maps = cam.class_maps(contender, read, torch.as_tensor(predicted, device=read.logits.device))
    return Clean(
        unit,
        read.pooled.cpu().numpy(),
        confidence_metrics.softmax(logits, contender.head.temperature),
        predicted,
        maps.cpu().numpy(),
    )


def seeds_for(augmentation: Augmentation, seeds: int) -> int:
    """How many seeds change anything: 1 for an augmentation without randomness.

    Raises:
        InvalidRequest: `seeds` is out of range.
    """
    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidRequest(f"A sweep takes 1 to {MAX_SEEDS} seeds, not {seeds}.")
    return seeds if augmentation.seeded else 1


def augmented(unit: Tensor, augmentation: Augmentation, strength: float, seeds: int) -> Tensor:
    """(N · S, 3, H, W) views in [0, 1], image by image, seed by seed: what a sweep reads and a page shows."""
    augmentation.check(strength)
    views = unit.repeat_interleave(seeds, dim=0) if seeds > 1 else unit
    strengths = torch.full((len(views),), float(strength), device=unit.device)
    numbers = torch.arange(seeds, device=unit.device).repeat(len(unit))
    return augmentation.apply(views, strengths, numbers)


def measure(contender: Contender, reference: Clean, augmentation: Augmentation, strength: float, seeds: int) -> Point:
    """One point of the curve.

    Args:
        contender: whose representation is measured.
        reference: its readout of the clean images.
        augmentation: what is done to them.
        strength: how much, in the augmentation's unit.
        seeds: random draws an image; fewer are used where they change nothing.

    Raises:
        InvalidRequest: strength or seeds are out of range.
    """
    asked = seeds_for(augmentation, seeds)
    # At the identity all seeds give the image itself: one view stands for them.
    count = 1 if strength == augmentation.identity else asked
    device = contender.encoder.device
    views = augmented(reference.unit.to(device), augmentation, strength, count)
    inputs = normalise(views, contender.encoder.spec.preprocessing)
    owner = np.repeat(np.arange(len(reference.unit)), count)
    pooled, logits, maps = [], [], []
    for chunk, owners in zip(
        inputs.split(VIEWS_AT_ONCE[device.type]),
        torch.as_tensor(owner).split(VIEWS_AT_ONCE[device.type]),
        strict=True,
    ):
        read = readout.read(contender, chunk, sweeping=True)
        classes = torch.as_tensor(reference.predicted[owners.numpy()], device=device)
        pooled.append(read.pooled)
        logits.append(read.logits)
        maps.append(cam.class_maps(contender, read, classes))
    probabilities = confidence_metrics.softmax(torch.cat(logits).cpu().numpy(), contender.head.temperature)
    prediction = probabilities.argmax(axis=1)
    before = reference.probabilities[owner]

    def table(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values.reshape(len(reference.unit), count), asked // count, axis=1)

    return Point(
        strength=float(strength),
        cosine=table(metrics.cosine_invariance(reference.pooled[owner], torch.cat(pooled).cpu().numpy())),
        prediction=table(prediction),
        flipped=table(prediction != reference.predicted[owner]),
        confidence=table(probabilities.max(axis=1)),
        kept=table(probabilities[np.arange(len(owner)), reference.predicted[owner]]),
        drift=table(metrics.prediction_drift(before, probabilities)),
        map_stability=table(_stability(reference, torch.cat(maps), augmentation, strength, count)),
    )


def _stability(
    reference: Clean, maps: Tensor, augmentation: Augmentation, strength: float, count: int
) -> NDArray[np.float64]:
    """Spearman a view, on the valid overlap; nan where it is undefined."""
    total = len(maps)
    if augmentation.inverse_warp is None:
        back, valid = maps, torch.ones_like(maps, dtype=torch.bool)
    else:
        strengths = torch.full((total,), float(strength), device=maps.device)
        numbers = torch.arange(count, device=maps.device).repeat(len(reference.unit))
        back, valid = augmentation.inverse_warp(maps, strengths, numbers)
    owner = np.repeat(np.arange(len(reference.unit)), count)
    return _correlations(reference.maps[owner], back.float().cpu().numpy(), valid.cpu().numpy())


def _correlations(
    before: NDArray[np.float32], after: NDArray[np.float32], shared: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """`metrics.map_equivariance` of V pairs of maps at once, bit for bit: on small encoders, one by one costs a third.

    Args:
        before: (V, h, w) clean maps.
        after: (V, h, w) maps brought back into place; values of cells that are not shared are not looked at.
        shared: (V, h, w).

    Returns:
        (V,); nan with fewer than 3 shared cells, or when a map is constant on them.

    Raises:
        ValueError: a shared cell is not finite.
    """
    seen = shared.reshape(len(shared), -1)
    count = seen.sum(axis=1)
    both = np.stack((before, after)).reshape(2, *seen.shape)
    if not np.isfinite(both[:, seen]).all():
        raise ValueError("maps: expected finite numbers, got NaN or infinite")
    # Cells out of view rank last, so the others keep the ranks that they have among themselves.
    ranks = np.where(seen, _ranks(np.where(seen, both, np.inf)) - (count[:, None] + 1) / 2, 0.0)
    # Ranks are halves of whole numbers: these sums are exact in any order.
    scale = np.sqrt(np.prod(np.sum(ranks**2, axis=2), axis=0))
    defined = (count >= 3) & (scale > 0)
    agreement = np.sum(ranks[0] * ranks[1], axis=1) / np.where(defined, scale, np.nan)
    return np.clip(agreement, -1.0, 1.0)


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
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


def sweep(measure_at: Callable[[float], Point], strengths: Sequence[float]) -> Iterator[tuple[int, int, Point]]:
    """The points of a curve one by one, as (done, in all, point).

    Args:
        measure_at: measures one strength; a page passes its cached version, so that a stopped sweep resumes.
        strengths: in the order to measure.

    Raises:
        InvalidRequest: there is no strength.
    """
    if not strengths:
        raise InvalidRequest("A sweep needs at least one strength.")
    for done, strength in enumerate(strengths, start=1):
        yield done, len(strengths), measure_at(strength)
