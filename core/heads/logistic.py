"""Multinomial logistic regression along a whole path of L2 strengths, fast enough to sweep dozens of them.

The objective of a strength λ is mean cross-entropy + λ/2 · ‖W‖² on standardised features, the bias unpenalised.
scikit-learn's `C` is 1 / (λ N).

Four things make it fast:
- A change of variables. With independent classes and features the Hessian is c_k (XᵀX/N) + λ for class k, where c_k is
  the mean of p(1 − p). In the basis of principal components it is diagonal, c_k Λ_j + λ, so that dividing each variable
  by its root makes the problem nearly spherical, however small λ and however correlated the features: L-BFGS (Nocedal &
  Wright 2006, algorithm 7.4) then needs few steps, and half the squared gradient estimates how far the objective still
  is from its minimum, which is what the iteration stops on.
- A memory that outlives the strength. The curvature that L-BFGS has seen is that of the cross-entropy, and what another
  λ changes of it is known: steps and changes of the gradient are kept without the penalty, and carried on. The step
  from one strength's solution to the guess of the next is one of them.
- A start that looks ahead. Where the penalty rules, a weight grows as 1 / (c_k Λ_j + λ), so that its product with this
  Hessian hardly changes; where it does not, the weight itself is smooth in log λ. Either is extrapolated from the two
  solutions before, whichever of the two would have guessed the last solution better.
- Two matrix products an evaluation, and little else. On a CPU oneDNN computes them, which uses the widest vectors there
  are, where PyTorch's default, MKL, does not on every CPU. It wants the features in both orders: they are held twice.
  Samples are taken in blocks, so that logits never leave the cache and need no memory for all samples at once.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

TOLERANCE = 1e-6  # nats of mean cross-entropy + penalty left to gain, at most …
SMALL_GAIN = (
    0.1  # nats over class frequencies alone: strong penalties keep the gain below, and what is left in proportion
)
LEAST = 1e-6  # of the tolerance: nothing is gained where features say nothing
ITERATIONS = 200
MEMORY = 24
ARMIJO = 1e-4
ROUNDING = 1e-8  # of the objective, relative: a step that changes less is neither better nor worse
MIN_CURVATURE = 1e-6  # of p(1 − p), where every sample of a class is certain
SMALLEST_STEP = 1e-6
BLOCK = 4096  # samples on a CPU: their logits stay in its cache


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
        iterations: that were needed, at most `ITERATIONS`.
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

Past = tuple[float, Tensor]
"""A strength, and the weights and bias (C, D + 1) that solve it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Weights and bias (C, D + 1), and the cross-entropy there: without the penalty, so that it serves every strength.

    Attributes:
        theta: weights, and the bias in the last column.
        loss: mean cross-entropy, nats.
        gradient: (C, D + 1) of it.
        curvature: (C, D + 1), the diagonal c_k Λ_j of its Hessian.
    """

    theta: Tensor
    loss: float
    gradient: Tensor
    curvature: Tensor

    def value(self, penalty: Tensor) -> float:
        """The objective; summed in double precision, as its changes near the minimum of a strong penalty are small."""
        return self.loss + 0.5 * (penalty * self.theta.square()).double().sum().item()


def _by_onednn(matrix: Tensor) -> bool:
    return matrix.device.type == "cpu" and torch.backends.mkldnn.is_available()


def _times(left: Tensor, right: Tensor) -> Tensor:
    """left @ right.T."""
    return linear(left.to_mkldnn(), right).to_dense() if _by_onednn(left) else left @ right.T


class _CrossEntropy:
    """Mean cross-entropy of the samples as a function of weights and bias."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.spread = torch.cat([problem.variance, problem.variance.new_ones(1)])
        self.frequency = torch.bincount(problem.labels, minlength=problem.classes) / len(problem.labels)
        self.null = torch.special.entr(self.frequency.double()).sum().item()
        features, size = problem.rotated, BLOCK if _by_onednn(problem.rotated) else len(problem.rotated)
        self.blocks = [
            (rows, rows.T.contiguous() if _by_onednn(rows) else rows.T, (labels, torch.arange(len(rows)).to(labels)))
            for rows, labels in zip(features.split(size), problem.labels.split(size), strict=True)
        ]

    def __call__(self, theta: Tensor) -> _Point:
        loss = torch.zeros((), dtype=torch.float64, device=theta.device)
        gradient, squares = torch.zeros_like(theta), torch.zeros_like(theta[:, 0])
        for rows, transposed, truth in self.blocks:
            # (C, samples): a class is a row, as both products want it.
            logs = torch.log_softmax(_times(theta[:, :-1], rows).add_(theta[:, -1:]), dim=0)
            loss -= logs[truth].double().sum()
            residual = logs.exp_()
            squares += torch.linalg.vector_norm(residual, dim=1).square()
            residual[truth] -= 1
            gradient[:, :-1] += _times(residual, transposed)
            gradient[:, -1] += residual.sum(dim=1)
        count = len(self.problem.labels)
        gradient /= count
        # The mean of p is that of the residual, plus the share of the class.
        curvature = (gradient[:, -1] + self.frequency - squares / count).clamp_min(MIN_CURVATURE)
        return _Point(theta, loss.item() / count, gradient, curvature[:, None] * self.spread)


