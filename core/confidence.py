"""What a contender answers and how sure it is, from logits alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.metrics import confidence as metrics


@dataclass(frozen=True, slots=True)
class Prediction:
    """One contender's answer for one image.

    Attributes:
        order: (C,) class indices, most probable first.
        probabilities: (C,) calibrated: softmax of logits / temperature.
        raw: (C,) softmax of the logits as they are.
        temperature: that divides the logits; above 1 the contender was overconfident on validation images.
        calibrated: whether a temperature was fitted; if not, `probabilities` equals `raw`.
        margin: calibrated probability of the first minus the second class, [0, 1].
        entropy: of the calibrated probabilities in nats, [0, ln C].
        energy: −logsumexp of the raw logits; lower is more familiar.
    """

    order: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    raw: NDArray[np.float64]
    temperature: float
    calibrated: bool
    margin: float
    entropy: float
    energy: float

    @property
    def top(self) -> int:
        """The predicted class."""
        return int(self.order[0])

    @property
    def confidence(self) -> float:
        """Calibrated probability of the predicted class."""
        return float(self.probabilities[self.top])

    @property
    def raw_confidence(self) -> float:
        """Uncalibrated probability of the predicted class."""
        return float(self.raw[self.top])


def predict(logits: NDArray[np.float32], temperature: float, calibrated: bool) -> Prediction:
    """The answer that (C,) raw logits give."""
    row = np.asarray(logits, dtype=np.float64)[None]
    probabilities = metrics.softmax(row, temperature)
    return Prediction(
        order=np.argsort(-row[0], kind="stable"),
        probabilities=probabilities[0],
        raw=metrics.softmax(row)[0],
        temperature=temperature,
        calibrated=calibrated,
        margin=float(metrics.margin(probabilities)[0]),
        entropy=float(metrics.entropy(probabilities)[0]),
        energy=float(metrics.energy(row)[0]),
    )


def agreement(predictions: list[Prediction]) -> bool | None:
    """Whether all contenders name the same class; None when there is only one."""
    if len(predictions) < 2:
        return None
    return len({prediction.top for prediction in predictions}) == 1
