"""Attribution: where a contender's score for a class comes from. One method a file."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.attribution.cam import grad_cam
from core.attribution.integrated_gradients import integrated_gradients
from core.attribution.occlusion import occlusion
from core.metrics.attribution import degenerate
from core.readout import Contender, Readout


@dataclass(frozen=True, slots=True)
class Method:
    """An attribution method.

    Attributes:
        id: in links.
        label: as people read it.
        unit: of one cell's value.
        description: one sentence on what the map says.
        compute: (contender, normalised inputs (B, 3, S, S), their readout, class) -> signed map (B, h, w).
    """

    id: str
    label: str
    unit: str
    description: str
    compute: Callable[[Contender, Tensor, Readout, int], Tensor]


METHODS: dict[str, Method] = {
    method.id: method
    for method in (
        Method(
            "grad-cam",
            "Grad-CAM",
            "logits",
            "What each place of the last map adds to the class's score. With average pooling the cells sum to the "
            "logit minus its bias; for token networks they are gradient-weighted and have no such sum.",
            grad_cam,
        ),
        Method(
            "occlusion",
            "Occlusion",
            "fall of the logit",
            "How far the class's score falls when a grey square covers the place.",
            occlusion,
        ),
        Method(
            "integrated-gradients",
            "Integrated gradients",
            "logits per pixel",
            "What each pixel adds to the class's score along the way from plain grey to the image.",
            integrated_gradients,
        ),
    )
}


def without_evidence(values: NDArray[np.float32], logits: NDArray[np.float32]) -> bool:
    """Whether a map holds no positive evidence worth drawing, on the scale of the contender's own logits."""
    return degenerate(values, float(np.ptp(logits)))
