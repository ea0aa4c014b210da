"""What a study will cost: at first by how many images are read how fast, then by what its cells took."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from core.encoders.encoder import Encoder
from core.encoders.preprocess import normalise
from core.results.info import ANSWERS
from core.study.cells import Cell
from core.study.encoding import BATCH
from core.study.measures import MEASURES
from core.study.plan import Plan
from core.study.protocols import PROTOCOLS

FIT = 2.0
"""Seconds of a cell that fits or searches on kept features: a linear probe or k-NN of some thousand images. Few-shot
and fine-tuning take what they take, and are told apart."""
UNTOLD = ("few-shot", "fine-tune")
ROW = 400
"""Bytes of an answer in a study's files, with its logits."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a study will take.

    Attributes:
        seconds: of this machine with nothing beside it.
        megabytes: of the study's own files; features in the cache come on top.
        untold: protocols whose time is not in it.
    """

    seconds: float
    megabytes: float
    untold: tuple[str, ...]


def images_per_second(encoder: Encoder) -> float:
    """How many images of noise an encoder reads in a second, by the median of three small batches after a first one."""
    size = encoder.spec.preprocessing.size
    count = min(32, BATCH[encoder.device.type])
    inputs = normalise(torch.rand(count, 3, size, size, device=encoder.device), encoder.spec.preprocessing)
    taken = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.perf_counter()
            encoder.pool(encoder.trunk(inputs)).sum().item()
            taken.append(time.perf_counter() - start)
    return count / float(np.median(taken[1:]))


def cost(plan: Plan, sets: Iterable[Mapping[str, int]], speeds: Mapping[str, float]) -> Cost:
    """What a plan will take where nothing of it is done yet.

    Args:
        plan: what is to be done.
        sets: images by part of each data set.
        speeds: images a second by encoder.
    """
    seconds = size = 0.0
    told = [id for id in plan.protocols if id not in UNTOLD] if ANSWERS in plan.measures else []
    for counts in sets:
        test = counts["test"]
        fits = sum(PROTOCOLS[id].seeds(counts, plan.asked(id)) for id in told)
        measures = [(MEASURES[id], plan.options.get(id, {})) for id in plan.measures if id != ANSWERS]
        read = sum(counts.values()) + sum(measure.passes(given, test) for measure, given in measures)
        seconds += sum(read / speeds[id] + fits * FIT for id in plan.encoders)
        size += len(plan.encoders) * (fits * test * ROW + sum(measure.size(given, test) for measure, given in measures))
    return Cost(seconds, size / 1e6, tuple(id for id in plan.protocols if id in UNTOLD))


class Pace:
    """How long a study that runs will go on, by what its cells took."""

    def __init__(self, images: Mapping[str, int]) -> None:
        """Begin to look at the clock; `images` is how many each data set has."""
        self.images = images
        self.begun = time.monotonic()
        self.taken: dict[str, list[float]] = {}
        self.pairs: set[tuple[str, str]] = set()

    def told(self, cell: Cell, seconds: float) -> None:
        """A cell is done."""
        self.taken.setdefault(_kind(cell), []).append(seconds)
        self.pairs.add((cell.encoder, cell.dataset))

    def remaining(self, waiting: Collection[Cell]) -> float | None:
        """Seconds to go; None until a cell is done. A kind that nothing is known of counts as the slowest so far."""
        if not self.taken:
            return None
        means = {kind: float(np.mean(values)) for kind, values in self.taken.items()}
        own = sum(sum(values) for values in self.taken.values())
        read = sum(self.images.get(dataset, 0) for _, dataset in self.pairs)
        each = max(0.0, time.monotonic() - self.begun - own) / max(1, read)
        unread = {(cell.encoder, cell.dataset) for cell in waiting} - self.pairs
        reading = each * sum(self.images.get(dataset, 0) for _, dataset in unread)
        slowest = max(means.values())
        return sum(means.get(_kind(cell), slowest) for cell in waiting) + reading


def _kind(cell: Cell) -> str:
    return cell.protocol if cell.measure == ANSWERS else cell.measure
