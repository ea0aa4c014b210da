"""The one place that knows the order: image → input → readout → answer, maps, similarity, invariance → tables.

Pages and the command line call the same functions. What comes out is numpy on the CPU, ready for a cache.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from core import __version__, confidence, devices, invariance, readout, samples, sweeps
from core.attribution import METHODS, similarity
from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import Augmentation
from core.confidence import Prediction
from core.encoders import partners, preprocess
from core.encoders.encoder import features
from core.errors import InvalidRequest, UnknownName
from core.heads import familiarity
from core.images.image import SafeImage
from core.metrics.attribution import class_activation_map
from core.metrics.invariance import different_image_floor
from core.readout import Contender
from core.tasks import task

RESULT_VERSION = 2
"""Part of every `key`: raise it when the same input should give other numbers."""


def key(contender: Contender, *images: SafeImage, head: bool = True) -> str:
    """What decides the numbers of a contender for images, in one digest: every cache of such numbers goes by it.

    Args:
        contender: whose numbers; an id says nothing of the weights that a file of its name holds today.
        images: in order.
        head: whether the head has a part in them.
    """
    encoder = contender.encoder
    made_of = (encoder.spec, encoder.sha256, str(encoder.device), contender.head.sha256 if head else "")
    parts = (RESULT_VERSION, tuple(image.digest for image in images), made_of)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one contender gives for one image.

    Attributes:
        digest: of the image's bytes.
        encoder: id.
        task: id.
        crop: (S, S, 3) uint8, the pixels the model read.
        feature_map: (K, h, w) float32 of the attributed layer.
        pooled: (D,) float32.
        logits: (C,) float32 before temperature.
    """

    digest: str
    encoder: str
    task: str
    crop: NDArray[np.uint8]
    feature_map: NDArray[np.float32]
    pooled: NDArray[np.float32]
    logits: NDArray[np.float32]


def _inputs(contender: Contender, images: Sequence[SafeImage]) -> tuple[NDArray[np.uint8], torch.Tensor]:
    recipe = contender.encoder.spec.preprocessing
    crops = preprocess.model_crops((image.rgb for image in images), recipe)
    unit = preprocess.to_unit(crops).to(contender.encoder.device)
    return crops, preprocess.normalise(unit, recipe)


def read_images(contender: Contender, images: Sequence[SafeImage]) -> list[Reading]:
    """The readings of a batch of images, from one forward pass in float32."""
    crops, inputs = _inputs(contender, images)
    read = readout.read(contender, inputs)
    maps, pooled, logits = (t.float().cpu().numpy() for t in (read.feature_map, read.pooled, read.logits))
    names = contender.encoder.spec.id, contender.head.task
    return [Reading(image.digest, *names, crops[i], maps[i], pooled[i], logits[i]) for i, image in enumerate(images)]


def predict(contender: Contender, reading: Reading) -> Prediction:
    """The answer a reading holds."""
    return confidence.predict(reading.logits, contender.head.temperature, contender.head.calibrated)


def outlyingness(contender: Contender, reading: Reading) -> float | None:
    """Share of the task's own test images that are nearer to the task than this one, [0, 1].

    None where nobody measured what the task's images look like to the encoder, as for published heads.
    """
    known = contender.head.familiarity
    if known is None:
        return None
    return float(known.of(torch.from_numpy(reading.pooled[None]), torch.from_numpy(reading.logits[None]))[0])


def unfamiliar(contender: Contender, reading: Reading) -> str:
    """A sentence for an image that the task may not know; empty for one that it does, or where nobody can tell."""
    share = outlyingness(contender, reading)
    if share is None or share <= familiarity.THRESHOLD:
        return ""
    classes = len(task(contender.head.task).classes)
    return f"Unlike {familiarity.THRESHOLD:.0%} of this task's images: it may be none of its {classes} classes."


def attribute(
    contender: Contender, image: SafeImage, reading: Reading, target: int, method: str = "grad-cam"
) -> NDArray[np.float32]:
    """The signed map (h, w) of a class by a method, before any ReLU.

    Grad-CAM of an average-pooled encoder follows from the reading; everything else runs the encoder again.

    Raises:
        UnknownName: there is no such method.
        InvalidRequest: the task has no such class.
    """
    if method not in METHODS:
        raise UnknownName("attribution method", method, METHODS)
    check_class(contender, target)
    if method == "grad-cam" and contender.has_closed_form:
        weights = contender.head.weight[target : target + 1].cpu().numpy()
        return class_activation_map(reading.feature_map, weights)[0].astype(np.float32)
    _, inputs = _inputs(contender, [image])
    read = readout.read(contender, inputs)
    return METHODS[method].compute(contender, inputs, read, target)[0].cpu().numpy()


def check_class(contender: Contender, target: int) -> None:
    """Refuse a class index that the head does not have.

    Raises:
        InvalidRequest: it is out of range.
    """
    count = contender.head.weight.shape[0]
    if not 0 <= target < count:
        raise InvalidRequest(f"{contender.head.task} has classes 0 to {count - 1}, not {target}.")


