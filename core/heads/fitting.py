"""Fits a linear head on frozen features: the linear probe of every study and the protocol of every packaged head.

1. Features are standardised on the training samples.
2. Multinomial logistic regression is fitted for up to 45 L2 strengths, C from 10⁻⁶ to 10⁵, and chosen by top-1 on
   held-out samples (Ericsson et al. 2021); of equal ones the one whose held-out cross-entropy is lowest. Once two
   decades of C in a row have bettered neither figure, weaker penalties only overfit more, and are not tried.
3. The temperature is fitted on the held-out logits of that fit, which never saw those samples.
4. The head is fitted again on training and held-out samples together, with the same C.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.heads import logistic
from core.heads.linear import LinearHead
from core.metrics.calibration import fit_temperature

# scikit-learn's C: weight of the summed cross-entropy against ½‖W‖², strongest regularisation first.
PATIENCE = 8  # strengths: two decades of C
STRENGTHS = tuple(float(c) for c in np.logspace(-6, 5, 45))


def fit_linear(features: Tensor, labels: Tensor, classes: int, held_out: Tensor, task: str, pooling: str) -> LinearHead:
    """A linear head by the protocol of this module, on the device of the features.

    Its facts hold `C`, the chosen strength; `validation_top1`, and `path`, the same by strength as in `STRENGTHS` as
    far as the search went, in [0, 1]; and `iterations` of the solver over the whole path and the last fit.

    Args:
        features: (N, D) raw features, on the device to compute on.
        labels: (N,) int64.
        classes: number of classes; each needs a sample that is not held out.
        held_out: (N,) bool, which samples choose strength and temperature.
        task: id of the label space.
        pooling: recipe of the feature.

    Raises:
        ValueError: fewer than two classes, nothing held out, or a class whose samples all are.
    """
    home = features.device
    # The solver adds up in float64, which Apple's GPU does not know.
    features = features.cpu() if home.type == "mps" else features
    held_out, labels = held_out.to(features.device), labels.to(features.device)
    if not bool(held_out.any()):
        raise ValueError("no sample is held out: no class has two")
    with torch.no_grad():
        kept = int((~held_out).sum())
        search = logistic.problem(features[~held_out], labels[~held_out], classes)
        unseen, truth = search.project(features[held_out]), labels[held_out]
        best: tuple[tuple[float, float], float, logistic.Solution] | None = None
        found, iterations, waited, lowest = [], 0, 0, float("inf")
        path = logistic.path(search, [1 / (c * kept) for c in STRENGTHS])
        for c, solution in zip(STRENGTHS, path, strict=True):
            logits = solution.logits(unseen)
            top1 = float((logits.argmax(dim=1) == truth).float().mean())
            found.append(top1)
            iterations += solution.iterations
            loss = float(cross_entropy(logits, truth))
            waited = waited + 1
            if best is None or (top1, -loss) > best[0]:
                best, waited = ((top1, -loss), c, solution), 0
            if loss < lowest:
                lowest, waited = loss, 0
            if waited == PATIENCE:
                break
        assert best is not None
        _, c, chosen = best
        temperature = fit_temperature(chosen.logits(unseen).cpu().numpy(), truth.cpu().numpy())
        whole = logistic.problem(features, labels, classes)
        last = logistic.solve(whole, 1 / (c * len(labels)))
        weight, bias = last.on_raw_features(whole)
        facts = {"C": c, "validation_top1": max(found), "path": [round(top1, 5) for top1 in found]}
        facts["iterations"] = iterations + last.iterations
        return LinearHead(task, "linear", pooling, weight.to(home), bias.to(home), temperature, True, facts)
