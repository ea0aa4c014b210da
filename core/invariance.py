"""Invariance sweeps: what happens to representation, answer, confidence and map as an augmentation grows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
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

VIEWS_AT_ONCE = {"cpu": 32, "cuda": 256, "mps": 64}
MAX_SEEDS = 32


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Compared:
    """What views say beside their clean images; arrays of one shape.

    Attributes:
        cosine: between the clean and the augmented feature, [-1, 1].
        prediction: class of the augmented view.
        flipped: whether that differs from the clean view's class.
        confidence: calibrated probability of the augmented view's class.
        kept: calibrated probability of the clean view's class, in the augmented view.
        drift: Jensen–Shannon divergence of the two calibrated distributions, bits, [0, 1].
        map_stability: Spearman of the clean class's map before and after, brought back into place; nan where the
            maps overlap too little or one is flat.
    """

    cosine: NDArray[np.float64]
    prediction: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    kept: NDArray[np.float64]
    drift: NDArray[np.float64]
    map_stability: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Point(Compared):
    """One strength, in the augmentation's unit, measured on N images with S seeds each; every array is (N, S)."""

    strength: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Views(Compared):
    """V views, every array (V,), with their (V, D) pooled features."""

    pooled: NDArray[np.float32]


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


def view(
    contender: Contender,
    reference: Clean,
    augmentation: Augmentation,
    owner: NDArray[np.int64],
    strengths: NDArray[np.float64],
    numbers: NDArray[np.int64],
) -> Views:
    """The readout of V views, batch by batch: no more views are in memory than are read at once.

    Args:
        contender: whose representation is measured.
        reference: its readout of N clean images.
        augmentation: what is done to them.
        owner: (V,) which of the N images each view is made of.
        strengths: (V,) how much, in the augmentation's unit, each in its range.
        numbers: (V,) seeds of the draws.
    """
    device = contender.encoder.device
    pooled, logits, stability = [], [], []
    for start in range(0, len(owner), VIEWS_AT_ONCE[device.type]):
        part = slice(start, start + VIEWS_AT_ONCE[device.type])
        at, seeds = (torch.as_tensor(values[part], device=device) for values in (strengths, numbers))
        at = at.float()
        views = augmentation.apply(reference.unit[owner[part]].to(device), at, seeds)
        inputs = normalise(views, contender.encoder.spec.preprocessing)
        read = readout.read(contender, inputs, sweeping=True)
        classes = torch.as_tensor(reference.predicted[owner[part]], device=device)
        maps = cam.class_maps(contender, read, classes)
        pooled.append(read.pooled.cpu().numpy())
        logits.append(read.logits.cpu().numpy())
        stability.append(_stability(reference.maps[owner[part]], maps, augmentation, at, seeds))
    features = np.concatenate(pooled)
    probabilities = confidence_metrics.softmax(np.concatenate(logits), contender.head.temperature)
    prediction = probabilities.argmax(axis=1)
    return Views(
        pooled=features,
        cosine=metrics.cosine_invariance(reference.pooled[owner], features),
        prediction=prediction,
        flipped=prediction != reference.predicted[owner],
        confidence=probabilities.max(axis=1),
        kept=probabilities[np.arange(len(owner)), reference.predicted[owner]],
        drift=metrics.prediction_drift(reference.probabilities[owner], probabilities),
        map_stability=np.concatenate(stability),
    )


def _stability(
    before: NDArray[np.float32], maps: Tensor, augmentation: Augmentation, strengths: Tensor, seeds: Tensor
) -> NDArray[np.float64]:
    """Spearman a view, on the valid overlap; nan where it is undefined."""
    if augmentation.inverse_warp is None:
        back, valid = maps, torch.ones_like(maps, dtype=torch.bool)
    else:
        back, valid = augmentation.inverse_warp(maps, strengths, seeds)
    return metrics.map_equivariance(before, back.float().cpu().numpy(), valid.cpu().numpy())


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
    augmentation.check(strength)
    # At the identity all seeds give the image itself: one view stands for them.
    count = 1 if strength == augmentation.identity else asked
    images = len(reference.unit)
    owner, numbers = np.repeat(np.arange(images), count), np.tile(np.arange(count), images)
    found = view(contender, reference, augmentation, owner, np.full(len(owner), float(strength)), numbers)

    def table(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values.reshape(images, count), asked // count, axis=1)

    arrays = {field.name: table(getattr(found, field.name)) for field in fields(Compared)}
    return Point(strength=float(strength), **arrays)


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
