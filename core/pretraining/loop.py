"""The one training loop that every method shares."""

import csv
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core import devices
from core.datasets.memory import LabelledImages
from core.encoders import architectures
from core.encoders.architectures import Network
from core.errors import InvalidRequest
from core.files import whole_file
from core.heads.knn import knn_probabilities
from core.pretraining import METHODS
from core.pretraining.augment import plain_view, random_view
from core.pretraining.recipe import Recipe

Log = Callable[[str], None]
Method = Any
"""An `nn.Module` of `METHODS`: has `views`, `loss`, and perhaps `after_step`."""


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


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then cosine to zero; `progress` counts epochs."""
    if progress < recipe.warmup:
        return recipe.learning_rate * progress / recipe.warmup
    share = (progress - recipe.warmup) / max(1e-9, recipe.epochs - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _optimiser(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.SGD:
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True, fused=device.type == "cuda")


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


def _train_epoch(
    method: Method,
    step: Callable[..., Tensor],
    optimiser: torch.optim.Optimizer,
    data: tuple[Tensor, Tensor],
    recipe: Recipe,
    epoch: int,
) -> float:
    images, labels = data
    device = images.device
    # One generator an epoch: a resumed run draws what the uninterrupted one would have drawn.
    generator = torch.Generator(device).manual_seed(recipe.seed * 100_003 + epoch)
    order = torch.randperm(len(labels), device=device, generator=generator)
    batches = [b for b in order.split(recipe.batch) if len(b) == recipe.batch]
    total = torch.zeros((), device=device)
    for number, chosen in enumerate(batches):
        rate = learning_rate(recipe, epoch + number / len(batches))
        for group in optimiser.param_groups:
            group["lr"] = rate
        size = recipe.size_at(epoch)
        views = [random_view(images[chosen], recipe.policy, size, generator) for _ in range(method.views)]
        with devices.reduced_precision(device, allowed=True):
            loss = step(views, labels[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if hasattr(method, "after_step"):
            method.after_step((epoch + number / len(batches)) / recipe.epochs)
        total += loss.detach()
    mean = (total / len(batches)).item()
    if not math.isfinite(mean):
        raise InvalidRequest(f"The loss became {mean} in epoch {epoch}. Lower the learning rate of the recipe.")
    return mean


def _save(path: Path, state: dict) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old one or the new one whole."""
    with whole_file(path) as file:
        torch.save(state, file)


def write_log(path: Path, epochs: list[Epoch]) -> None:
    """The training log as CSV, one line an epoch."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Epoch.__slots__)
        for epoch in epochs:
            writer.writerow(round(getattr(epoch, name), 5) for name in Epoch.__slots__)


def train(
    recipe: Recipe, data: LabelledImages, probe: LabelledImages, device: torch.device, out: Path, log: Log = print
) -> Iterator[tuple[Epoch, Network]]:
    """Train one encoder, epoch by epoch, resuming from `out/checkpoint.pt` when it is there.

    Args:
        recipe: what to train.
        data: training images; they are put on the device whole.
        probe: images of the online k-NN, never trained on.
        device: where.
        out: folder of the checkpoint and the log.
        log: told one line an epoch.

    Yields:
        The epoch's record and the encoder, in training mode. A recipe without epochs yields once.

    Raises:
        InvalidRequest: the checkpoint belongs to another recipe, the images fill no batch, or the loss diverged.
    """
    torch.manual_seed(recipe.seed)
    encoder = architectures.build(recipe.architecture).to(device, memory_format=torch.channels_last)
    if recipe.epochs == 0:
        _calibrate_batch_norm(encoder, data, recipe.size, device)
        yield (
            Epoch(0, recipe.size, 0.0, float("nan"), 0.0, _online_knn(encoder, data, probe, recipe.size), 0.0),
            encoder,
        )
        return
    if len(data.labels) < recipe.batch:
        raise InvalidRequest(f"{len(data.labels)} images do not fill a batch of {recipe.batch}. Lower it.")
    method: Method = METHODS[recipe.method](encoder, len(data.classes), recipe).to(device)
    optimiser = _optimiser(method, recipe, device)
    history: list[Epoch] = []
    checkpoint = out / "checkpoint.pt"
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["recipe"] != repr(recipe):
            raise InvalidRequest(f"{checkpoint} was made by another recipe. Remove it, or choose another --out.")
        method.load_state_dict(state["method"])
        optimiser.load_state_dict(state["optimiser"])
        history = [Epoch(**row) for row in state["history"]]
        log(f"{recipe.id}: continues after epoch {len(history)} of {recipe.epochs}")
        if len(history) == recipe.epochs:
            yield history[-1], encoder
            return
    method.train()
    resident = (data.images.to(device), data.labels.to(device))
    step = torch.compile(method.loss) if recipe.compile else method.loss
    for epoch in range(len(history), recipe.epochs):
        began = time.perf_counter()
        loss = _train_epoch(method, step, optimiser, resident, recipe, epoch)
        seconds = time.perf_counter() - began
        views = method.views * (len(data.labels) // recipe.batch) * recipe.batch
        knn = _online_knn(encoder, data, probe, recipe.size_at(epoch))
        rate = optimiser.param_groups[0]["lr"]
        history.append(Epoch(epoch + 1, recipe.size_at(epoch), rate, loss, views / seconds, knn, seconds))
        rows = [{name: getattr(row, name) for name in Epoch.__slots__} for row in history]
        state = {"recipe": repr(recipe), "method": method.state_dict(), "optimiser": optimiser.state_dict()}
        _save(checkpoint, state | {"history": rows})
        write_log(out / "training.csv", history)
        log(
            f"{recipe.id} {epoch + 1}/{recipe.epochs} · {recipe.size_at(epoch)} px · loss {loss:.3f} · "
            f"{views / seconds:.0f} views/s · k-NN {knn:.1f} % · "
            f"{(recipe.epochs - epoch - 1) * seconds / 60:.0f} min left"
        )
        yield history[-1], encoder


def run(
    recipe: Recipe, data: LabelledImages, probe: LabelledImages, device: torch.device, out: Path, log: Log = print
) -> tuple[list[Epoch], Network]:
    """Train to the end; returns the whole log, earlier runs included, and the encoder. Arguments as for `train`."""
    encoder: Network | None = None
    last: list[Epoch] = []
    for record, trained in train(recipe, data, probe, device, out, log):
        last, encoder = [record], trained
    assert encoder is not None
    checkpoint = out / "checkpoint.pt"
    if recipe.epochs:
        last = [Epoch(**row) for row in torch.load(checkpoint, map_location="cpu", weights_only=True)["history"]]
    return last, encoder
