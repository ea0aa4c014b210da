"""How far an image lies from all that a task shows: a reason not to believe any of its classes."""

from numpy.typing import ArrayLike

from core.metrics import _checks as check
from core.metrics._checks import FloatArray


def outlyingness(energy: ArrayLike, distance: ArrayLike, reference: ArrayLike) -> FloatArray:
    """Share of the task's own test images that lie nearer: the larger of both shares, by energy and by distance.

    Energy (Liu et al. 2020) asks whether any class speaks for the image, the distance of its feature to the task's
    training images (Sun et al. 2022) whether anything like it was seen. As the larger of two shares it exceeds .99 for
    up to 2 % of the task's own images.

    Args:
        energy: (N,) −logsumexp of the raw logits.
        distance: (N,) distances to the k-th nearest training feature.
        reference: (M, 2) energies and distances of test images; each column by itself, so quantiles serve as well.

    Returns:
        (N,) in [0, 1]: 0 more familiar than every test image, 1 stranger than every one.
    """
    columns = check.floats("energy", energy, "(N,)"), check.floats("distance", distance, "(N,)")
    if columns[0].shape != columns[1].shape:
        raise check.bad("distance", f"as many values as energy, {len(columns[0])}", len(columns[1]))
    known = check.floats("reference", reference, "(M, 2)")
    if known.shape[1] != 2:
        raise check.bad("reference", "two columns, energy and distance", f"shape {known.shape}")
    nearer = [(known[:, i] < column[:, None]).mean(axis=1) for i, column in enumerate(columns)]
    larger: FloatArray = nearer[0].clip(min=nearer[1])
    return larger
