"""Shares by hand and by SciPy, and arguments that make no sense."""

import numpy as np
import pytest
from scipy.stats import percentileofscore

from core.metrics.familiarity import outlyingness


def test_larger_share_by_hand() -> None:
    reference = [[0.0, 10.0], [1.0, 20.0], [2.0, 30.0], [3.0, 40.0]]
    assert outlyingness([1.5, -1.0, 9.0, 2.0], [5.0, 35.0, 5.0, 20.0], reference) == pytest.approx(
        [0.5, 0.75, 1.0, 0.5]
    )


def test_share_is_scipys_strict_percentile() -> None:
    rng = np.random.default_rng(0)
    reference, asked = rng.normal(size=(200, 2)), rng.normal(size=(30, 2))
    expected = [max(percentileofscore(reference[:, i], row[i], kind="strict") for i in range(2)) / 100 for row in asked]
    assert outlyingness(asked[:, 0], asked[:, 1], reference) == pytest.approx(expected)


def test_own_images_are_rarely_far_out() -> None:
    values = np.random.default_rng(1).normal(size=(1000, 2))
    assert 0.01 <= (outlyingness(values[:, 0], values[:, 1], values) > 0.99).mean() <= 0.02


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([1.0], [1.0, 2.0], [[0.0, 0.0]]), "distance"),
        (([np.nan], [1.0], [[0.0, 0.0]]), "energy"),
        (([1.0], [1.0], [[0.0, 0.0, 0.0]]), "reference"),
        (([1.0], [1.0], [0.0, 0.0]), "reference"),
        (([], [], [[0.0, 0.0]]), "energy"),
    ],
)
def test_arguments_are_named(arguments, named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named}: expected"):
        outlyingness(*arguments)
