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


def groups_held_out(
    groups: Sequence[str], labels: NDArray[np.int64], share: float = VALIDATION_SHARE, salt: str = "validation"
) -> NDArray[np.bool_]:
    """(N,) bool: whole groups, so many that about `share` of each class is held out, chosen by a hash of their names.

    A group is held out whole, whichever classes it has images of, and each class keeps a group on either side where it
    has two or more that allow it.

    Args:
        groups: (N,) name of the group of each sample.
        labels: (N,) integers.
        share: in (0, 1).
        salt: another one gives another choice.
    """
    names, index = np.unique(np.array(groups), return_inverse=True)
    order = np.argsort(_keys(list(names), salt), kind="stable")
    counts = np.zeros((len(names), int(labels.max()) + 1), np.int64)  # of images, by group and class
    np.add.at(counts, (index, labels), 1)
    held = np.zeros(len(names), dtype=bool)
    left, done = counts.sum(axis=0), np.zeros(counts.shape[1], np.int64)
    for label in np.unique(labels):
        goal = share * counts[:, label].sum()
        for group in order[counts[order, label] > 0]:
            # The group that crosses the goal is taken when that is nearer to it than to stop before.
            enough = done[label] > 0 and done[label] + counts[group, label] / 2 > goal
            empties = ((left - counts[group] == 0) & (counts[group] > 0)).any()
            if not held[group] and not enough and not empties:
                held[group] = True
                left, done = left - counts[group], done + counts[group]
    mask: NDArray[np.bool_] = held[index]
    return mask
