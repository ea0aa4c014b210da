"""The solver of the linear probe finds scikit-learn's minimum, for strong and weak regularisation alike."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from core.heads import logistic

# What is left of the objective is half the squared distance to the minimum: .0014 over all samples, more on one.
PROBABILITY = 5e-3


def correlated(count: int = 600, width: int = 20, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Rectified, correlated features of very different scale, as encoders give them."""
    generator = torch.Generator().manual_seed(4)
    mix = torch.randn(width, width, generator=generator) * torch.logspace(0, -2, width)[:, None]
    labels = torch.randint(classes, (count,), generator=generator)
    centres = torch.randn(classes, width, generator=generator)
    hidden = centres[labels] + 2 * torch.randn(count, width, generator=generator)
    return (hidden @ mix + 0.5).relu() * torch.logspace(-2, 2, width), labels


def objective(weight: Tensor, bias: Tensor, scaled: Tensor, labels: Tensor, strength: float) -> float:
    loss = F.cross_entropy(F.linear(scaled.double(), weight.double(), bias.double()), labels)
    return float(loss + 0.5 * strength * weight.double().square().sum())


@pytest.mark.parametrize("strength", [10.0, 1e-1, 1e-3, 1e-5])
def test_minimum_is_scikit_learns(strength: float) -> None:
    features, labels = correlated()
    problem = logistic.problem(features, labels, 5)
    found = logistic.solve(problem, strength)
    assert found.left <= logistic.TOLERANCE
    scaled = (features - features.mean(0)) / features.std(0, correction=0)
    reference = LogisticRegression(C=1 / (strength * len(labels)), tol=1e-9, max_iter=20000).fit(
        scaled.double().numpy(), labels
    )
    weight, bias = found.on_raw_features(problem)
    np.testing.assert_allclose(
        F.softmax(F.linear(features, weight, bias), dim=1),
        reference.predict_proba(scaled.double().numpy()),
        atol=PROBABILITY,
    )
    on_scaled = weight * features.std(0, correction=0)
    ours = objective(on_scaled, bias + weight @ features.mean(0), scaled, labels, strength)
    theirs = objective(torch.tensor(reference.coef_), torch.tensor(reference.intercept_), scaled, labels, strength)
    # As far above the minimum as the solver says, and its estimate is no more than a few times off.
    assert -1e-6 < ours - theirs < 5 * logistic.TOLERANCE


def test_path_is_the_same_as_each_strength_alone() -> None:
    features, labels = correlated()
    problem = logistic.problem(features, labels, 5)
    for solution in logistic.path(problem, (1.0, 1e-2, 1e-4)):
        alone = logistic.solve(problem, solution.strength)
        torch.testing.assert_close(
            solution.logits(problem.rotated).softmax(1),
            alone.logits(problem.rotated).softmax(1),
            atol=PROBABILITY,
            rtol=0,
        )


def test_whole_path_reaches_the_minimum_of_each_strength() -> None:
    """Also where steps are uneven, so that guesses mislead, and where the strongest leave hardly anything to gain."""
    features, labels = correlated()
    problem = logistic.problem(features, labels, 5)
    strengths = (1e4, 1e3, *(10.0 ** (1 - e / 4) for e in range(25)), 1e-8, 9e-9)
    for solution in logistic.path(problem, strengths):
        exact = logistic.solve(problem, solution.strength, tolerance=1e-9)
        found, lowest = (
            objective(one.weight, one.bias, problem.rotated, labels, solution.strength) for one in (solution, exact)
        )
        gain = objective(0 * exact.weight, torch.bincount(labels).log(), problem.rotated, labels, 1) - lowest
        # The estimate is no more than a few times off; for the strongest it is held to a share of the gain.
        allowed = 5 * logistic.TOLERANCE * min(1, gain / logistic.SMALL_GAIN)
        assert solution.left <= logistic.TOLERANCE
        assert found - lowest < allowed + 1e-9


def test_path_is_the_same_to_the_bit_when_repeated() -> None:
    features, labels = correlated()
    first, second = (
        list(logistic.path(logistic.problem(features, labels, 5), (1.0, 1e-1, 1e-2, 1e-3))) for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.bias, other.bias)


