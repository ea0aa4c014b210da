"""What a protocol is given, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from core.datasets import splits
from core.datasets.spec import ImageSet
from core.encoders.encoder import Encoder
from core.study.features import Features

SETTLED = 50_000
"""Training images from which the tenth that is held out decides alike whatever the seed. Three splits move the linear
top-1 of the packaged encoders by up to 3.9 points on a set of 787 images, 1.4 on one of 5,000, 0.4 on one of 20,000."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a protocol works with.

    Attributes:
        train: features of the training samples, those of an own validation part at the end.
        held_out: (N,) bool, which of them serve for validation.
        test: features of the test samples.
        classes: number of classes C.
        seed: of everything random.
        device: where to compute.
        images: the opened data set, for protocols that read pixels.
        encoder: gives the encoder, for protocols that run it; frozen and shared, so a protocol copies before it trains.
        checkpoint: a folder for the checkpoints of long work; may not exist yet.
        options: the plan's settings for this protocol.
        probe: file that the fitted linear probe is kept in, for all that rest on it; None keeps none.
    """

    train: Features
    held_out: NDArray[np.bool_]
    test: Features
    classes: int
    seed: int
    device: torch.device
    images: ImageSet
    encoder: Callable[[], Encoder]
    checkpoint: Path
    options: dict[str, Any] = field(default_factory=dict)
    probe: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ProtocolAnswers:
    """What a protocol says of test samples.

    Attributes:
        logits: (M, C) float32 before temperature; −inf for a class that was not on offer.
        sample: (M,) positions in the test part; every sample once, but for protocols that draw episodes.
        temperature: fitted on validation samples; None when none was fitted.
        episode: (M,) number of the episode; None for protocols without.
        facts: what was chosen and found on the way, as plain values (strength, validation accuracy, steps …).
    """

    logits: NDArray[np.float32]
    sample: NDArray[np.int64]
    temperature: float | None
    episode: NDArray[np.int32] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way to adapt an encoder.

    Attributes:
        id: key in the registry and in tables.
        label: name for people.
        description: one sentence for people, with its source.
        version: part of every cell's key: raise it when the same material should give other answers.
        seed_moves: what another seed changes: the whole answer (`answers`), which images are held out and so which
            settings win (`settings`), or of the answers the `temperature` alone.
        options: names of the settings that a plan may give.
        check: raises where these are out of range, before anything is run.
        episodic: whether it answers samples in episodes, which have no side table of logits.
        run: material to answers.
    """

    id: str
    label: str
    description: str
    version: int
    seed_moves: Literal["answers", "settings", "temperature"]
    run: Callable[[Material], ProtocolAnswers]
    options: tuple[str, ...] = ()
    check: Callable[[Mapping[str, Any]], object] = lambda options: None
    episodic: bool = False

    def seeds(self, images: Mapping[str, int], asked: int) -> int:
        """How many of the seeds that a plan asks for a data set takes.

        Args:
            images: by part of the data set.
            asked: seeds of the plan.
        """
        settled = "val" in images or images["train"] >= SETTLED
        once = self.seed_moves == "temperature" or (self.seed_moves == "settings" and settled)
        return 1 if once else asked


def validation_split(train: Features, validation: Features | None, seed: int) -> tuple[Features, NDArray[np.bool_]]:
    """Training material with its validation mask.

    A validation part of the data set's own is put at the end and held out; without one, a tenth of each class is, by
    a hash of the sample's id and the seed.
    """
    if validation is None:
        return train, splits.held_out(train.ids, train.labels, salt=f"validation-{seed}")
    joined = Features(
        np.concatenate([train.values, validation.values]),
        np.concatenate([train.labels, validation.labels]),
        (*train.ids, *validation.ids),
        (*train.left_out, *validation.left_out),
    )
    return joined, np.arange(len(joined)) >= len(train)
