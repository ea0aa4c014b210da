"""Test images that show what a training image shows, told by features: mirrored, cropped, recoloured, taken again.

SimCLR learns to give the views of one picture one feature, so features of two pictures that are much nearer than the
set's different ones are of one picture. How near is near differs between sets, from X-rays to web photos: a distance
is held against the image's own fourth neighbour and against how near the set's training images are to each other.
Measured on 300 images of each of five sets: none of CIFAR-10, flowers and X-rays was taken for another, one of aerial
scenes, five of brain slices, whose sets hold neighbouring slices. Of mirrored twins 54 to 99 in 100 are found, of twins
cropped to nine tenths 6 to 93, the fewest in X-rays and brain slices, whose different images are alike.
"""

import numpy as np
from numpy.typing import NDArray

ENCODER = "simclr"
"""Ships, and reads 64 pixels: as many images a second as are decoded meanwhile."""

SIDE = 64
MOST = 5_000
"""Images that are asked for their features; of more the question stays open."""

NEIGHBOUR = 4
OF_NEIGHBOUR, OF_MEDIAN = 0.4, 0.4
"""Shares of the distance to the fourth nearest training image, and of the median distance between training images and
their nearest, up to which two images count as one."""

CHUNK = 512


def features_of(glimpses: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, D) features of (N, SIDE, SIDE, 3) pictures."""
    # Listing data sets asks for no features, and is not kept waiting for PyTorch.
    import torch

    from core.encoders import encoder, preprocess
    from core.encoders.resident import residents

    reader = residents().get(ENCODER, torch.device("cpu"))
    recipe = reader.spec.preprocessing
    parts = [
        encoder.features(reader, preprocess.normalise(preprocess.to_unit(glimpses[start : start + CHUNK]), recipe))
        for start in range(0, len(glimpses), CHUNK)
    ]
    return torch.cat(parts).numpy()


def near(features: NDArray[np.float32], tested: NDArray[np.bool_]) -> list[int]:
    """Positions of test images that have a training image which is nearer than different pictures of the set are.

    Args:
        features: (N, D).
        tested: (N,) whether an image is of the test part.
    """
    known, asked = np.flatnonzero(~tested), np.flatnonzero(tested)
    if len(known) < 2 * NEIGHBOUR or not len(asked):
        return []
    centred = features - features[known].mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    # Of a training image the nearest is itself.
    usual = np.median(_nearest(unit[known], unit[known])[:, 1])
    found = _nearest(unit[asked], unit[known])
    first = found[:, 0]
    is_near = (first <= OF_NEIGHBOUR * found[:, NEIGHBOUR - 1]) & (first <= OF_MEDIAN * usual)
    return [int(i) for i in asked[is_near]]


def _nearest(ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, NEIGHBOUR) distances from rows of length 1 to the nearest of others, in order."""
    found = []
    for start in range(0, len(ones), CHUNK):
        apart = np.sqrt(np.clip(2 - 2 * (ones[start : start + CHUNK] @ others.T), 0, None))
        found.append(np.sort(np.partition(apart, NEIGHBOUR - 1, axis=1)[:, :NEIGHBOUR], axis=1))
    return np.concatenate(found)
