"""SimCLR (Chen et al. 2020): two views of an image attract, all other images of the batch repel."""

import torch
from torch import Tensor, nn

from core.encoders.architectures import Network
from core.pretraining.recipe import Recipe


class SimCLR(nn.Module):
    """Encoder, two-layer projector and NT-Xent loss; the labels are never looked at."""

    views = 2

    def __init__(self, encoder: Network, classes: int, recipe: Recipe) -> None:
        # Only training needs lightly; fitting heads for a packaged encoder does not.
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead

        super().__init__()
        self.encoder = encoder
        width = encoder.num_features
        self.projector = SimCLRProjectionHead(width, int(recipe.options.get("hidden", width)), 128)
        self.criterion = NTXentLoss(temperature=recipe.options["temperature"])

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """Mean NT-Xent of two (B, 3, H, W) views; `labels` is there for the methods that use it."""
        # One pass over both views, so that BatchNorm sees them together as in the paper.
        projected = self.projector(self.encoder(torch.cat(views)))
        first, second = projected.float().chunk(2)
        return self.criterion(first, second)
