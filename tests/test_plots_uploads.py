"""Uploads beside each other: counts by hand, and what they come to."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.confidence import predict
from core.encoders.registry import encoder_spec
from core.plots.uploads import finding
from core.results import uploads

CLASSES = ("cat", "dog", "ship")
PAIR = [encoder_spec("supervised"), encoder_spec("simclr")]


def table(first: str, second: str, truth: str) -> pd.DataFrame:
    """Answers and true classes given by their first letters; a dash is no label."""
    names = {name[0]: name for name in CLASSES}
    said = [
        [predict(np.eye(3, dtype=np.float32)[CLASSES.index(names[letter])], 1.0, True) for letter in letters]
        for letters in zip(first, second, strict=True)
    ]
    n = len(truth)
    found = uploads.answers([f"{i}.png" for i in range(n)], ["8 × 8"] * n, said, PAIR, CLASSES)
    return found.assign(**{uploads.TRUE: [names.get(letter) for letter in truth]})


def test_answers_and_agreement() -> None:
    found = table("ccd", "csd", "---")
    assert list(found["supervised"]) == ["cat", "cat", "dog"]
    assert list(found["simclr"]) == ["cat", "ship", "dog"]
    assert list(found["agree"]) == [True, False, True]
    assert found["simclr confidence"].between(1 / 3, 1).all()


def test_scores_count_labelled_images_alone() -> None:
    found = uploads.scores(table("cccd", "sscd", "cc-s"), PAIR)
    assert list(found["right"]) == [2, 0]
    assert list(found["of"]) == [3, 3]
    low, high = stats.binomtest(2, 3).proportion_ci(method="wilson")
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx([100 * low, 100 * high], abs=0.06)


def test_two_by_two_and_its_test() -> None:
    # Nine images that only the second gets right, one that only the first does.
    found = table("c" * 9 + "d" + "s", "d" * 9 + "c" + "s", "d" * 11)
    assert uploads.two_by_two(found, *PAIR) == {"both": 0, "only first": 1, "only second": 9, "neither": 1}
    p = stats.binomtest(1, 10).pvalue
    said = finding(found, PAIR)
    assert f"(p = {p:.3f})" in said
    assert "SimCLR is ahead" in said


def test_few_images_find_nothing() -> None:
    assert "no difference found (p = 1.000)" in finding(table("c", "d", "d"), PAIR)


def test_one_contender_is_counted_without_a_test() -> None:
    found = table("cc", "dd", "cd")
    assert "1 of 2" in finding(found, PAIR[:1])
    assert "p =" not in finding(found, PAIR[:1])
