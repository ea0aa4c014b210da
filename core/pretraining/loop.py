"""The one training loop that every method shares."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import devices
from core.datasets.memory import LabelledImages
from core.encoders import architectures
from core.encoders.architectures import Network
from core.errors import InvalidRequest
from core.files import whole_file
from core.heads.knn import knn_probabilities
from core.pretraining.augment import plain_view, random_view
from core.pretraining.kernels import quicken
from core.pretraining.methods import METHODS
from core.pretraining.optimiser import Optimiser
from core.pretraining.recipe import Recipe

Log = Callable[[str], None]
MINUTES_BETWEEN_CHECKPOINTS = 4


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training log: loss in the method's own unit, views per second, online k-NN top-1 in percent."""

    epoch: int
    size: int
    learning_rate: float
    loss: float
    views_per_second: float
    knn_top1: float
    seconds: float


def features_of(encoder: Network, images: Tensor, size: int, batch: int = 256) -> Tensor:
    """(N, D) float32 features of (N, 3, H, W) uint8 images; the encoder's mode is left as found."""
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    with torch.inference_mode(), devices.reduced_precision(device, allowed=True):
        parts = [encoder(plain_view(chunk.to(device), size)).float() for chunk in images.split(batch)]
    encoder.train(was_training)
    return torch.cat(parts)


