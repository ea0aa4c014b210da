"""Cross-entropy of a linear classifier on the pooled feature."""

from torch import Tensor, nn
from torch.nn import functional as F

from core.pretraining.methods.base import Method
from core.pretraining.recipe import Recipe


class Supervised(Method):
    """Learns the labels; both views of an image are to be named alike."""

    title, regime, paper = "supervised", "supervised", "this project"

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """A linear classifier."""
        return nn.Linear(width, classes)

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy in nats."""
        return F.cross_entropy(outputs, labels.repeat(2))