def compare_pair(contender: Contender, image: SafeImage, reference: SafeImage) -> tuple[float, NDArray[np.float32]]:
    """Cosine of two images' features, and the signed map (h, w) on the first of where it comes from."""
    _, inputs = _inputs(contender, [image, reference])
    read = readout.read(contender, inputs)
    first = read.state.with_map(read.feature_map[:1])
    first = type(first)(first.feature_map, tuple(t[:1] for t in first.rest))
    found = similarity.similarity_map(contender.encoder, first, read.pooled[:1], read.pooled[1])
    cosine = torch.nn.functional.cosine_similarity(read.pooled[:1], read.pooled[1:]).item()
    return cosine, found[0].cpu().numpy()


def strangers_floor(contender: Contender) -> float:
    """Mean cosine between different bundled samples: how alike this encoder finds images that share nothing."""
    _, inputs = _inputs(contender, [samples.image(id) for id in samples.samples()])
    return different_image_floor(features(contender.encoder, inputs).cpu().numpy())


def augmentation(id: str) -> Augmentation:
    """The augmentation called `id`.

    Raises:
        UnknownName: there is none.
    """
    if id not in AUGMENTATIONS:
        raise UnknownName("augmentation", id, AUGMENTATIONS)
    return AUGMENTATIONS[id]


def clean(contender: Contender, images: Sequence[SafeImage]) -> invariance.Clean:
    """The clean side of a sweep over images."""
    recipe = contender.encoder.spec.preprocessing
    crops = preprocess.model_crops((image.rgb for image in images), recipe)
    return invariance.clean(contender, preprocess.to_unit(crops))


def sweep(
    contender: Contender,
    images: Sequence[SafeImage],
    name: str,
    strengths: Sequence[float] | None = None,
    seeds: int = 5,
) -> Iterator[tuple[int, int, invariance.Point]]:
    """The points of an invariance curve one by one, as (done, in all, point).

    Args:
        contender: whose representation is measured.
        images: one or more.
        name: of the augmentation.
        strengths: the augmentation's own grid by default.
        seeds: random draws an image.

    Raises:
        UnknownName: there is no such augmentation.
        InvalidRequest: a strength or the number of seeds is out of range.
    """
    asked = augmentation(name)
    grid = tuple(strengths) if strengths is not None else asked.strengths
    for strength in grid:
        asked.check(strength)
    invariance.seeds_for(asked, seeds)
    reference = clean(contender, images)
    return invariance.sweep(lambda s: invariance.measure(contender, reference, asked, s, seeds), grid)


def points_table(
    points: Sequence[invariance.Point], encoder: str, name: str, digests: Sequence[str], answers: bool = True
) -> pd.DataFrame:
    """One row a strength, image and seed: the table every invariance figure is drawn from.

    Args:
        points: of one encoder and augmentation.
        encoder: its id.
        name: of the augmentation.
        digests: of the N images, in order.
        answers: whether there was a head; without one all that it would say is empty.
    """
    parts = []
    for point in points:
        count, seeds = point.cosine.shape
        columns = {"image": np.repeat(digests, seeds), "seed": np.tile(np.arange(seeds), count), "cosine": point.cosine}
        said = {"prediction": point.prediction, "flipped": point.flipped, "confidence": point.confidence}
        moved = {"kept": point.kept, "drift_bits": point.drift, "map_stability": point.map_stability}
        where = {"encoder": encoder, "augmentation": name, "strength": point.strength}
        parts.append(pd.DataFrame(where | {key: values.ravel() for key, values in (columns | said | moved).items()}))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table if answers else sweeps.without_answers(table)


def controlled(first: Contender, second: Contender) -> list[str]:
    """What differs between two contenders besides the regime; empty for a controlled pair."""
    found = partners.training_differences(first.encoder.spec, second.encoder.spec)
    for what, a, b in (
        ("head protocol", first.head.protocol, second.head.protocol),
        ("pooling of the head", first.head.pooling, second.head.pooling),
    ):
        found += [f"{what} ({a} against {b})"] if a != b else []
    if first.head.protocol == second.head.protocol == "native":
        # Each was fitted by its own authors; the same word hides two protocols.
        found.append("head protocol (each published with its encoder)")
    return found


def uncontrolled(contenders: Sequence[Contender]) -> list[str]:
    """What differs between any two of several contenders, untrained ones left aside."""
    trained = [c for c in contenders if c.encoder.spec.regime != "random"]
    found = [difference for a, b in combinations(trained, 2) for difference in controlled(a, b)]
    return list(dict.fromkeys(found))


def device_label(device: torch.device) -> str:
    """The device in words, for provenance lines."""
    if device.type == "mps":
        return "Apple GPU"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def load(encoder_id: str, task_id: str, device: str = "auto") -> Contender:
    """A contender on a device by name, shared, for callers outside `core` that know only ids.

    Raises:
        InvariscopeError: a name is unknown, or a file is missing or wrong.
    """
    return readout.shared_contender(encoder_id, task_id, devices.pick(device))


def versions() -> str:
    """The versions that decide a number, for provenance lines."""
    return f"invariscope {__version__}, torch {torch.__version__.split('+')[0]}"
