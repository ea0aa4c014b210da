"""Classes taken for one another, against scikit-learn and by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix
from toy_studies import toy

from core.errors import DataUnavailable
from core.results import classes

TRUTH = [0, 0, 0, 1, 1, 1, 1, 2]


def test_confusion_is_scikit_learns_over_all_seeds(tmp_path) -> None:
    rng = np.random.default_rng(0)
    said = {("a", "x", seed): rng.integers(3, size=8).tolist() for seed in range(3)}
    info = toy(tmp_path, said, {"x": TRUTH})
    found = classes.confusion(info, "linear", "a", "x")
    everything = [answer for seed in range(3) for answer in said["a", "x", seed]]
    expected = confusion_matrix(TRUTH * 3, everything, normalize="true")
    np.testing.assert_allclose(found[:3, :3], expected)
    np.testing.assert_allclose(np.nansum(found, axis=1)[:3], 1)


def test_a_class_without_images_is_unknown_and_not_zero(tmp_path) -> None:
    info = toy(tmp_path, {("a", "x", 0): [0, 2]}, {"x": [0, 2]})
    found = classes.confusion(info, "linear", "a", "x")
    assert np.isnan(found[1]).all()
    assert found[2, 2] == 1


def test_classes_by_hand(tmp_path) -> None:
    first = [0, 0, 1, 1, 2, 2, 0, 2]
    second = [0, 0, 0, 1, 1, 1, 2, 1]
    info = toy(tmp_path, {("a", "x", 0): first, ("b", "x", 0): second}, {"x": TRUTH}, families={"b": "SSL"})
    table = classes.by_class(info, "linear", "a", "b", "x").set_index("label")
    assert table["samples"].tolist() == [3, 4, 1]
    np.testing.assert_allclose(table["first"], [2 / 3, 1 / 4, 1])
    np.testing.assert_allclose(table["second"], [1, 3 / 4, 0])
    np.testing.assert_allclose(table["difference"], table["second"] - table["first"])
    differences = [0, 1, 1, 0]
    low, high = stats.t.interval(0.95, 3, np.mean(differences), stats.sem(differences))
    assert (table.loc[1, "low"], table.loc[1, "high"]) == (pytest.approx(low), pytest.approx(high))
    assert np.isnan(table.loc[2, "low"]), "one image has no interval"
    assert table["first_takes"].tolist() == [1, 2, -1]
    assert table["second_takes"].tolist() == [-1, 2, 1]


def test_a_data_set_that_was_not_answered_is_told(tmp_path) -> None:
    info = toy(tmp_path, {("a", "x", 0): [0, 1]}, {"x": [0, 1]})
    with pytest.raises(DataUnavailable, match="no finished cell"):
        classes.confusion(info, "linear", "nobody", "x")
