"""What the training loop and the card ask of a method."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from core.encoders.architectures import Network
from core.pretraining.recipe import Recipe


class Method(nn.Module):
    """An encoder and what is thrown away after training.

    Attributes:
        title: as people read it.
        regime: one of the regimes of the catalog.
        paper: where the method comes from.
    """

    title: ClassVar[str]
    regime: ClassVar[str]
    paper: ClassVar[str]

    def __init__(self, encoder: Network, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = self.build_head(encoder.num_features, classes, recipe)

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """What maps the pooled feature of `width` numbers to what the loss is taken of."""
        raise NotImplementedError

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The loss of (2B, D) float32 outputs: first views, then second views of B images with (B,) labels."""
        raise NotImplementedError

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of two (B, 3, H, W) views. One pass over both, so that BatchNorm sees them together."""
        return self.objective(self.head(self.encoder(torch.cat(views))).float(), labels)
