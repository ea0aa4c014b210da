"""Whether a map says what the network uses: deletion and insertion (Petsiuk et al. 2018), cell by cell.

Cells of the native grid are covered with the encoder's mean colour, the most important first (deletion), or uncovered
on an image of that colour (insertion); the score is the softmax of the class. Both ends of the path are included. An
order that knows nothing of the image has areas of its own, so every map is read beside a random order and one from
the centre outwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import readout
from core.metrics.confidence import softmax
from core.metrics.invariance import area_under_curve
from core.readout import Contender

STEPS = 8
BATCH = {"cpu": 64, "cuda": 512}


@dataclass(frozen=True, slots=True)
class Areas:
    """Mean probability along a path, [0, 1]: a faithful map has a low `deletion` and a high `insertion`."""

    deletion: float
    insertion: float


def order_of(map: NDArray[np.floating]) -> NDArray[np.int64]:
    """(h·w,) cells of a map, the largest first; of equal ones the first."""
    return np.argsort(-np.asarray(map, np.float64).ravel(), kind="stable")


def centre_first(height: int, width: int) -> NDArray[np.int64]:
    """(h·w,) cells from the centre outwards: where photographers put what they show."""
    down, right = np.indices((height, width))
    distance = np.hypot((down - (height - 1) / 2) / height, (right - (width - 1) / 2) / width)
    return np.argsort(distance.ravel(), kind="stable")


def masks(order: NDArray[np.int64], height: int, width: int, steps: int = STEPS) -> NDArray[np.bool_]:
    """(steps + 1, h, w) bool: which cells a path has reached, from none to all."""
    count = height * width
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    reached = np.linspace(0, count, steps + 1).round()
    return (rank[None] < reached[:, None]).reshape(-1, height, width)


def areas(
    contender: Contender, image: Tensor, label: int, orders: Sequence[NDArray[np.int64]], grid: tuple[int, int]
) -> list[Areas]:
    """Areas of an image under each of some orders.

    Args:
        contender: who answers.
        image: (3, S, S) normalised, in which the mean colour is 0.
        label: of the class whose probability is followed.
        orders: of the cells.
        grid: (h, w) of the cells.
    """
    reached = np.concatenate([masks(order, *grid) for order in orders])
    curves = _scores(contender, image, label, reached).reshape(2, len(orders), STEPS + 1)
    path = np.linspace(0, 1, STEPS + 1)
    return [
        Areas(area_under_curve(path, gone), area_under_curve(path, come)) for gone, come in zip(*curves, strict=True)
    ]


def _scores(contender: Contender, image: Tensor, label: int, reached: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(2 · M,) probability of a class when what is reached is covered, then when only that is shown."""
    shown = torch.as_tensor(np.concatenate([~reached, reached]), dtype=image.dtype, device=image.device)
    mask = torch.nn.functional.interpolate(shown[:, None], size=image.shape[-2:], mode="nearest")
    logits = []
    for part in mask.split(BATCH[image.device.type]):
        logits.append(readout.read(contender, image[None] * part, sweeping=True).logits.cpu().numpy())
    return softmax(np.concatenate(logits), contender.head.temperature)[:, label]
