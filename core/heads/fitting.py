"""Fits a linear head on frozen features: multinomial logistic regression by L-BFGS (the protocol of every member).

1. A tenth of the training images, chosen by a seeded shuffle within each class, is held out for validation.
2. Features are standardised; the deviation is folded back into the weights, so a head reads raw features.
3. The L2 strength is swept from strong to weak, each fit starting from the last, and chosen by validation top-1.
4. The temperature is fitted on the validation logits of that fit, which never saw those images.
5. The head is fitted again on training and validation images together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.heads.knn import knn_probabilities
from core.metrics.calibration import fit_temperature

# Weight of ½‖W‖² against the mean cross-entropy, strongest first.
STRENGTHS = tuple(10.0**exponent for exponent in (-1, -1.5, -2, -2.5, -3, -3.5, -4, -4.5, -5))
PATIENCE = 2  # weaker strengths tried after validation top-1 last rose
VALIDATION_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted linear map of raw features and what was found on the way.

    Attributes:
        weight: (C, D).
        bias: (C,).
        temperature: fitted on validation logits.
        strength: chosen L2 strength.
        validation_top1: share of validation images right, at the chosen strength.
    """

    weight: Tensor
    bias: Tensor
    temperature: float
    strength: float
    validation_top1: float


def validation_mask(labels: Tensor, share: float = VALIDATION_SHARE, seed: int = 0) -> Tensor:
    """(N,) bool: a `share` of each class, at least one image of a class that has two, chosen by a seeded shuffle."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        count = max(1, round(share * len(members))) if len(members) > 1 else 0
        mask[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return mask


def fit_path(
    features: Tensor,
    labels: Tensor,
    classes: int,
    strengths: tuple[float, ...],
    start: tuple[Tensor, Tensor] | None = None,
    iterations: int = 100,
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """The regularisation path, strongest first: strength, weight (C, D) and bias (C,) on `features` as given.

    Minimises mean cross-entropy + strength/2 · ‖W‖²; the bias is not penalised. Each fit starts from the last, the
    first from `start` (zeros by default).
    """
    zeros = (
        torch.zeros(classes, features.shape[1], device=features.device),
        torch.zeros(classes, device=features.device),
    )
    weight, bias = (t.clone().requires_grad_() for t in start or zeros)
    for strength in strengths:
        optimiser = torch.optim.LBFGS(
            [weight, bias], max_iter=iterations, history_size=10, tolerance_grad=1e-4, line_search_fn="strong_wolfe"
        )

        def closure(strength: float = strength, optimiser: torch.optim.LBFGS = optimiser) -> Tensor:
            optimiser.zero_grad()
            loss = F.cross_entropy(F.linear(features, weight, bias), labels) + 0.5 * strength * weight.square().sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        yield strength, weight.detach().clone(), bias.detach().clone()


def fit_linear(features: Tensor, labels: Tensor, classes: int, seed: int = 0) -> Fit:
    """A linear head for (N, D) training features and (N,) labels, by the protocol of this module.

    Raises:
        ValueError: fewer than two classes, or a class without images.
    """
    counts = torch.bincount(labels.cpu(), minlength=classes)
    if classes < 2 or (counts == 0).any():
        raise ValueError(f"a head needs at least two classes, each with images; got counts {counts.tolist()}")
    # A private copy outside inference mode: L-BFGS needs a graph.
    with torch.inference_mode(False), torch.enable_grad():
        features, labels = features.clone().float(), labels.clone().to(features.device)
        mean, deviation = features.mean(dim=0), features.std(dim=0).clamp_min(1e-6)
        scaled = (features - mean) / deviation
        held_out = validation_mask(labels.cpu(), seed=seed).to(features.device)
        best: tuple[float, float, float, tuple[Tensor, Tensor]] | None = None
        waited = 0
        for strength, weight, bias in fit_path(scaled[~held_out], labels[~held_out], classes, STRENGTHS):
            logits = F.linear(scaled[held_out], weight, bias)
            top1 = (logits.argmax(dim=1) == labels[held_out]).float().mean().item()
            # A later, weaker strength must be strictly better: ties go to the smoother head.
            if best is None or top1 > best[0]:
                temperature = fit_temperature(logits.cpu().numpy(), labels[held_out].cpu().numpy())
                best, waited = (top1, strength, temperature, (weight, bias)), 0
            else:
                waited += 1
                if waited == PATIENCE:
                    break
        assert best is not None
        top1, strength, temperature, start = best
        ((_, weight, bias),) = fit_path(scaled, labels, classes, (strength,), start)
        weight = weight / deviation
        return Fit(weight, bias - weight @ mean, temperature, strength, top1)


def top1_percent(scores: Tensor, labels: Tensor) -> float:
    """Share of (N,) labels that are the largest of (N, C) scores, in percent."""
    return 100 * (scores.argmax(dim=1).cpu() == labels.cpu()).float().mean().item()


def knn_top1(bank: Tensor, bank_labels: Tensor, features: Tensor, labels: Tensor, classes: int) -> float:
    """Top-1 in percent of weighted k-NN (k = 20, temperature .07) from the training features."""
    return top1_percent(knn_probabilities(features, bank, bank_labels.to(bank.device), classes), labels)
