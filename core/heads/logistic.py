"""Multinomial logistic regression along a whole path of L2 strengths, fast enough to sweep dozens of them.

The objective of a strength λ is mean cross-entropy + λ/2 · ‖W‖² on standardised features, the bias unpenalised.
scikit-learn's `C` is 1 / (λ N).

Three things make it fast:
- A change of variables. With independent classes and features the Hessian is c_k (XᵀX/N) + λ for class k, where c_k is
  the mean of p(1 − p). In the basis of principal components it is diagonal, c_k Λ_j + λ, so that dividing each variable
  by its root makes the problem nearly spherical, however small λ and however correlated the features: L-BFGS (Nocedal &
  Wright 2006, algorithm 7.4) then needs few steps, and half the squared gradient estimates how far the objective still
  is from its minimum, which is what the iteration stops on.
- A memory that outlives the strength. The curvature that L-BFGS has seen is that of the cross-entropy, and what another
  λ changes of it is known: steps and changes of the gradient are kept without the penalty, and carried on.
- A start that looks ahead. The path is smooth in log λ, so each solution is first guessed from the two before.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

TOLERANCE = 1e-6  # nats of mean cross-entropy + penalty left to gain, at most …
SHARE = 1e-3  # … and as a share of what has been gained over class frequencies alone, which strong penalties keep small
LEAST = 1e-12  # nothing is gained where features say nothing
ITERATIONS = 200
MEMORY = 24
ARMIJO = 1e-4
ROUNDING = 1e-8  # of the objective, relative: a step that changes less is neither better nor worse
MIN_CURVATURE = 1e-6  # of p(1 − p), where every sample of a class is certain
SMALLEST_STEP = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Features in the basis in which the solver works.

    Attributes:
        rotated: (N, D) standardised features in principal components.
        labels: (N,) int64.
        classes: C.
        mean: (D,) of the raw features.
        projection: (D, D): raw features minus mean, times this, are the rotated ones.
        variance: (D,) of the rotated features.
    """

    rotated: Tensor
    labels: Tensor
    classes: int
    mean: Tensor
    projection: Tensor
    variance: Tensor

    def project(self, features: Tensor) -> Tensor:
        """(M, D) raw features in the solver's basis."""
        return (features.float() - self.mean) @ self.projection


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The minimum for one strength, in the solver's basis.

    Attributes:
        strength: λ.
        weight: (C, D) on rotated features.
        bias: (C,).
        iterations: that were needed.
        left: estimate of what the objective could still fall, nats; above `TOLERANCE` when iterations ran out.
    """

    strength: float
    weight: Tensor
    bias: Tensor
    iterations: int
    left: float

    def logits(self, rotated: Tensor) -> Tensor:
        """(M, C) of (M, D) features in the solver's basis."""
        return torch.addmm(self.bias, rotated, self.weight.T)

    def on_raw_features(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Weight (C, D) and bias (C,) that read features as the encoder gives them."""
        weight = self.weight @ problem.projection.T
        return weight, self.bias - weight @ problem.mean


def problem(features: Tensor, labels: Tensor, classes: int) -> Problem:
    """Standardised features of (N, D) raw ones, turned into their principal components.

    Raises:
        ValueError: fewer than two classes, or a class without samples.
    """
    counts = torch.bincount(labels.cpu(), minlength=classes)
    if classes < 2 or len(counts) > classes or bool((counts == 0).any()):
        raise ValueError(f"a head needs at least two classes, each with samples; got counts {counts.tolist()}")
    features = features.float()
    mean = features.mean(dim=0)
    centred = features - mean
    deviation = centred.square().mean(dim=0).sqrt()
    # A feature that never changes says nothing; its deviation is rounding, and dividing by it would make it speak.
    scale = torch.where(deviation > 1e-6 * deviation.max(), 1 / deviation, 0.0)
    centred.mul_(scale)
    variance, basis = torch.linalg.eigh((centred.T @ centred).double() / len(features))
    projection = basis.float()
    return Problem(
        centred @ projection,
        labels.to(features.device),
        classes,
        mean,
        scale[:, None] * projection,
        variance.clamp_min(0).float(),
    )


Pair = tuple[Tensor, Tensor]
"""A step (C, D + 1), and the change of the cross-entropy's gradient along it."""


class _Objective:
    """Value and gradient for one strength, and the scale that suits its variables."""

    def __init__(self, problem: Problem, strength: float, theta: Tensor) -> None:
        self.problem = problem
        self.rows = torch.arange(len(problem.labels), device=theta.device)
        self.penalty = torch.full_like(theta[:1], strength)
        self.penalty[0, -1] = 0
        self.inverse = torch.empty(0)
        frequency = torch.bincount(problem.labels, minlength=problem.classes).double() / len(problem.labels)
        self.null = -float(torch.sum(frequency * frequency.log()))

    def _suit(self, probabilities: Tensor) -> None:
        """Scale the variables for the curvature at these probabilities (N, C)."""
        curvature = probabilities.mean(dim=0) - probabilities.square().mean(dim=0)
        spread = torch.cat([self.problem.variance, self.problem.variance.new_ones(1)])
        hessian = curvature.clamp_min(MIN_CURVATURE)[:, None] * spread + self.penalty
        self.inverse = 1 / hessian.clamp_min(1e-12)

    def __call__(self, theta: Tensor, suit: bool = False) -> tuple[float, Tensor]:
        """The objective, and the gradient (C, D + 1) of the cross-entropy alone; `suit` scales the variables for it."""
        logits = torch.addmm(theta[:, -1], self.problem.rotated, theta[:, :-1].T)
        logs = torch.log_softmax(logits, dim=1)
        # Summed in double precision: near the minimum of a strong penalty the changes are that small.
        own = logs[self.rows, self.problem.labels].double().mean()
        residual = logs.exp_()
        if suit:
            self._suit(residual)
        residual[self.rows, self.problem.labels] -= 1
        gradient = torch.empty_like(theta)
        torch.mm(residual.T, self.problem.rotated, out=gradient[:, :-1])
        gradient[:, -1] = residual.sum(dim=0)
        penalty = 0.5 * (self.penalty * theta.square()).double().sum()
        return (penalty - own).item(), gradient.div_(len(residual))

    def direction(self, gradient: Tensor, pairs: Sequence[Pair]) -> Tensor:
        """Minus the L-BFGS inverse Hessian times the gradient (two-loop recursion)."""
        q = gradient.clone()
        known = []
        for step, change in reversed(pairs):
            whole = torch.addcmul(change, self.penalty, step)
            inner = torch.sum(step * whole)
            alpha = torch.sum(step * q) / inner
            known.append((step, whole, inner, alpha))
            q.sub_(whole * alpha)
        q *= self.inverse
        if known:
            _, whole, inner, _ = known[0]
            q *= inner / torch.sum(whole * self.inverse * whole)
        for step, whole, inner, alpha in reversed(known):
            q.add_(step * (alpha - torch.sum(whole * q) / inner))
        return q.neg_()


def solve(
    problem: Problem,
    strength: float,
    start: Solution | None = None,
    iterations: int = ITERATIONS,
    pairs: deque[Pair] | None = None,
) -> Solution:
    """The minimum for one strength.

    Args:
        problem: the samples.
        strength: λ > 0.
        start: the solution of a near strength; zeros by default.
        iterations: at most.
        pairs: curvature seen at other strengths; this one's is added.
    """
    if start is None:
        theta = torch.zeros(problem.classes, problem.rotated.shape[1] + 1, device=problem.rotated.device)
    else:
        theta = torch.cat([start.weight, start.bias[:, None]], dim=1)
    pairs = deque(maxlen=MEMORY) if pairs is None else pairs
    objective = _Objective(problem, strength, theta)
    value, data_gradient = objective(theta, suit=True)
    gradient = torch.addcmul(data_gradient, objective.penalty, theta)
    done = 0
    while (left := 0.5 * torch.sum(gradient * objective.inverse * gradient).item()) > min(
        TOLERANCE, max(SHARE * (objective.null - value), LEAST)
    ) and done < iterations:
        direction = objective.direction(gradient, pairs)
        slope = torch.sum(direction * gradient).item()
        if slope >= 0:  # rounding has spoilt the memory
            pairs.clear()
            direction, slope = -gradient * objective.inverse, -2 * left
        step = 1.0
        while True:
            moved = torch.add(theta, direction, alpha=step)
            next_value, next_gradient = objective(moved)
            if next_value <= value + ARMIJO * step * slope + ROUNDING * value or step < SMALLEST_STEP:
                break
            # The minimum of the parabola through what is known, kept within a tenth and a half.
            step *= min(0.5, max(0.1, -0.5 * step * slope / (next_value - value - step * slope)))
        if next_value > value + ROUNDING * value:
            break  # no descent is left in single precision
        change = next_gradient - data_gradient
        if torch.sum(direction * change).item() > 0:
            pairs.append((direction * step, change))
        theta, value, data_gradient = moved, next_value, next_gradient
        gradient = torch.addcmul(data_gradient, objective.penalty, theta)
        done += 1
    return Solution(strength, theta[:, :-1].contiguous(), theta[:, -1].contiguous(), done, left)


def path(problem: Problem, strengths: Sequence[float], iterations: int = ITERATIONS) -> Iterator[Solution]:
    """The solutions for strengths, strongest first, each started from those before."""
    pairs: deque[Pair] = deque(maxlen=MEMORY)
    before: Solution | None = None
    last: Solution | None = None
    for strength in strengths:
        start = last
        if before is not None and last is not None:
            # Equal steps of log λ are the rule; on others the guess is only a worse one.
            start = replace(last, weight=2 * last.weight - before.weight, bias=2 * last.bias - before.bias)
        before, last = last, solve(problem, strength, start, iterations, pairs)
        yield last
