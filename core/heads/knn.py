"""Weighted k-nearest-neighbour classification on a bank of labelled features (Wu et al. 2018)."""

import torch
from torch import Tensor
from torch.nn import functional as F

# The values of the paper.
K, TEMPERATURE = 200, 0.07


def knn_probabilities(
    features: Tensor, bank: Tensor, bank_labels: Tensor, classes: int, k: int = K, temperature: float = TEMPERATURE
) -> Tensor:
    """Class probabilities by the votes of the k most similar bank entries.

    A neighbour with cosine s votes exp(s / temperature) for its class; votes are normalised to sum to one.

    Args:
        features: (N, D) queries.
        bank: (M, D) features of labelled images.
        bank_labels: (M,) integers in [0, classes).
        classes: number of classes.
        k: neighbours that vote; at most M are used.
        temperature: of the votes.

    Returns:
        (N, classes), rows sum to 1.
    """
    queries, bank = F.normalize(features.float(), dim=1), F.normalize(bank.float(), dim=1)
    k = min(k, len(bank))
    votes = torch.zeros(len(queries), classes, device=queries.device)
    for start in range(0, len(queries), 1024):
        similarity, index = (queries[start : start + 1024] @ bank.T).topk(k, dim=1)
        # The largest similarity is subtracted so that exp cannot overflow; it cancels in the normalisation.
        weight = ((similarity - similarity[:, :1]) / temperature).exp()
        votes[start : start + 1024].scatter_add_(1, bank_labels[index], weight)
    return votes / votes.sum(dim=1, keepdim=True)
