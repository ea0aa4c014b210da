"""The optimiser that every member of a family shares, and its learning rate over time.

Matrices and kernels are turned by Muon (Jordan et al. 2024); norms, biases and first-layer kernels by AdamW. Muon's
step is scaled to the size of AdamW's (Liu et al. 2025), so one learning rate serves both.

Muon is written out because torch.optim.Muon iterates in bfloat16, which a processor without its dot products emulates:
2.5 of the 3.7 seconds of a step of 512 small views on such a core, where float32 takes 0.1. Here it iterates in
bfloat16 where hardware has it (0.06 s in float32), and in float32 elsewhere.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from core import devices
from core.pretraining.recipe import Recipe

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)
"""Coefficients of the quintic iteration, steepest at zero (Jordan et al. 2024)."""


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then cosine to zero; `progress` counts epochs."""
    if progress < recipe.warmup:
        return recipe.learning_rate * progress / recipe.warmup
    share = (progress - recipe.warmup) / max(1e-9, recipe.epochs - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _as_matrix(kernel: Tensor) -> Tensor:
    """(O, I) or (O, I, h, w) as (O, I·h·w) on the same memory, for kernels that lie channels last."""
    return kernel if kernel.ndim == 2 else kernel.permute(0, 2, 3, 1).flatten(1)


def orthogonalised(matrix: Tensor, precision: torch.dtype = torch.float32, steps: int = 5) -> Tensor:
    """(m, n) float32 with the singular vectors of `matrix` and singular values near 1 (0.7 to 1.2 after five steps).

    Args:
        matrix: float32.
        precision: of the iteration.
        steps: of it.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = (wide / wide.norm().clamp(min=1e-7)).to(precision)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return (wide.T if matrix.shape[0] > matrix.shape[1] else wide).float()


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised Nesterov momentum of each matrix, with decoupled weight decay.

    Args:
        matrices: 2-D parameters.
        weight_decay: share of the matrix that a step of rate 1 takes away.
    """

    def __init__(self, matrices: list[nn.Parameter], weight_decay: float) -> None:
        super().__init__(matrices, {"lr": 0.0, "weight_decay": weight_decay})

    # PyTorch declares two forms, by whether there is a closure; here is one.
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; a matrix without gradient stays."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                momentum = state.setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 1 - MOMENTUM)
                quick = torch.bfloat16 if devices.has_fast_bf16(matrix.device) else torch.float32
                turned = orthogonalised(matrix.grad.lerp(momentum, MOMENTUM), quick)
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(turned, alpha=-0.2 * math.sqrt(max(matrix.shape)) * group["lr"])


class Optimiser:
    """Muon for the matrices of a model, AdamW for the rest.

    Args:
        model: its kernels lie channels last in memory; what it learns is changed in place.
        recipe: learning rate and weight decay.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.recipe = recipe
        learned = [p for p in model.parameters() if p.requires_grad]
        # A kernel that sees only three colours has nothing to orthogonalise.
        self._kernels = [p for p in learned if p.ndim > 1 and p.shape[1] > 3]
        # Views on the parameters' own memory: a step on the matrix is a step on the kernel.
        self._matrices = [nn.Parameter(_as_matrix(p.detach())) for p in self._kernels]
        if any(m.data_ptr() != p.data_ptr() for m, p in zip(self._matrices, self._kernels, strict=True)):
            raise ValueError("a kernel does not lie channels last, so Muon would turn a copy of it")
        chosen = {id(p) for p in self._kernels}
        self._muon = Muon(self._matrices, recipe.weight_decay)
        self._adamw = torch.optim.AdamW([p for p in learned if id(p) not in chosen], lr=0.0, weight_decay=0.0)
        self.rate = 0.0

    def step(self, loss: Tensor, progress: float) -> None:
        """One step down the gradient of `loss`, at the learning rate of `progress` epochs."""
        self.rate = learning_rate(self.recipe, progress)
        for optimiser in (self._muon, self._adamw):
            for group in optimiser.param_groups:
                group["lr"] = self.rate
        for kernel in self._kernels:
            kernel.grad = None
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _as_matrix(kernel.grad)
        self._muon.step()
        self._adamw.step()

    def state_dict(self) -> dict:
        """All that a resumed run needs."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict(), "rate": self.rate}

    def load_state_dict(self, state: dict) -> None:
        """Continue where `state` was taken."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])
        self.rate = state["rate"]
