"""No training: the floor that every number of the family stands beside."""

from torch import Tensor, nn

from core.encoders.architectures import Network
from core.pretraining.recipe import Recipe


class Random(nn.Module):
    """The encoder as initialised; only its BatchNorm statistics come from data."""

    views = 0

    def __init__(self, encoder: Network, classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = encoder

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """Never asked for: a recipe of this method has no epochs."""
        raise NotImplementedError("an untrained encoder has no loss")
