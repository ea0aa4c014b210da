"""Feature spaces of a measured study: kinship, projections and neighbours worked out again from the kept features."""

from itertools import combinations

import numpy as np
import pytest
from measured_figures import answers, table
from measured_studies import LARGE, PAIR
from scipy.spatial.distance import cdist

from core.errors import DataUnavailable
from core.results import geometry
from core.results.info import StudyInfo

ALL = (*PAIR, "random")


def space(info: StudyInfo, encoder: str, dataset: str = LARGE) -> tuple[list[str], np.ndarray]:
    rows = table(info, "features", dataset, encoder).sort_values("sample_id")
    return rows["sample_id"].to_list(), np.stack(rows["feature"].to_list()).astype(np.float64)


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song's unbiased estimator from two Gram matrices, term by term."""
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    n, one = len(k), np.ones(len(k))
    first = np.trace(k @ m)
    second = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ m @ one)
    return (first + second - third) / (n * (n - 3))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    centring = np.eye(len(x)) - 1 / len(x)
    k, m = (centring @ values @ values.T @ centring for values in (x, y))
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def in_common(x: np.ndarray, y: np.ndarray, k: int) -> float:
    shared = []
    for place in range(len(x)):
        sets = []
        for values in (x, y):
            distance = cdist(values[place : place + 1], values, "cosine")[0]
            order = [i for i in np.argsort(distance, kind="stable") if i != place]
            sets.append(set(order[:k]))
        shared.append(len(sets[0] & sets[1]) / k)
    return float(np.mean(shared))


@pytest.mark.parametrize("dataset", [LARGE, "near"])
def test_kinship_is_cka_and_shared_neighbours_with_a_jackknife(measured: StudyInfo, dataset: str) -> None:
    found = geometry.kinship(measured, dataset)
    assert list(zip(found["first"], found["second"], strict=True))[::2] == list(combinations(ALL, 2))
    for row in found.to_dict("records"):
        x, y = (space(measured, row[side], dataset)[1] for side in ("first", "second"))
        count = len(x)
        k = 10 if dataset == LARGE else 7  # of nine images eight are left with one out, each with seven others
        way = cka if row["measure"] == "cka" else lambda a, b, k=k: in_common(a, b, k)
        assert row["value"] == pytest.approx(way(x, y), abs=1e-6)
        assert row["images"] == count
        assert row["chance"] == (0 if row["measure"] == "cka" else pytest.approx(k / (count - 1)))
        folds = np.arange(count) % geometry.FOLDS
        left = [way(x[folds != fold], y[folds != fold]) for fold in range(geometry.FOLDS)]
        error = np.sqrt((geometry.FOLDS - 1) * np.var(left))
        assert row["high"] - row["value"] == pytest.approx(1.96 * error, rel=1e-4, abs=1e-6)
        assert row["value"] - row["low"] == pytest.approx(1.96 * error, rel=1e-4, abs=1e-6)


