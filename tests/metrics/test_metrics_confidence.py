import numpy as np
import pytest
from scipy import special, stats

from core.metrics.confidence import energy, entropy, margin, softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 4, size=(200, 9))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_softmax_is_that_of_scipy(temperature: float) -> None:
    np.testing.assert_allclose(softmax(LOGITS, temperature), special.softmax(LOGITS / temperature, axis=1), rtol=1e-12)


def test_softmax_of_huge_logits_neither_overflows_nor_loses_mass() -> None:
    assert softmax([[1e4, 0.0], [-1e4, -1e4]]).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_softmax_keeps_leading_axes() -> None:
    assert softmax(LOGITS.reshape(10, 20, 9)).shape == (10, 20, 9)
    assert softmax(LOGITS[0]).sum() == pytest.approx(1)


def test_temperature_moves_between_uniform_and_one_hot() -> None:
    assert softmax([1.0, 2.0, 3.0], 1e6) == pytest.approx([1 / 3] * 3, abs=1e-5)
    assert softmax([1.0, 2.0, 3.0], 1e-3) == pytest.approx([0, 0, 1])


def test_margin_by_hand() -> None:
    assert margin([[0.7, 0.2, 0.1], [0.4, 0.2, 0.4], [0.0, 1.0, 0.0]]) == pytest.approx([0.5, 0.0, 1.0])


def test_entropy_is_that_of_scipy() -> None:
    p = softmax(LOGITS)
    np.testing.assert_allclose(entropy(p), stats.entropy(p, axis=1), rtol=1e-9)


def test_entropy_at_its_limits() -> None:
    assert entropy([[1.0, 0.0, 0.0, 0.0], [0.25] * 4]) == pytest.approx([0.0, 1.3862943611198906])


def test_energy_by_hand_and_for_huge_logits() -> None:
    assert energy([[0.0, 0.0], [1e4, 0.0]]) == pytest.approx([-0.6931471805599453, -1e4])


def test_energy_falls_as_logits_grow() -> None:
    assert energy(LOGITS + 3) == pytest.approx(energy(LOGITS) - 3)
    assert energy(LOGITS).shape == (200,)


BAD = [
    (lambda: softmax([[1.0, np.inf]]), "logits: expected finite numbers, got 1 NaN or infinite"),
    (lambda: softmax(3.0), r"logits: expected shape \(…, K\), got shape \(\)"),
    (lambda: softmax([]), "logits: expected at least one value"),
    (lambda: softmax([1.0], temperature=0.0), r"temperature: expected a number in \(0, inf\), got 0"),
    (lambda: softmax([1.0], temperature="warm"), "temperature: expected a number, got 'warm'"),
    (lambda: softmax([1.0], temperature=np.nan), "temperature: expected a number"),
    (lambda: margin([[1.0]]), r"probabilities: expected at least 2 classes, got shape \(1, 1\)"),
    (lambda: margin([[3.0, -2.0]]), r"probabilities: expected values in \[0, 1\], got values in \[-2, 3\]"),
    (lambda: entropy([[0.2, 0.2]]), r"probabilities: expected rows that sum to 1, got sums in \[0.4, 0.4\]"),
    (lambda: energy([[1 + 2j]]), "logits: expected numbers, got dtype complex128"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
