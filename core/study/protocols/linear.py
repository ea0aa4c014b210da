"""The linear probe: multinomial logistic regression on cached features (Ericsson et al. 2021)."""

import numpy as np
import torch

from core.heads import fitting
from core.study.protocols.base import Material, Protocol, ProtocolAnswers


def run(material: Material) -> ProtocolAnswers:
    """Logits of the head that `core.heads.fitting` fits: what a packaged head of this encoder and set would say."""
    features = torch.as_tensor(np.array(material.train.values), device=material.device)
    fit = fitting.fit_linear(
        features,
        torch.as_tensor(material.train.labels),
        material.classes,
        torch.as_tensor(material.held_out),
    )
    test = torch.as_tensor(np.array(material.test.values), device=material.device)
    return ProtocolAnswers(
        logits=torch.nn.functional.linear(test, fit.weight, fit.bias).cpu().numpy(),
        sample=np.arange(len(material.test)),
        temperature=fit.temperature,
        facts={
            "C": fit.strength,
            "validation_top1": max(fit.validation_top1),
            "path": [round(top1, 5) for top1 in fit.validation_top1],
            "iterations": fit.iterations,
        },
    )


LINEAR = Protocol(
    id="linear",
    label="linear probe",
    description="Logistic regression on frozen features, L2 strength chosen among up to 45 on held-out samples "
    "(Ericsson et al. 2021).",
    version=2,
    seeded_by_split_alone=True,
    run=run,
)
