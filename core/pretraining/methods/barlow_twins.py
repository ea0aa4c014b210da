"""Barlow Twins (Zbontar et al. 2021): the two views' outputs correlate unit by unit, and no unit with another."""

from torch import Tensor, nn

from core.pretraining.methods.base import Method
from core.pretraining.recipe import Recipe


class BarlowTwins(Method):
    """A three-layer projector and the cross-correlation loss; the labels are never looked at."""

    title, regime, paper = "Barlow Twins", "self-supervised", "Zbontar et al. 2021"

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """`options.hidden` wide throughout."""
        from lightly.loss import BarlowTwinsLoss
        from lightly.models.modules import BarlowTwinsProjectionHead

        hidden = int(recipe.options["hidden"])
        self.criterion = BarlowTwinsLoss(lambda_param=recipe.options["redundancy"])
        return BarlowTwinsProjectionHead(width, hidden, hidden)

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Squared distance of the cross-correlation matrix to the identity, off-diagonal part weighted."""
        return self.criterion(*outputs.chunk(2))
