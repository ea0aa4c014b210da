"""Few-shot classification by class prototypes (Snell et al. 2017), as in Ericsson et al. 2021: 600 episodes.

An episode offers `ways` classes. A class's prototype is the mean feature of `shots` samples, the support; each of
`queries` other samples a class gets minus its squared Euclidean distance to every prototype as logits.

- Features are taken as the encoder gives them, as both papers do. The option `metric = "cl2n"` centres them on the mean
  of the training features and scales them to length 1 first (Wang et al. 2019, SimpleShot): the same distances, but
  blind to how long an encoder's features are.
- Support comes from the training part (with validation samples, which nothing else needs here), queries from the test
  part. Ericsson et al. draw both from all parts together; apart, each answer is about a test sample, as in every other
  protocol, and no test sample helps to classify another. They also let batch normalisation see the episode, which the
  frozen features here do not.
- A class with fewer training samples than `shots` or fewer test samples than `queries` is not on offer.
- Episodes depend on labels and seed alone: all encoders answer the same ones.
- Distances have the scale of the features, so their softmax says little before a temperature. It is fitted on as many
  episodes drawn from the training part alone, query and support apart.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from core.errors import InvalidRequest
from core.metrics.calibration import fit_temperature
from core.study.features import Features
from core.study.protocols.base import Material, Protocol, ProtocolAnswers
from core.study.settings import Settings

ID = "few-shot"
METRICS = ("euclidean", "cl2n")
MAX_CELLS = 5e8  # logits in all: 2 GB
BLOCK = 2**24  # feature values gathered at once: 64 MB


@dataclass(frozen=True, slots=True)
class EpisodeOptions:
    """What an episode is made of; `episodes` of them."""

    ways: int
    shots: int
    queries: int
    episodes: int
    metric: str


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Which samples meet.

    Attributes:
        classes: (E, ways) labels on offer.
        support: (E, ways, shots) positions among the samples that prototypes are made of.
        queries: (E, ways, queries) positions among the samples asked about.
    """

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    queries: NDArray[np.int64]


def options_of(given: Mapping[str, Any]) -> EpisodeOptions:
    """The settings of a plan, or the customary 5 ways, 5 shots, 15 queries and 600 episodes.

    Raises:
        InvalidRequest: one is unknown or out of range.
    """
    read = Settings(f"protocol {ID}", given, EpisodeOptions.__slots__)
    return EpisodeOptions(
        ways=read.whole("ways", 5, 2, 10_000),
        shots=read.whole("shots", 5, 1, 10_000),
        queries=read.whole("queries", 15, 1, 10_000),
        episodes=read.whole("episodes", 600, 2, 100_000),
        metric=read.choice("metric", METRICS),
    )


