"""No training: the floor that every number of the family stands beside."""

from torch import nn

from core.pretraining.methods.base import Method
from core.pretraining.recipe import Recipe


class Random(Method):
    """The encoder as initialised; only its BatchNorm statistics come from data."""

    title, regime, paper = "random", "random", "this project"

    def build_head(self, width: int, classes: int, recipe: Recipe) -> nn.Module:
        """Nothing: a recipe of this method has no epochs."""
        return nn.Identity()
