"""SupCon (Khosla et al. 2020): SimCLR's loss told which images show the same class."""

import torch
from torch import Tensor
from torch.nn import functional as F

from core.pretraining.methods.simclr import SimCLR


class SupCon(SimCLR):
    """SimCLR's projector and temperature; every view of the same class attracts. Separates labels from loss."""

    title, regime, paper = "SupCon", "supervised", "Khosla et al. 2020"

    def objective(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Eq. 2 of the paper (L_out): for each view the mean over its positives of −log softmax, in nats."""
        views = F.normalize(outputs, dim=1)
        itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
        similarity = (views @ views.T / self.criterion.temperature).masked_fill(itself, -torch.inf)
        names = labels.repeat(2)
        positive = (names == names.unsqueeze(1)) & ~itself
        # The diagonal is −inf and no positive: it is set to 0 before it meets the mask.
        chance = similarity.log_softmax(dim=1).masked_fill(itself, 0.0)
        return -(chance * positive).sum(dim=1).div(positive.sum(dim=1)).mean()
