"""What a task's own images look like to an encoder, so that a head can say of an image: this may be none of mine."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.metrics.confidence import energy
from core.metrics.domain import knn_distance
from core.metrics.familiarity import outlyingness

BANK = 512
"""Training features that are kept; enough to tell a photo from an X-ray, small enough to ship with every head."""
NEIGHBOUR = 5
QUANTILES = 501
THRESHOLD = 0.99
"""Farther out than this share of the task's own test images, an answer is given with a warning."""


@dataclass(frozen=True, slots=True)
class Familiarity:
    """A task as an encoder sees it.

    Attributes:
        bank: (M, D) features of training images, in half precision.
        reference: (Q, 2) quantiles of the energy and of the distance to the bank, over the test images.
    """

    bank: Tensor
    reference: Tensor

    def of(self, pooled: Tensor, logits: Tensor) -> np.ndarray:
        """(N,) share of the task's test images that lie nearer than each of (N, D) features with (N, C) logits."""
        found = _coordinates(pooled, logits, self.bank)
        return outlyingness(found[:, 0], found[:, 1], self.reference.double().cpu().numpy())


def _coordinates(pooled: Tensor, logits: Tensor, bank: Tensor) -> np.ndarray:
    """(N, 2) energy and distance to the bank."""
    queries, known = (values.double().cpu().numpy() for values in (pooled, bank))
    distance = knn_distance(queries, known, min(NEIGHBOUR, len(known)))
    return np.stack([energy(logits.double().cpu().numpy()), distance], axis=1)


def describe(train: Tensor, test: Tensor, logits: Tensor) -> Familiarity:
    """What (N, D) training features, (M, D) test features and the head's (M, C) test logits look like.

    The bank takes every so many-th training feature, so it holds the classes in their proportions.
    """
    rows = torch.linspace(0, len(train) - 1, min(BANK, len(train)), device=train.device).round().long()
    bank = train[rows].half()
    shares = np.linspace(0, 1, QUANTILES)
    reference = np.quantile(_coordinates(test, logits, bank), shares, axis=0)
    return Familiarity(bank.cpu(), torch.from_numpy(reference).float())
