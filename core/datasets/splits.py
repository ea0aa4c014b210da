"""Splits that are the same on every machine: decided by a hash of each sample's id, never by a draw."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2


def _keys(ids: Sequence[str], salt: str) -> NDArray[np.bytes_]:
    return np.array([hashlib.sha256(f"{salt}\n{id}".encode()).digest() for id in ids], dtype="S32")


def held_out(
    ids: Sequence[str], labels: NDArray[np.int64], share: float = VALIDATION_SHARE, salt: str = "validation"
) -> NDArray[np.bool_]:
    """(N,) bool: within each class the `share` of samples whose hashed ids come first.

    At least one sample of a class that has two or more, none of a class that has one. Adding or removing other samples
    moves as few as the counts demand.

    Args:
        ids: (N,) unique.
        labels: (N,) integers.
        share: in (0, 1).
        salt: another one gives another, independent choice; a study puts its seed here.
    """
    keys = _keys(ids, salt)
    mask = np.zeros(len(keys), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(share * len(members))) if len(members) > 1 else 0
        mask[members[np.argsort(keys[members], kind="stable")[:count]]] = True
    return mask


def first_of_each(
    ids: Sequence[str], labels: NDArray[np.int64], train: int, test: int, salt: str = "test"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of `train` and of `test` samples of each class, chosen by hash; ascending, and no sample in both.

    Args:
        ids: (N,) unique.
        labels: (N,) integers.
        train: how many of each class for training; a class with no more than that keeps one for testing.
        test: how many of each class for testing at most; 0 for all the others.
        salt: another one gives another choice.
    """
    keys = _keys(ids, salt)
    chosen: tuple[list[int], list[int]] = ([], [])
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(keys[members], kind="stable")]
        cut = min(train, len(order) - 1)
        chosen[0].extend(order[:cut])
        chosen[1].extend(order[cut : cut + test] if test else order[cut:])
    return np.sort(np.array(chosen[0], np.int64)), np.sort(np.array(chosen[1], np.int64))