def _online_knn(encoder: Network, train: LabelledImages, probe: LabelledImages, size: int) -> float:
    """Top-1 in percent of k-NN from 5,000 training images to 1,000 others: a pulse, not a result."""
    picked = torch.arange(0, len(train.labels), max(1, len(train.labels) // 5000))
    asked = torch.arange(0, len(probe.labels), max(1, len(probe.labels) // 1000))
    bank = features_of(encoder, train.images[picked], size)
    queries = features_of(encoder, probe.images[asked], size)
    labels = train.labels[picked].to(bank.device)
    votes = knn_probabilities(queries, bank, labels, len(train.classes))
    return 100 * (votes.argmax(dim=1).cpu() == probe.labels[asked]).float().mean().item()


def _calibrate_batch_norm(encoder: Network, train: LabelledImages, size: int, device: torch.device) -> None:
    """Give an untrained encoder the BatchNorm statistics of its data, or its features would not be comparable."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average over all batches
    encoder.train()
    step = max(1, len(train.images) // 10_000)
    with torch.no_grad():
        for chunk in train.images[::step].split(500):
            encoder(plain_view(chunk.to(device), size))


@dataclass(slots=True)
class _Run:
    """All that changes while a member is trained, and all that its checkpoint holds.

    Attributes:
        step: batches done in the epoch under way.
        loss: summed over them.
        seconds: spent on them.
        random: state of the epoch's generator after them, or None at the start of an epoch.
    """

    history: list[Epoch]
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    random: Tensor | None = None


class Trainer:
    """Trains one member on images that lie on the device whole.

    Args:
        recipe: what to train.
        data: training images.
        device: where.
        out: folder of the checkpoint and the log.

    Raises:
        InvalidRequest: the checkpoint there belongs to another recipe, or the images fill no batch.
    """

    def __init__(self, recipe: Recipe, data: LabelledImages, device: torch.device, out: Path) -> None:
        if len(data.labels) < recipe.batch:
            raise InvalidRequest(f"{len(data.labels)} images do not fill a batch of {recipe.batch}. Lower it.")
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.checkpoint = recipe, device, out / "checkpoint.pt"
        encoder = architectures.build(recipe.architecture)
        self.method = METHODS[recipe.method](encoder, len(data.classes), recipe)
        self.method.to(device).to(memory_format=torch.channels_last).train()
        if device.type == "cpu":
            quicken(self.encoder)
        self.optimiser = Optimiser(self.method, recipe)
        self.images, self.labels = data.images.to(device), data.labels.to(device)
        self._shrunk: Tensor | None = None
        self.run = _Run([])
        if self.checkpoint.is_file():
            self._resume()

    @property
    def encoder(self) -> Network:
        """The network that is kept."""
        return self.method.encoder

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["recipe"] != repr(self.recipe):
            raise InvalidRequest(f"{self.checkpoint} was made by another recipe. Remove it, or choose another --out.")
        self.method.load_state_dict(state["method"])
        self.optimiser.load_state_dict(state["optimiser"])
        done = state["run"]
        self.run = _Run(**done | {"history": [Epoch(**row) for row in done["history"]]})

    def save(self) -> None:
        """Write the checkpoint so that a kill at any moment leaves the old one or the new one whole."""
        state = {"recipe": repr(self.recipe), "run": asdict(self.run)}
        state |= {"method": self.method.state_dict(), "optimiser": self.optimiser.state_dict()}
        with whole_file(self.checkpoint) as file:
            torch.save(state, file)

    def _pixels(self, size: int) -> Tensor:
        """The images for crops of `size`: shrunk once to 1.5 times that, which spares most of the augmentation's time.

        It also smooths what a bilinear crop of the whole image would skip.
        """
        side = size * 3 // 2
        if side >= self.images.shape[-1]:
            return self.images
        if self._shrunk is None or self._shrunk.shape[-1] != side:
            self._shrunk = torch.cat(
                [
                    F.interpolate(part, (side, side), mode="bilinear", antialias=True, align_corners=False)
                    for part in self.images.split(1000)
                ]
            )
        return self._shrunk

    def epoch(self) -> float:
        """Do what is left of the epoch under way, saving on the way; returns its mean loss.

        Raises:
            InvalidRequest: the loss diverged.
        """
        recipe, run, number = self.recipe, self.run, len(self.run.history)
        size = recipe.size_at(number)
        pixels = self._pixels(size)
        # One generator an epoch: a resumed run draws what the uninterrupted one would have drawn.
        generator = torch.Generator(self.device).manual_seed(recipe.seed * 100_003 + number)
        order = torch.randperm(len(self.labels), device=self.device, generator=generator)
        if run.random is not None:
            generator.set_state(run.random.cpu())
        batches = order.split(recipe.batch)[: len(order) // recipe.batch]
        # Apple's GPU knows no float64.
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        total, saved = torch.tensor(run.loss, device=self.device, dtype=exact), time.monotonic()
        earlier, began = run.seconds, time.perf_counter()
        for chosen in batches[run.step :]:
            images = pixels[chosen]
            views = [random_view(images, recipe.policy, size, generator) for _ in range(2)]
            with devices.reduced_precision(self.device, allowed=True):
                loss = self.method.loss(views, self.labels[chosen])
            self.optimiser.step(loss, number + run.step / len(batches))
            total += loss.detach()
            run.step += 1
            if time.monotonic() - saved > 60 * MINUTES_BETWEEN_CHECKPOINTS and run.step < len(batches):
                run.loss, run.seconds = total.item(), earlier + time.perf_counter() - began
                run.random = generator.get_state()
                self.save()
                saved = time.monotonic()
        run.seconds = earlier + time.perf_counter() - began
        mean = (total / len(batches)).item()
        if not math.isfinite(mean):
            raise InvalidRequest(f"The loss became {mean} in epoch {number}. Lower the learning rate of the recipe.")
        return mean

    def close_epoch(self, loss: float, knn: float) -> Epoch:
        """Put the finished epoch into the history, checkpoint and log."""
        recipe, number, seconds = self.recipe, len(self.run.history), self.run.seconds
        views = 2 * self.run.step * recipe.batch
        done = Epoch(number + 1, recipe.size_at(number), self.optimiser.rate, loss, views / seconds, knn, seconds)
        self.run = _Run([*self.run.history, done])
        self.save()
        write_log(self.checkpoint.with_name("training.csv"), self.run.history)
        return done


def write_log(path: Path, epochs: list[Epoch]) -> None:
    """The training log as CSV, one line an epoch."""
    names = [field.name for field in fields(Epoch)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([round(getattr(epoch, name), 5) for name in names] for epoch in epochs)


def train(
    recipe: Recipe, data: LabelledImages, probe: LabelledImages, device: torch.device, out: Path, log: Log = print
) -> tuple[list[Epoch], Network]:
    """Train one encoder to the end, resuming from `out/checkpoint.pt` when it is there.

    Args:
        recipe: what to train.
        data: training images; they are put on the device whole.
        probe: images of the online k-NN, never trained on.
        device: where.
        out: folder of the checkpoint and the log.
        log: told one line an epoch.

    Returns:
        The whole log, earlier runs included, and the encoder. A recipe without epochs gives one line.

    Raises:
        InvalidRequest: the checkpoint belongs to another recipe, the images fill no batch, or the loss diverged.
    """
    if recipe.epochs == 0:
        torch.manual_seed(recipe.seed)
        encoder = architectures.build(recipe.architecture).to(device, memory_format=torch.channels_last)
        _calibrate_batch_norm(encoder, data, recipe.size, device)
        knn = _online_knn(encoder, data, probe, recipe.size)
        return [Epoch(0, recipe.size, 0.0, float("nan"), 0.0, knn, 0.0)], encoder
    trainer = Trainer(recipe, data, device, out)
    if trainer.run.history or trainer.run.step:
        log(f"{recipe.id}: continues in epoch {len(trainer.run.history) + 1} of {recipe.epochs}")
    while len(trainer.run.history) < recipe.epochs:
        loss = trainer.epoch()
        knn = _online_knn(trainer.encoder, data, probe, recipe.size_at(len(trainer.run.history)))
        done = trainer.close_epoch(loss, knn)
        log(
            f"{recipe.id} {done.epoch}/{recipe.epochs} · {done.size} px · loss {loss:.3f} · "
            f"{done.views_per_second:.0f} views/s · k-NN {knn:.1f} %"
        )
    return trainer.run.history, trainer.encoder
