"""Accuracy, controls and gaps, against hand-computed studies and other implementations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from plain_bootstrap import plain_bootstrap
from sklearn.metrics import recall_score
from study_rows import invent
from toy_studies import toy

from core.errors import DataUnavailable
from core.metrics.accuracy import wilson_interval
from core.results import atoms, store, summary
from core.results.info import StudyInfo


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> StudyInfo:
    root = tmp_path_factory.mktemp("results")
    invent(root, samples=120, seeds=3)
    return store.study("invented", [str(root)])


def answers(info: StudyInfo, protocol: str = "linear") -> pd.DataFrame:
    """Every answer, read without the store."""
    files = Path(info.address.removeprefix("file://")).glob(f"cells/*.{protocol}.*.parquet")
    return pd.concat([pq.read_table(file).to_pandas() for file in files])


def test_accuracy_agrees_with_the_rows(info):
    found = summary.accuracy(info, "linear").set_index(["dataset", "encoder"])
    for (dataset, encoder), part in answers(info).groupby(["dataset", "encoder"], observed=True):
        row = found.loc[(dataset, encoder)]
        right = part["prediction"] == part["label"]
        assert row["accuracy"] == pytest.approx(right.mean())
        assert row["confidence"] == pytest.approx(part["confidence"].mean(), abs=1e-6)
        assert row["overconfidence"] == pytest.approx(part["confidence"].mean() - right.mean(), abs=1e-6)
        hits = [label in top for label, top in zip(part["label"], part["top5"], strict=True)]
        assert row["top5"] == pytest.approx(np.mean(hits))
        assert (row["samples"], row["seeds"]) == (120, 3)
        assert row["low"] < row["accuracy"] < row["high"]
    assert len(found) == 12


def test_accuracy_is_in_the_order_of_domains(info):
    found = summary.accuracy(info, "linear")
    assert list(found["dataset"].drop_duplicates()) == ["birds", "flowers", "scenes", "scans"]
    assert list(found["encoder"][:3]) == ["supervised", "simclr", "random"]
    assert list(found["family"][:3]) == ["SL", "SSL", "random"]


def test_interval_over_seeds_agrees_with_a_bootstrap_of_samples(info):
    rows = answers(info).query("dataset == 'birds' and encoder == 'simclr'")
    right = (rows["prediction"] == rows["label"]).groupby(rows["sample_id"]).mean().to_numpy()
    slow = plain_bootstrap(np.mean, right, draws=4000, rng=np.random.default_rng(5))
    row = summary.accuracy(info, "linear").query("dataset == 'birds' and encoder == 'simclr'").iloc[0]
    assert row["low"] == pytest.approx(slow.low, abs=0.01)
    assert row["high"] == pytest.approx(slow.high, abs=0.01)
    again = summary.accuracy(info, "linear").query("dataset == 'birds' and encoder == 'simclr'").iloc[0]
    assert (row["low"], row["high"]) == (again["low"], again["high"])


def test_one_seed_has_wilsons_interval(tmp_path):
    info = toy(tmp_path, {("a", "x", 0): [0, 1, 2, 0]}, {"x": [0, 1, 2, 3]})
    row = summary.accuracy(info, "linear").iloc[0]
    wilson = wilson_interval(3, 4)
    assert (row["accuracy"], row["low"], row["high"]) == (0.75, wilson.low, wilson.high)


def test_always_right_is_no_certainty(tmp_path):
    said = {("a", "x", seed): [0, 1, 2, 3] for seed in range(2)}
    row = summary.accuracy(toy(tmp_path, said, {"x": [0, 1, 2, 3]}), "linear").iloc[0]
    assert (row["accuracy"], row["high"]) == (1, 1)
    assert row["low"] == wilson_interval(4, 4).low


def test_mean_per_class(tmp_path):
    labels = [0] * 8 + [1] * 2 + [3] * 5
    said = [0] * 8 + [0, 1] + [3, 3, 2, 2, 2]
    info = toy(tmp_path, {("a", "x", 0): said}, {"x": labels}, metrics={"x": "mean-per-class"})
    row = summary.accuracy(info, "linear").iloc[0]
    expected = recall_score(labels, said, labels=[0, 1, 3], average="macro")
    assert row["accuracy"] == pytest.approx(expected)
    assert row["low"] < expected < row["high"]
    assert row["overconfidence"] == pytest.approx(row["confidence"] - 11 / 15)
    assert summary.controls(info, (), "linear")["majority"].iloc[0] == pytest.approx(1 / 3)


def test_class_bootstrap_agrees_with_resampled_rows():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, size=60, p=[0.6, 0.2, 0.1, 0.1])
    right = (rng.random(60) < 0.3 + 0.15 * labels).astype(float)

    def mean(labels, right):
        return np.mean([right[labels == c].mean() for c in np.unique(labels)])

    slow = plain_bootstrap(mean, labels, right, draws=4000, rng=rng)
    counted = pd.DataFrame({"label": labels, "value": right}).value_counts().reset_index(name="samples")
    fast = atoms.accuracy_interval(counted, per_class=True, seeds=1)
    assert fast.estimate == pytest.approx(slow.estimate)
    assert (fast.low, fast.high) == (pytest.approx(slow.low, abs=0.03), pytest.approx(slow.high, abs=0.03))


def test_few_shot_is_over_episodes(tmp_path):
    labels = {"x": [0, 1, 0, 1, 2, 3, 2, 3]}
    said = {("a", "x", seed): [0, 1, 0, 0, 2, 3, 2 + seed, 3] for seed in range(2)}
    info = toy(tmp_path, said, labels, episodes={"x": [0, 0, 0, 0, 1, 1, 1, 1]}, metrics={"x": "mean-per-class"})
    row = summary.accuracy(info, "linear").iloc[0]
    episodes = np.array([0.75, 1, 0.75, 0.75])
    half = 1.96 * episodes.std(ddof=1) / 2
    assert row["accuracy"] == pytest.approx(episodes.mean())
    assert (row["low"], row["high"]) == pytest.approx((episodes.mean() - half, episodes.mean() + half))
    assert (row["metric"], row["samples"], row["seeds"]) == ("top-1", 16, 2)
    assert np.isnan(row["top5"])
    assert summary.controls(info, (), "linear")["majority"].iloc[0] == 0.5  # two classes an episode


def test_controls(tmp_path):
    labels = {"x": [0, 0, 0, 1], "y": [0, 1, 2, 3]}
    said = {
        ("ssl", "x", 0): [0, 0, 0, 1],
        ("ssl", "y", 0): [0, 1, 2, 3],
        ("blank", "x", 0): [0, 1, 1, 1],
        ("sl", "x", 0): [0, 0, 1, 0],
    }
    info = toy(tmp_path, said, labels, families={"ssl": "SSL", "blank": "random"})
    found = summary.controls(info, (), "linear").set_index("dataset")
    assert list(found["majority"]) == [0.75, 0.25]
    assert found["random_encoder"]["x"] == 0.5
    assert found["best_supervised"]["x"] == 0.5
    assert found["best_supervised_encoder"]["x"] == "sl"
    assert np.isnan(found["random_encoder"]["y"])
    assert np.isnan(found["best_supervised"]["y"])
    assert pd.isna(found["best_supervised_encoder"]["y"])


def test_best_supervised_figure_may_be_another_studys(tmp_path, monkeypatch):
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path))
    labels = {"x": [0, 1, 2, 3]}
    mine = toy(tmp_path, {("a", "x", 0): [0, 1, 0, 0]}, labels)
    toy(tmp_path, {("b", "z", 0): [0, 1, 2, 0]}, {"z": [0, 1, 2, 3]}, "same", fingerprints={"z": "x"})
    toy(tmp_path, {("c", "x", 0): [0, 1, 2, 3]}, labels, "different", fingerprints={"x": "other images"})
    toy(tmp_path, {("d", "x", 0): [0, 1, 2, 3]}, labels, "not-supervised", families={"d": "SSL"})
    damaged = toy(tmp_path, {("e", "x", 0): [0, 1, 2, 3]}, labels, "damaged")
    (tmp_path / "damaged" / "cells" / f"{damaged.done()[0]}.parquet").write_bytes(b"no parquet")
    (row,) = summary.controls(mine, store.studies().values(), "linear").to_dict("records")
    assert (row["best_supervised"], row["best_supervised_encoder"], row["best_supervised_study"]) == (0.75, "b", "same")


def test_generalization_gap(tmp_path):
    labels = {"s": [0, 1] * 20, "t": [0, 1] * 20, "d": [0, 1] * 20, "home": [0, 1] * 20}
    domains = {"s": "similar", "t": "similar", "home": "source"}
    right = list(labels["s"])
    wrong_first = [1 - label if i < 10 else label for i, label in enumerate(right)]
    wrong_half = [1 - label if i < 20 else label for i, label in enumerate(right)]
    said = {("a", "s", 0): right, ("a", "t", 0): wrong_first, ("a", "d", 0): wrong_half, ("a", "home", 0): wrong_half}
    said |= {("b", "s", 0): right, ("b", "home", 0): right}
    found = summary.generalization_gap(toy(tmp_path, said, labels, domains=domains), "linear")
    (row,) = found.to_dict("records")  # b has no set declared different
    assert (row["encoder"], row["similar"], row["different"], row["gap"]) == ("a", 0.875, 0.5, -0.375)
    # Of independent means the variances add: s is certain, t and d are not.
    spread = 1.96 * np.sqrt(0.75 * 0.25 / 40 / 4 + 0.25 / 40)
    assert row["high"] - row["low"] == pytest.approx(2 * spread, rel=0.1)


def test_what_was_not_run_is_refused(info):
    with pytest.raises(DataUnavailable, match="no finished cell of this kind"):
        summary.accuracy(info, "few-shot")
