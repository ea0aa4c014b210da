from itertools import permutations

import numpy as np
import pytest
from scipy import integrate
from sklearn import metrics as reference

from core.metrics.selective import (
    answered_from,
    aurc,
    coverage_at_risk,
    excess_aurc,
    ideal_aurc,
    misclassification_auroc,
    risk_at_coverage,
    risk_coverage,
)

RNG = np.random.default_rng(0)
CONFIDENCE = RNG.random(500)
CORRECT = RNG.random(500) < 0.4 + 0.5 * CONFIDENCE
# Worked by hand: risks 0, 1/2, 1/3, 1/4.
HAND = ([0.6, 0.9, 0.7, 0.8], [1, 1, 1, 0])


@pytest.mark.parametrize("decimals", [16, 1])
def test_misclassification_auroc_is_that_of_scikit_learn(decimals: int) -> None:
    confidence = CONFIDENCE.round(decimals)
    found = misclassification_auroc(confidence, CORRECT)
    assert found.value == pytest.approx(reference.roc_auc_score(CORRECT, confidence))
    assert found.reason == ""


def test_misclassification_auroc_at_its_limits() -> None:
    assert misclassification_auroc([0.1, 0.2, 0.8], [0, 0, 1]).value == 1.0
    assert misclassification_auroc([0.1, 0.2, 0.8], [1, 1, 0]).value == 0.0
    assert misclassification_auroc([0.5, 0.5, 0.5], [1, 1, 0]).value == 0.5


@pytest.mark.parametrize(("correct", "word"), [([1, 1], "correct"), ([0, 0], "wrong")])
def test_misclassification_auroc_says_why_it_is_unknown(correct: list[int], word: str) -> None:
    found = misclassification_auroc([0.1, 0.2], correct)
    assert np.isnan(found.value)
    assert f"every sample is {word}" in found.reason


def test_risk_coverage_by_hand() -> None:
    assert risk_coverage(*HAND) == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])


def test_ties_are_the_mean_over_all_orders_of_the_tied_samples() -> None:
    confidence, correct = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1]), np.array([1, 0, 1, 0, 1, 0])
    risks = []
    for order in permutations(range(1, 5)):
        wrong = 1 - correct[[0, *order, 5]]
        risks.append([wrong[:n].mean() for n in range(1, 7)])
    assert risk_coverage(confidence, correct) == pytest.approx(np.mean(risks, axis=0))


def test_the_order_of_samples_does_not_matter() -> None:
    confidence, shuffled = CONFIDENCE.round(1), RNG.permutation(500)
    assert aurc(confidence, CORRECT) == pytest.approx(aurc(confidence[shuffled], CORRECT[shuffled]))


def test_aurc_by_hand() -> None:
    assert aurc(*HAND) == pytest.approx(13 / 48)


def test_aurc_without_information_is_the_error_rate() -> None:
    assert aurc(np.zeros(500), CORRECT) == pytest.approx(1 - CORRECT.mean())


def test_excess_aurc_subtracts_the_area_of_an_ideal_ranking() -> None:
    rate = 1 - CORRECT.mean()
    ideal, _ = integrate.quad(lambda c: (c - (1 - rate)) / c, 1 - rate, 1)
    assert excess_aurc(CONFIDENCE, CORRECT) == pytest.approx(aurc(CONFIDENCE, CORRECT) - ideal)


@pytest.mark.parametrize("wrong", [0, 1, 150, 1000])
def test_excess_aurc_of_an_ideal_ranking_is_nearly_zero(wrong: int) -> None:
    correct = np.arange(1000) >= wrong
    assert 0 <= excess_aurc(np.arange(1000), correct) <= wrong / 1000 / 1000 + 1e-12


def test_coverage_at_risk_by_hand() -> None:
    assert coverage_at_risk(*HAND, risk=0.0) == 0.25
    assert coverage_at_risk(*HAND, risk=0.25) == 1.0
    assert coverage_at_risk([0.9, 0.8, 0.7], [1, 0, 0], risk=0.5) == pytest.approx(2 / 3)
    assert coverage_at_risk([0.9, 0.8], [0, 1], risk=0.4) == 0.0


def test_coverage_at_risk_counts_an_exact_risk_as_met() -> None:
    assert coverage_at_risk(np.arange(20), np.arange(20) > 0, risk=0.05) == 1.0


def test_coverage_at_risk_does_not_split_ties() -> None:
    # One error among four tied samples: a threshold answers all four (risk ¼) or only the first.
    assert coverage_at_risk([0.9, 0.5, 0.5, 0.5], [1, 1, 1, 0], risk=0.2) == 0.25


def test_risk_at_coverage_by_hand() -> None:
    assert risk_at_coverage(*HAND, coverage=0.5) == 0.5
    assert risk_at_coverage(*HAND, coverage=0.51) == pytest.approx(1 / 3)
    assert risk_at_coverage(*HAND, coverage=1.0) == 0.25
    assert risk_at_coverage(*HAND, coverage=1e-12) == 0.0
    assert risk_at_coverage(*HAND, coverage=[0.5, 1.0]).tolist() == [0.5, 0.25]


def test_a_threshold_lets_through_what_is_at_least_as_sure() -> None:
    stored = np.array([0.9, 0.8, 0.5], dtype=np.float32)  # .9f is below the double .9
    answered, right = answered_from(stored, [1, 0, 1], [0.0, 0.8, 0.9, 1.0])
    assert answered.tolist() == [3, 2, 1, 0]
    assert right.tolist() == [2, 1, 1, 0]


def test_ideal_aurc_is_the_area_of_a_ranking_with_all_errors_last() -> None:
    assert ideal_aurc(0.25) == pytest.approx(aurc(np.arange(20_000), np.arange(20_000) >= 5000), abs=1e-4)
    assert ideal_aurc([0.0, 1.0]).tolist() == [0.0, 1.0]


def test_risk_at_coverage_is_safe_from_rounding() -> None:
    # .55 · 100 exceeds 55 in floating point; the 55 most confident are right, the next is not.
    assert risk_at_coverage(np.arange(100)[::-1], np.arange(100) < 55, coverage=0.55) == 0.0


BAD = [
    (lambda: misclassification_auroc([0.1, np.nan], [1, 0]), "confidence: expected finite numbers, got 1 NaN"),
    (lambda: misclassification_auroc([0.1], [1, 0]), r"correct: expected shape \(1,\), got shape \(2,\)"),
    (lambda: risk_coverage([], []), "confidence: expected at least one value"),
    (lambda: risk_coverage([0.5], [0.5]), "correct: expected true or false"),
    (lambda: aurc([[0.5]], [1]), r"confidence: expected shape \(N,\), got shape \(1, 1\)"),
    (lambda: excess_aurc(["x"], [1]), "confidence: expected numbers, got dtype"),
    (lambda: coverage_at_risk([0.5], [1], risk=1.5), r"risk: expected a number in \[0, 1\], got 1.5"),
    (lambda: risk_at_coverage([0.5], [1], coverage=0), r"coverage: expected numbers in \(0, 1\], got 0"),
    (lambda: risk_at_coverage([0.5], [1], coverage=2), r"coverage: expected values in \[0, 1\]"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
