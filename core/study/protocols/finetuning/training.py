"""One training run, step by step, in a way that can be left and taken up again bit for bit.

Nothing random is kept between steps: the order of an epoch follows from (seed, epoch), the crops of a step from
(seed, step). Model, optimiser and the number of the step are therefore all there is to store. All members of a grid
see the same samples in the same crops. On CUDA, cuDNN is held to deterministic algorithms.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core import devices
from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.pretraining.augment import Policy, crop_and_flip
from core.study.protocols.finetuning.network import Tuned, optimiser_of, prepare
from core.study.protocols.finetuning.options import Member, SearchOptions
from core.study.protocols.finetuning.pixels import Pixels

# Smaller crops than a fifth of the area would be blown up beyond what is kept of an image.
POLICY = Policy(crop_scale=(0.2, 1.0), flip=0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What is trained on.

    Attributes:
        pixels: uint8 squares, a little larger than the input.
        labels: (N,) of all of them.
        chosen: (M,) positions of those in use.
        seed: of their order and crops.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    chosen: NDArray[np.int64]
    seed: int

    def batch(self, step: int, size: int) -> NDArray[np.int64]:
        """(size,) positions of step `step`: epochs in random order, one after the other without a gap."""
        count = len(self.chosen)
        first, last = step * size // count, ((step + 1) * size - 1) // count
        orders = [np.random.default_rng([self.seed, epoch]).permutation(count) for epoch in range(first, last + 1)]
        start = step * size - first * count
        return self.chosen[np.concatenate(orders)[start : start + size]]


def rate_at(step: int, steps: int, rate: float) -> float:
    """Learning rate of step `step`: half a cosine from `rate` to zero."""
    return rate * 0.5 * (1 + math.cos(math.pi * step / steps))


@contextmanager
def _repeatable(device: torch.device) -> Iterator[None]:
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


class TrainingRun:
    """A network on its way through one schedule. `micro` samples are on the device at once."""

    def __init__(
        self, encoder: Encoder, classes: int, member: Member, options: SearchOptions, samples: Samples
    ) -> None:
        """Start at step 0."""
        self.device, self.member, self.options, self.samples = encoder.device, member, options, samples
        self.step = 0
        with devices.gradient_slot():
            self.model = Tuned(encoder, classes)
            prepare(self.model, len(samples.chosen) / options.batch)
            self.optimiser = optimiser_of(self.model, member.l2)
            self.model.train()

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {"step": self.step, "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])

    def advance(self, micro: int) -> None:
        """One step of SGD on a batch, its gradient summed over pieces of `micro` samples.

        The sum is the gradient of the whole batch. Batch normalisation alone sees a difference: it normalises by the
        statistics of a piece.
        """
        with devices.gradient_slot(), _repeatable(self.device), self._drawing():
            index = self.samples.batch(self.step, self.options.batch)
            views = self._views(self.samples.pixels[index])
            labels = torch.from_numpy(self.samples.labels[index]).to(self.device)
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(self.step, self.options.steps, self.member.rate)
            self.optimiser.zero_grad(set_to_none=True)
            for part, truth in zip(views.split(micro), labels.split(micro), strict=True):
                loss = F.cross_entropy(self.model(part, reduced=True), truth, reduction="sum")
                (loss / len(labels)).backward()
            self.optimiser.step()
        self.step += 1

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Dropout and its like draw what this step draws in every run, and leave the program's own draws alone."""
        used = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=used):
            torch.manual_seed(self.samples.seed * 1_000_003 + self.step + 2**40)  # not the stream of the crops
            yield

    def _views(self, crops: NDArray[np.uint8]) -> Tensor:
        recipe = self.model.recipe
        generator = torch.Generator(self.device).manual_seed(self.samples.seed * 1_000_003 + self.step)
        unit = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float().div_(255)
        return preprocess.normalise(crop_and_flip(unit, POLICY, recipe.size, generator), recipe)

    def logits(self, pixels: Pixels, count: int, batch: int) -> NDArray[np.float32]:
        """(count, C) of the encoder's own crops, in float32 and evaluation mode."""
        self.model.eval()
        found = []
        for start in range(0, count, batch):
            crops = pixels[np.arange(start, min(start + batch, count))]
            with devices.inference_slot(), _repeatable(self.device):
                unit = preprocess.to_unit(crops).to(self.device)
                found.append(self.model(preprocess.normalise(unit, self.model.recipe)).cpu().numpy())
        self.model.train()
        return np.concatenate(found)
