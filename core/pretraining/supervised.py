"""Supervised training: cross-entropy of a linear classifier on the pooled feature."""

from torch import Tensor, nn
from torch.nn import functional as F

from core.encoders.architectures import Network
from core.pretraining.recipe import Recipe


class Supervised(nn.Module):
    """Encoder and classifier; the classifier is thrown away, like every method's head."""

    views = 1

    def __init__(self, encoder: Network, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.num_features, classes)
        self.smoothing = recipe.options.get("label_smoothing", 0.0)

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """Mean cross-entropy in nats of (B, 3, H, W) views with (B,) labels."""
        logits = self.classifier(self.encoder(views[0]))
        return F.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
