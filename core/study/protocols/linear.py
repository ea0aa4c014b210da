"""The linear probe: multinomial logistic regression on cached features (Ericsson et al. 2021)."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from core.files import is_whole, seal
from core.heads import fitting
from core.heads.linear import LinearHead, load, save
from core.study.protocols.base import Material, Protocol, ProtocolAnswers

VERSION = 2


def kept_in(cache: Path, train: str, seed: int) -> Path:
    """The file that a probe is kept in, for all that rest on it.

    Args:
        train: key of the training features.
        seed: of the images that are held out.
    """
    return cache / "probes" / f"{hashlib.sha256(f'{train} {seed}'.encode()).hexdigest()[:32]}-{VERSION}.safetensors"


def fitted(material: Material) -> LinearHead:
    """The head that `core.heads.fitting` fits: what a packaged head of this encoder and set would be.

    It is kept in `material.probe`, since every measure of a study rests on it; a file that is damaged counts as absent.
    """
    if material.probe is not None and is_whole(material.probe):
        return load(material.probe)
    features = torch.as_tensor(np.array(material.train.values), device=material.device)
    head = fitting.fit_linear(
        features,
        torch.as_tensor(material.train.labels),
        material.classes,
        torch.as_tensor(material.held_out),
        material.images.spec.id,
        material.encoder().spec.pooling,
    ).to(torch.device("cpu"))
    if material.probe is not None:
        save(head, material.probe)
        seal(material.probe)
    return head


def run(material: Material) -> ProtocolAnswers:
    """Logits of the fitted head."""
    head = fitted(material)
    test = torch.as_tensor(np.array(material.test.values), device=material.device)
    return ProtocolAnswers(
        logits=head.to(material.device).logits(test).cpu().numpy(),
        sample=np.arange(len(material.test)),
        temperature=head.temperature,
        facts=head.facts,
    )


LINEAR = Protocol(
    id="linear",
    label="linear probe",
    description="Logistic regression on frozen features, L2 strength chosen among up to 45 on held-out samples "
    "(Ericsson et al. 2021).",
    version=VERSION,
    seed_moves="settings",
    run=run,
)
