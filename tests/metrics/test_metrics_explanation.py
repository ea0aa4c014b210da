"""Whether a property says who is right: against scikit-learn's AUROC, and on images whose answer is known."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from core.metrics.explanation import LEAST, Explained, explains


def explained(first: object, second: object, advantage: object, *sure: object, draws: int = 300) -> Explained:
    return explains(first, second, advantage, *sure, draws, rng=np.random.default_rng(7))


def invented(count: int = 200, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Answers of two contenders, their confidences, and noise."""
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, count)) < 0.6
    return first, second, *rng.uniform(0.4, 1, (2, count)), rng.normal(size=count)


def residual(values: np.ndarray, *others: np.ndarray) -> np.ndarray:
    design = np.column_stack([stats.rankdata(other) for other in others])
    ranks = stats.rankdata(values)
    return ranks - LinearRegression().fit(design, ranks).predict(design)


@pytest.mark.parametrize("digits", [8, 0])  # many ties when rounded to whole numbers
def test_auroc_is_that_of_scikit_learn_on_the_decisive_images(digits: int) -> None:
    first, second, *sure, noise = invented()
    advantage = (noise + 0.8 * second).round(digits)
    found = explained(first, second, advantage, *sure)
    decisive = first != second
    assert found.auroc.estimate == pytest.approx(roc_auc_score(second[decisive], advantage[decisive]))
    left = residual(advantage, *sure, sure[1] - sure[0])
    assert found.beyond.estimate == pytest.approx(roc_auc_score(second[decisive], left[decisive]))
    assert (found.only_first, found.only_second) == (np.sum(first & ~second), np.sum(~first & second))


def test_the_interval_is_that_of_resampled_images() -> None:
    first, second, *sure, noise = invented()
    advantage = noise + 0.8 * second
    found = explained(first, second, advantage, *sure, draws=3000).auroc
    decisive = np.flatnonzero(first != second)
    rng = np.random.default_rng(99)  # another stream: the limits agree up to the noise of the resampling
    again = []
    for _ in range(1000):
        pick = rng.choice(decisive, len(decisive))
        again.append(roc_auc_score(second[pick], advantage[pick]))
    low, high = np.quantile(again, [0.025, 0.975])
    assert found.low < found.estimate < found.high
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def surer_is_right(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How much surer the second is, whether it alone is right, and noise."""
    rng = np.random.default_rng(seed)
    gap = rng.uniform(-1, 1, 600)
    return gap, rng.random(600) < 1 / (1 + np.exp(-4 * gap)), rng.normal(size=600)


def test_an_advantage_made_of_confidence_and_noise_says_nothing_beyond_it() -> None:
    estimates = []
    for seed in range(20):
        gap, second, noise = surer_is_right(seed)
        found = explained(~second, second, gap + 0.3 * noise, -gap, np.exp(gap), draws=100)
        assert found.auroc.low > 0.7
        estimates.append(found.beyond.estimate)
    assert np.mean(estimates) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_an_advantage_that_is_the_difference_of_confidences_leaves_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.2, 1, (2, 600))
    gap = sure[1] - sure[0]
    second = rng.random(600) < 1 / (1 + np.exp(-4 * gap))
    found = explained(~second, second, gap, *sure, draws=100)
    assert found.auroc.low > 0.7
    assert found.beyond.low <= 0.5 <= found.beyond.high


@pytest.mark.parametrize("seed", range(4))
def test_an_advantage_that_is_confidence_leaves_nothing(seed: int) -> None:
    gap, second, _ = surer_is_right(seed)
    found = explained(~second, second, np.exp(3 * gap), -gap, np.exp(gap), draws=100).beyond
    assert (found.estimate, found.low, found.high) == (0.5, 0.5, 0.5), "rounding is no finding"


def test_an_advantage_that_confidence_does_not_know_stays() -> None:
    rng = np.random.default_rng(2)
    signal, *sure = rng.normal(size=(3, 600))
    second = signal + rng.normal(0, 0.5, 600) > 0
    found = explained(~second, second, signal, *sure)
    assert found.beyond.low > 0.8
    assert found.beyond.estimate == pytest.approx(found.auroc.estimate, abs=0.03)


def test_an_advantage_that_is_no_signal_is_about_a_half() -> None:
    outside = 0
    for seed in range(30):
        first, second, *sure, noise = invented(120, seed)
        found = explained(first, second, noise, *sure, draws=200)
        outside += not found.auroc.low <= 0.5 <= found.auroc.high
    assert outside <= 6, "95 % intervals leave a true half out one time in twenty"


def test_the_ends_of_the_range() -> None:
    second = np.repeat([True, False], 20)
    sure = np.random.default_rng(3).uniform(0.4, 1, (2, 40))
    for sign, expected in ((1, 1.0), (-1, 0.0)):
        found = explained(~second, second, sign * np.where(second, 1.0, -1.0), *sure).auroc
        assert (found.estimate, found.low, found.high) == (expected, expected, expected)


def test_constant_advantages_are_a_half() -> None:
    first, second, *sure, _ = invented()
    found = explained(first, second, np.zeros(200), *sure)
    assert found.auroc.estimate == found.auroc.low == found.auroc.high == 0.5


@pytest.mark.parametrize("fewer", ["first", "second"])
def test_too_few_images_on_a_side_say_nothing(fewer: str) -> None:
    rng = np.random.default_rng(4)
    few, many = np.arange(40) < LEAST, np.arange(40) >= LEAST
    first, second = (few, many) if fewer == "first" else (many, few)
    noise, sure = rng.normal(size=40), rng.uniform(0.4, 1, (2, 40))
    enough = explained(first, second, noise, *sure)
    assert math.isfinite(enough.auroc.estimate)
    kept = np.arange(40) != 0  # without one image of the small side
    found = explained(first[kept], second[kept], noise[kept], *sure[:, kept])
    assert sorted((found.only_first, found.only_second)) == [LEAST - 1, 40 - LEAST]
    for interval in (found.auroc, found.beyond):
        assert all(math.isnan(value) for value in (interval.estimate, interval.low, interval.high))


def test_unknown_advantages_are_left_out() -> None:
    first, second, *sure, noise = invented()
    unknown = np.arange(200) % 3 == 0
    holes = explained(first, second, np.where(unknown, np.nan, noise), *sure)
    kept = ~unknown
    without = explained(first[kept], second[kept], noise[kept], sure[0][kept], sure[1][kept])
    assert holes == without
    assert holes.only_second < explained(first, second, noise, *sure).only_second


def test_the_same_draws_give_the_same_figures() -> None:
    first, second, *sure, noise = invented()
    assert explained(first, second, noise, *sure) == explained(first, second, noise, *sure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explained([1, 0], [0, 1, 1], [0.1, 0.2], [1, 1], [1, 1]), "second_correct: expected shape"),
        (lambda: explained([1, 2], [0, 1], [0.1, 0.2], [1, 1], [1, 1]), "first_correct: expected"),
        (lambda: explained([1, 0], [0, 1], [[0.1, 0.2]], [1, 1], [1, 1]), r"advantage: expected shape \(N,\)"),
        (lambda: explained([1, 0], [0, 1], [0.1, 0.2], [1, np.nan], [1, 1]), "first_confidence: expected finite"),
    ],
)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