@pytest.mark.parametrize("onednn", [True, False])
def test_blocks_add_up_to_the_loss_of_all_samples(onednn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if onednn and not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch was built without oneDNN")
    monkeypatch.setattr(logistic, "BLOCK", 256)  # 256, 256 and 88 samples
    monkeypatch.setattr(logistic, "_by_onednn", lambda matrix: onednn)
    features, labels = correlated()
    problem = logistic.problem(features, labels, 5)
    entropy = logistic._CrossEntropy(problem)
    assert len(entropy.blocks) == (3 if onednn else 1)
    theta = torch.randn(5, 21, generator=torch.Generator().manual_seed(2))
    point = entropy(theta)
    exact = theta.double().requires_grad_()
    logits = F.linear(problem.rotated.double(), exact[:, :-1], exact[:, -1])
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    assert exact.grad is not None
    assert point.loss == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(point.gradient, exact.grad.float(), atol=1e-5, rtol=1e-4)
    share = logits.detach().softmax(1)
    spread = torch.cat([problem.variance, torch.ones(1)]).double()
    torch.testing.assert_close(
        point.curvature, ((share * (1 - share)).mean(0)[:, None] * spread).float(), atol=1e-6, rtol=1e-4
    )
    penalty = torch.full((1, 21), 0.3)
    penalty[0, -1] = 0
    expected = objective(theta[:, :-1], theta[:, -1], problem.rotated, labels, 0.3)
    assert point.value(penalty) == pytest.approx(expected, rel=1e-6)


def test_guess_follows_whichever_rule_holds() -> None:
    generator = torch.Generator().manual_seed(3)
    curvature, slope, base = (torch.rand(3, 5, generator=generator) + 0.1 for _ in range(3))
    strengths = (1.0, 0.5, 0.25, 0.125)

    def under_the_penalty(strength: float) -> Tensor:
        penalty = torch.full((1, 5), strength)
        penalty[0, -1] = 0
        return base / (curvature + penalty)

    def smooth(strength: float) -> Tensor:
        return base - slope * torch.tensor(strength).log()

    for truth in (under_the_penalty, smooth):
        past = [(strength, truth(strength)) for strength in strengths[:3]]
        torch.testing.assert_close(logistic._guess(past, strengths[3], curvature), truth(strengths[3]))


def test_projection_and_raw_weights_say_the_same() -> None:
    features, labels = correlated()
    problem = logistic.problem(features, labels, 5)
    solution = logistic.solve(problem, 1e-2)
    weight, bias = solution.on_raw_features(problem)
    unseen, _ = correlated(50)
    torch.testing.assert_close(
        solution.logits(problem.project(unseen)), F.linear(unseen, weight, bias), atol=1e-3, rtol=1e-3
    )


def test_separable_classes_end_and_stay_finite() -> None:
    """Without a finite minimum but for the penalty: 0 and 1 are told apart by one feature without error."""
    labels = torch.arange(60) % 2
    features = torch.stack([labels * 2.0 - 1, torch.randn(60, generator=torch.Generator().manual_seed(0))], dim=1)
    problem = logistic.problem(features, labels, 2)
    *_, last = logistic.path(problem, [10.0**-e for e in range(9)])
    assert last.weight.isfinite().all()
    assert (last.logits(problem.rotated).argmax(1) == labels).all()
    assert last.left <= logistic.TOLERANCE


def test_more_features_than_samples() -> None:
    generator = torch.Generator().manual_seed(1)
    features, labels = torch.randn(12, 40, generator=generator), torch.arange(12) % 3
    found = logistic.solve(logistic.problem(features, labels, 3), 1e-2)
    reference = LogisticRegression(C=1 / (1e-2 * 12), tol=1e-8, max_iter=5000).fit(
        ((features - features.mean(0)) / features.std(0, correction=0)).numpy(), labels
    )
    ours = found.logits(logistic.problem(features, labels, 3).rotated).softmax(1)
    theirs = reference.predict_proba(((features - features.mean(0)) / features.std(0, correction=0)).numpy())
    np.testing.assert_allclose(ours, theirs, atol=PROBABILITY)