def distinct(rng: np.random.Generator, sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(S, count): in each row different numbers in [0, size), every set of them as likely as another.

    Floyd's algorithm (Bentley & Floyd 1987) on all rows at once; the order within a row is not uniform.

    Args:
        sizes: (S,), each at least `count`.
        count: numbers a row.
    """
    chosen = np.empty((len(sizes), count), np.int64)
    for done in range(count):
        last = sizes - count + done
        drawn = rng.integers(0, last + 1)
        taken = (chosen[:, :done] == drawn[:, None]).any(axis=1)
        chosen[:, done] = np.where(taken, last, drawn)
    return chosen


def _members(labels: NDArray[np.int64], classes: int) -> tuple[NDArray, NDArray, NDArray]:
    """Positions sorted by class, where each class begins among them, and how many it has."""
    counts = np.bincount(labels, minlength=classes)
    return np.argsort(labels, kind="stable"), np.cumsum(counts) - counts, counts


def draw(
    support: NDArray[np.int64],
    asked: NDArray[np.int64] | None,
    classes: int,
    options: EpisodeOptions,
    rng: np.random.Generator,
) -> Episodes | None:
    """Random episodes; None when too few classes have the samples they need.

    Args:
        support: (N,) labels of the samples that prototypes are made of.
        asked: (M,) labels of the samples asked about; None draws both from the first, never the same sample twice in
            an episode.
    """
    shots, queries = options.shots, options.queries
    order, begin, counts = _members(support, classes)
    enough = counts >= (shots + queries if asked is None else shots)
    if asked is not None:
        other_order, other_begin, other_counts = _members(asked, classes)
        enough &= other_counts >= queries
    offered = np.flatnonzero(enough)
    if len(offered) < options.ways:
        return None
    picked = offered[distinct(rng, np.full(options.episodes, len(offered)), options.ways)]
    slots = picked.ravel()
    if asked is None:
        both = distinct(rng, counts[slots], shots + queries)
        # Floyd's rows are sets: without a shuffle their late places would go to queries alone.
        both = order[begin[slots, None] + rng.permuted(both, axis=1)]
        first, second = both[:, :shots], both[:, shots:]
    else:
        first = order[begin[slots, None] + distinct(rng, counts[slots], shots)]
        second = other_order[other_begin[slots, None] + distinct(rng, other_counts[slots], queries)]
    return Episodes(picked, first.reshape(*picked.shape, shots), second.reshape(*picked.shape, queries))


def distances(
    episodes: Episodes, support: Features, asked: Features, centre: torch.Tensor | None, device: torch.device
) -> NDArray[np.float32]:
    """(E, ways · queries, ways) squared Euclidean distances of queries to prototypes, queries class by class.

    Args:
        support: what prototypes are made of.
        asked: what is asked about.
        centre: (D,) that is subtracted before features are scaled to length 1; None takes them as they are.
    """
    count, ways = episodes.classes.shape
    dimension = support.values.shape[1]

    def gather(features: Features, index: NDArray[np.int64]) -> torch.Tensor:
        values = torch.from_numpy(np.asarray(features.values[index.ravel()])).to(device)
        if centre is not None:
            values = F.normalize(values - centre, dim=1)
        return values.view(*index.shape, dimension)

    block = max(1, BLOCK // (ways * (episodes.support.shape[2] + episodes.queries.shape[2]) * dimension))
    found = []
    for start in range(0, count, block):
        chosen = slice(start, start + block)
        prototypes = gather(support, episodes.support[chosen]).mean(dim=2)
        queries = gather(asked, episodes.queries[chosen]).flatten(1, 2)
        # By differences: expanding the square would cancel most digits of long features.
        apart = torch.cdist(queries, prototypes, compute_mode="donot_use_mm_for_euclid_dist")
        found.append(apart.square().cpu().numpy())
    return np.concatenate(found)


def run(material: Material) -> ProtocolAnswers:
    """Minus the squared distance to each prototype as logits, episode by episode.

    Raises:
        InvalidRequest: an option is wrong, or the data set cannot fill an episode.
    """
    options, train, test = options_of(material.options), material.train, material.test
    ways, per_episode = options.ways, options.ways * options.queries
    if options.episodes * per_episode * material.classes > MAX_CELLS:
        raise InvalidRequest(
            f"{options.episodes} episodes of {per_episode} queries over {material.classes} classes are too many for "
            f"one table. Lower episodes, ways or queries in the options of {ID}."
        )
    rng = np.random.default_rng([material.seed, 0])
    episodes = draw(train.labels, test.labels, material.classes, options, rng)
    on_offer = np.count_nonzero(
        (np.bincount(train.labels, minlength=material.classes) >= options.shots)
        & (np.bincount(test.labels, minlength=material.classes) >= options.queries)
    )
    if episodes is None:
        raise InvalidRequest(
            f"Episodes of {ways} classes cannot be drawn: {on_offer} of {material.classes} classes have "
            f"{options.shots} training and {options.queries} test samples. Lower ways, shots or queries in the "
            f"options of {ID}."
        )
    centre = None
    if options.metric == "cl2n":
        centre = torch.from_numpy(train.values.mean(axis=0, dtype=np.float64).astype(np.float32)).to(material.device)
    scores = -distances(episodes, train, test, centre, material.device)
    target = np.repeat(np.arange(ways), options.queries)
    right = (scores.argmax(axis=2) == target).mean(axis=1)
    logits = np.full((options.episodes * per_episode, material.classes), -np.inf, np.float32)
    offered = np.repeat(episodes.classes, per_episode, axis=0)
    np.put_along_axis(logits, offered, scores.reshape(-1, ways), axis=1)
    return ProtocolAnswers(
        logits=logits,
        sample=episodes.queries.ravel(),
        temperature=_temperature(material, options, centre),
        episode=np.repeat(np.arange(options.episodes, dtype=np.int32), per_episode),
        facts={
            "ways": ways,
            "shots": options.shots,
            "queries": options.queries,
            "episodes": options.episodes,
            "metric": options.metric,
            "classes_on_offer": int(on_offer),
            "accuracy": float(right.mean()),
            "half_width": float(1.96 * right.std(ddof=1) / math.sqrt(options.episodes)),
        },
    )


def _temperature(material: Material, options: EpisodeOptions, centre: torch.Tensor | None) -> float | None:
    """Fitted on episodes of training samples, with as many queries as the classes allow; None when they fill none."""
    train = material.train
    counts = np.sort(np.bincount(train.labels, minlength=material.classes))[::-1]
    spare = int(counts[options.ways - 1]) - options.shots
    if spare < 1:
        return None
    shape = EpisodeOptions(options.ways, options.shots, min(options.queries, spare), options.episodes, options.metric)
    episodes = draw(train.labels, None, material.classes, shape, np.random.default_rng([material.seed, 1]))
    assert episodes is not None
    scores = -distances(episodes, train, train, centre, material.device)
    target = np.tile(np.repeat(np.arange(options.ways), shape.queries), options.episodes)
    return fit_temperature(scores.reshape(-1, options.ways), target)


FEW_SHOT = Protocol(
    id=ID,
    label="Few-shot",
    description="Nearest class prototype by squared Euclidean distance, in 600 episodes of 5 classes with 5 samples "
    "each (Snell et al. 2017; Ericsson et al. 2021).",
    version=1,
    seed_moves="answers",
    run=run,
    options=tuple(EpisodeOptions.__slots__),
    check=options_of,
    episodic=True,
)
