"""VICReg (Bardes et al. 2022): views agree, every unit varies, and no two units tell the same."""

from torch import Tensor, nn

from core.pretraining.methods.base import Method
from core.pretraining.recipe import Recipe


class VICReg(Method):
    """A three-layer projector and the variance-invariance-covariance loss; the labels are never looked at."""

    title, regime, paper = "VICReg", "self-supervised", "Bardes et al. 2022"

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """`options.hidden` wide throughout."""
        from lightly.loss import VICRegLoss
        from lightly.models.modules.heads import VICRegProjectionHead

        hidden = int(recipe.options["hidden"])
        self.criterion = VICRegLoss()
        return VICRegProjectionHead(width, hidden, hidden, num_layers=3)

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The weighted sum of the three terms, weights of the paper (25, 25, 1)."""
        return self.criterion(*outputs.chunk(2))