def _penalty(strength: float, theta: Tensor) -> Tensor:
    """(1, D + 1): λ for weights, 0 for the bias."""
    penalty = torch.full_like(theta[:1], strength)
    penalty[0, -1] = 0
    return penalty


def _direction(gradient: Tensor, inverse: Tensor, penalty: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """Minus the L-BFGS inverse Hessian times the gradient (two-loop recursion), from a diagonal one."""
    q = gradient.clone()
    known = []
    for step, change in reversed(pairs):
        whole = torch.addcmul(change, penalty, step)
        inner = torch.sum(step * whole)
        alpha = torch.sum(step * q) / inner
        known.append((step, whole, inner, alpha))
        q.sub_(whole * alpha)
    q *= inverse
    if known:
        _, whole, inner, _ = known[0]
        q *= inner / torch.sum(whole * inverse * whole)
    for step, whole, inner, alpha in reversed(known):
        q.add_(step * (alpha - torch.sum(whole * q) / inner))
    return q.neg_()


def _remember(pairs: deque[Pair], here: _Point, there: _Point) -> None:
    """Add what the way from one point to another says of the curvature, if rounding has left it positive."""
    step, change = there.theta - here.theta, there.gradient - here.gradient
    if torch.sum(step * change).item() > 0:
        pairs.append((step, change))


def _descend(
    entropy: _CrossEntropy, point: _Point, penalty: Tensor, pairs: deque[Pair], tolerance: float
) -> tuple[_Point, int, float]:
    """The minimum for a penalty, the iterations it took, and what is left; the pairs are used and added to."""
    for done in range(ITERATIONS + 1):
        value = point.value(penalty)
        gradient = torch.addcmul(point.gradient, penalty, point.theta)
        inverse = 1 / (point.curvature + penalty).clamp_min(1e-12)
        left = 0.5 * torch.sum(gradient * inverse * gradient).item()
        if done == ITERATIONS or left <= tolerance * min(1, max(LEAST, (entropy.null - value) / SMALL_GAIN)):
            break
        direction = _direction(gradient, inverse, penalty, pairs)
        slope = torch.sum(direction * gradient).item()
        if slope >= 0:  # rounding has spoilt the memory
            pairs.clear()
            direction, slope = -gradient * inverse, -2 * left
        step = 1.0
        while True:
            moved = entropy(torch.add(point.theta, direction, alpha=step))
            rise = moved.value(penalty) - value
            if rise <= ARMIJO * step * slope + ROUNDING * value or step < SMALLEST_STEP:
                break
            # The minimum of the parabola through what is known, kept within a tenth and a half.
            step *= min(0.5, max(0.1, -0.5 * step * slope / (rise - step * slope)))
        if rise > ROUNDING * value:
            break  # no descent is left in single precision
        _remember(pairs, point, moved)
        point = moved
    return point, done, left


def _guess(past: Sequence[Past], strength: float, curvature: Tensor) -> Tensor:
    """Weights and bias (C, D + 1) for a strength, from the last two or three solutions."""

    def rules(before: Past, last: Past, strength: float) -> tuple[Tensor, Tensor]:
        # Equal steps of log λ are the rule; on others the guess is only a worse one.
        old, new = (theta * (curvature + _penalty(other, theta)) for other, theta in (before, last))
        return (2 * new - old) / (curvature + _penalty(strength, new)), 2 * last[1] - before[1]

    *_, before, last = past
    scaled, straight = rules(before, last, strength)
    if len(past) == 3:
        errors = [torch.sum(curvature * (rule - last[1]).square()).item() for rule in rules(past[0], before, last[0])]
        return straight if errors[1] < errors[0] else scaled
    return scaled


def path(problem: Problem, strengths: Sequence[float], tolerance: float = TOLERANCE) -> Iterator[Solution]:
    """The solutions for strengths λ > 0, strongest first, each started from those before."""
    entropy = _CrossEntropy(problem)
    pairs: deque[Pair] = deque(maxlen=MEMORY)
    past: deque[Past] = deque(maxlen=3)
    point = entropy(torch.zeros(problem.classes, problem.rotated.shape[1] + 1, device=problem.rotated.device))
    for strength in strengths:
        penalty = _penalty(strength, point.theta)
        if past:
            guess = entropy(_guess(past, strength, point.curvature))
            _remember(pairs, point, guess)
            point = min(point, guess, key=lambda start: start.value(penalty))
        point, done, left = _descend(entropy, point, penalty, pairs, tolerance)
        past.extend([(strength, point.theta)] * (1 if past else 2))
        yield Solution(strength, point.theta[:, :-1].contiguous(), point.theta[:, -1].contiguous(), done, left)


def solve(problem: Problem, strength: float, tolerance: float = TOLERANCE) -> Solution:
    """The minimum for one strength λ > 0, from weights of zero."""
    return next(path(problem, (strength,), tolerance))
