"""SimCLR (Chen et al. 2020): two views of an image attract, all other images of the batch repel."""

from torch import Tensor, nn

from core.pretraining.methods.base import Method
from core.pretraining.recipe import Recipe


class SimCLR(Method):
    """A two-layer projector and the NT-Xent loss; the labels are never looked at."""

    title, regime, paper = "SimCLR", "self-supervised", "Chen et al. 2020"

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """`options.hidden` wide, 128 numbers out."""
        # Only training needs lightly; fitting heads for a packaged encoder does not.
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead

        self.criterion = NTXentLoss(temperature=recipe.options["temperature"])
        return SimCLRProjectionHead(width, int(recipe.options["hidden"]), 128)

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Mean NT-Xent in nats."""
        return self.criterion(*outputs.chunk(2))