def test_of_many_images_evenly_spaced_ones_are_compared(measured: StudyInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (space(measured, id, LARGE)[1] for id in PAIR)
    monkeypatch.setattr(geometry, "KINDRED", len(x) // 2)
    row = geometry.kinship(measured, LARGE).set_index(["first", "second", "measure"]).loc[(*PAIR, "cka")]
    every = -(-len(x) // (len(x) // 2))
    assert row["images"] == len(x[::every]) < len(x)
    assert row["value"] == pytest.approx(cka(x[::every], y[::every]), abs=1e-6)


def test_trained_encoders_share_more_than_chance(measured: StudyInfo) -> None:
    found = geometry.kinship(measured, LARGE).set_index(["first", "second", "measure"])
    row = found.loc[(*PAIR, "neighbours")]
    assert row["value"] > row["chance"]


def test_figures_are_those_of_the_files(measured: StudyInfo) -> None:
    found = geometry.figures(measured).set_index(["dataset", "encoder", "figure"])["value"]
    shown = geometry.chosen_figures(geometry.figures(measured), LARGE, ("simclr", "nobody", "supervised"))
    assert list(shown) == ["figure", "simclr", "supervised"]
    assert shown["figure"].to_list() == list(geometry.FIGURES)
    for encoder in PAIR:
        rows = table(measured, "geometry", LARGE, encoder).set_index("figure")["value"]
        for figure in geometry.FIGURES:
            assert found[LARGE, encoder, figure] == rows[figure]
            assert shown.set_index("figure").loc[figure, encoder] == rows[figure]
        values = space(measured, encoder)[1]
        # What is kept is in half precision, what was measured is not.
        spread = np.linalg.eigvalsh(np.cov(values.T))
        assert rows["participation"] == pytest.approx(spread.sum() ** 2 / (spread**2).sum(), rel=0.02)
        assert rows["dimensions"] == values.shape[1]


def test_features_are_of_the_same_images_in_one_order(measured: StudyInfo) -> None:
    ids, labels, found = geometry.features(measured, LARGE)
    assert list(found) == list(ALL)
    for encoder in ALL:
        own, values = space(measured, encoder)
        assert list(ids) == own
        np.testing.assert_array_equal(found[encoder], values.astype(np.float32))
        truth = table(measured, "cells", LARGE, encoder).set_index("sample_id")["label"]
        assert labels.tolist() == truth[list(ids)].to_list()


def test_pca_keeps_the_most_spread_that_two_directions_can(measured: StudyInfo) -> None:
    ids, values = space(measured, PAIR[0])
    found = geometry.projection(measured, LARGE, PAIR[0], "pca")
    assert found["sample_id"].to_list() == ids
    assert list(found) == ["sample_id", "label", "x", "y"]
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    for axis, expected in zip("xy", singular, strict=False):
        assert np.linalg.norm(found[axis]) == pytest.approx(expected, rel=1e-3)
    assert abs(np.corrcoef(found["x"], found["y"])[0, 1]) < 1e-3


def test_tsne_keeps_neighbours_and_gives_the_same_twice(measured: StudyInfo) -> None:
    ids, values = space(measured, PAIR[1])
    found = geometry.projection(measured, LARGE, PAIR[1], "tsne")
    assert found["sample_id"].to_list() == ids
    places = found[["x", "y"]].to_numpy()
    assert np.isfinite(places).all()
    again = geometry.projection(measured, LARGE, PAIR[1], "tsne")[["x", "y"]].to_numpy()
    np.testing.assert_array_equal(places, again)
    apart = [
        np.where(np.eye(len(ids)), np.inf, cdist(points, points)).argsort(axis=1)[:, :8] for points in (values, places)
    ]
    shared = np.mean([len(set(a) & set(b)) / 8 for a, b in zip(*apart, strict=True)])
    assert shared > 1.5 * 8 / (len(ids) - 1)


def test_neighbours_come_nearest_first_and_without_the_image(measured: StudyInfo) -> None:
    ids, values = space(measured, PAIR[1])
    for sample in ids[:5]:
        found = geometry.neighbours(measured, LARGE, PAIR[1], sample, 6)
        distance = cdist(values[ids.index(sample)][None], values, "cosine")[0]
        order = [ids[i] for i in np.argsort(distance, kind="stable") if ids[i] != sample]
        assert found == order[:6]
    assert geometry.neighbours(measured, LARGE, PAIR[1], "test/none.png", 6) == []
    assert geometry.neighbours(measured, LARGE, "nobody", ids[0], 6) == []


def test_who_is_right_is_read_from_the_answers(measured: StudyInfo) -> None:
    one, two = (answers(measured, LARGE, encoder)["correct"] for encoder in PAIR)
    words = {(1, 1): "both", (1, 0): "first", (0, 1): "second", (0, 0): "none"}
    expected = {sample: words[int(one[sample]), int(two[sample])] for sample in one.index}
    assert geometry.who_is_right(measured, LARGE, *PAIR) == expected
    assert len(set(expected.values())) >= 3
    with pytest.raises(DataUnavailable):
        geometry.who_is_right(measured, "nowhere", *PAIR)
