"""Weighted k-nearest neighbours on cached features (Wu et al. 2018): nothing is trained."""

import numpy as np
import torch
from numpy.typing import NDArray

from core.heads.knn import TEMPERATURE, K, knn_probabilities
from core.metrics.calibration import fit_temperature
from core.study.protocols.base import Material, Protocol, ProtocolAnswers

# Stands for a class without a vote: log of a share far below one vote of the least similar of 200 neighbours.
NO_VOTE = -40.0


def _log_votes(queries: NDArray[np.float32], bank: torch.Tensor, labels: torch.Tensor, classes: int) -> NDArray:
    found = knn_probabilities(torch.as_tensor(np.array(queries), device=bank.device), bank, labels, classes)
    return found.log().clamp_min(NO_VOTE).cpu().numpy()


def run(material: Material) -> ProtocolAnswers:
    """Log vote shares as logits; the temperature is fitted on held-out samples, voted on by the other ones."""
    train, held_out = material.train, material.held_out
    bank = torch.as_tensor(np.array(train.values), device=material.device)
    labels = torch.as_tensor(train.labels, device=material.device)
    rest = torch.as_tensor(~held_out, device=material.device)
    validation = _log_votes(train.values[held_out], bank[rest], labels[rest], material.classes)
    truth = train.labels[held_out]
    return ProtocolAnswers(
        logits=_log_votes(material.test.values, bank, labels, material.classes).astype(np.float32),
        sample=np.arange(len(material.test)),
        temperature=fit_temperature(validation, truth),
        facts={
            "k": min(K, len(train)),
            "vote_temperature": TEMPERATURE,
            "validation_top1": float((validation.argmax(axis=1) == truth).mean()),
        },
    )


KNN = Protocol(
    id="knn",
    label="k-NN",
    description="Weighted vote of the 200 most similar training samples by cosine, temperature .07 (Wu et al. 2018).",
    version=1,
    seed_moves="temperature",
    run=run,
)
