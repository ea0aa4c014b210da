"""Tables of confidence from stored rows, against scikit-learn, SciPy and counts by hand."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from study_rows import invent
from toy_studies import toy

from core.errors import InvalidRequest
from core.metrics.resampling import resamples
from core.results import abstaining, confidence
from core.results.confidence import Compared
from core.results.info import StudyInfo
from core.results.measures import MEASURES, Ranked, Redrawn
from core.results.store import study

ENCODERS = ("supervised", "simclr", "random")


@pytest.fixture(scope="module")
def info(tmp_path_factory) -> StudyInfo:
    root = tmp_path_factory.mktemp("results")
    invent(root, samples=240, seeds=2, protocols=("linear",), logits=True)
    return study("invented", [str(root)])


def stored(info: StudyInfo, encoder: str, dataset: str, seed: int) -> pd.DataFrame:
    path = info.address.removeprefix("file://")
    return pq.read_table(f"{path}/cells/{dataset}.linear.{encoder}.{seed}.parquet").to_pandas()


def run_of(confidence_: list[float], correct: list[int], unit: list[int] | None = None, seed: int = 0) -> Ranked:
    sure = np.array(confidence_, dtype=np.float64)
    right = np.array(correct, dtype=bool)
    units = np.array(unit if unit is not None else range(len(sure)), dtype=np.int64)
    order = np.argsort(-sure, kind="stable")
    zeros = np.zeros(len(sure))
    return Ranked(seed, units[order], sure[order], right[order], sure[order], zeros)


@pytest.mark.parametrize("scaled", [False, True])
def test_figures_are_the_means_over_seeds_of_independent_ones(info, scaled) -> None:
    tables = confidence.tables(info, "linear", ENCODERS, "scenes", scaled)
    prefix = "calibrated_" if scaled else ""
    for encoder in ENCODERS:
        expected = []
        for seed in (0, 1):
            rows = stored(info, encoder, "scenes", seed)
            right = (rows["prediction"] == rows["label"]).to_numpy()
            sure = rows[f"{prefix}confidence"].to_numpy(float)
            index = np.minimum(np.ceil(sure * 15), 15)
            ece = sum(
                abs(right[index == b].mean() - sure[index == b].mean()) * (index == b).mean() for b in np.unique(index)
            )
            expected.append(
                {
                    "accuracy": right.mean(),
                    "confidence": sure.mean(),
                    "ece": ece,
                    "overconfidence": sure.mean() - right.mean(),
                    "brier": rows[f"{prefix}brier"].mean(),
                    "nll": -np.log(rows[f"{prefix}true_probability"].to_numpy(float)).mean(),
                    "when_right": sure[right].mean(),
                    "when_wrong": sure[~right].mean(),
                    "auroc": roc_auc_score(right, sure),
                    "aurc": np.mean(np.cumsum(~right[np.argsort(-sure)]) / np.arange(1, len(sure) + 1)),
                }
            )
        expected = pd.DataFrame(expected).mean()
        found = tables.figures[tables.figures["encoder"] == encoder].set_index("measure")
        np.testing.assert_allclose(found.loc[expected.index, "value"], expected, atol=1e-6)
        assert set(found["seeds"]) == {2}
        assert set(found["units"]) == {240}
        assert (found["low"] <= found["value"]).all()
        assert (found["high"] >= found["value"]).all()
        assert (found["seed_low"] <= found["value"]).all()
        assert 0 < found.loc["ece", "null"] < found.loc["ece", "null_high"]
        without = [measure.id for measure in MEASURES if measure.null is None]
        assert found.loc[without, "null"].isna().all()


def test_differences_are_second_minus_first_and_say_whether_they_are_more_than_noise(info) -> None:
    tables = confidence.tables(info, "linear", ("supervised", "random"), "birds", False)
    value = tables.figures.pivot_table(index="measure", columns="encoder", values="value")
    gap = tables.differences.set_index("measure")
    np.testing.assert_allclose(gap["difference"], (value["random"] - value["supervised"])[gap.index])
    assert gap.loc["accuracy", "found"]
    assert gap.loc["accuracy", "high"] < 0
    assert (gap["found"] == ((gap["low"] > 0) | (gap["high"] < 0))).all()
    again = confidence.tables(info, "linear", ("supervised", "random"), "birds", False)
    pd.testing.assert_frame_equal(tables.differences, again.differences)


def test_one_contender_has_figures_and_no_differences(info) -> None:
    tables = confidence.tables(info, "linear", ("simclr",), "birds", False)
    assert set(tables.figures["encoder"]) == {"simclr"}
    assert tables.differences.empty


def test_a_contender_against_itself_differs_in_nothing() -> None:
    run = run_of([0.9, 0.8, 0.7, 0.6] * 20, [1, 1, 0, 1] * 20)
    _, gaps = confidence.figures(Compared({"a": [run], "b": [run]}, 80), ("a", "b"))
    assert (gaps["difference"] == 0).all()
    assert not gaps["found"].any()


def test_what_is_undefined_is_nan_and_not_a_number_that_looks_like_one() -> None:
    found, _ = confidence.figures(Compared({"a": [run_of([0.9, 0.8, 0.7], [1, 1, 1])]}, 3), ("a",))
    found = found.set_index("measure")
    assert np.isnan(found.loc[["auroc", "when_wrong"], "value"].to_numpy(float)).all()
    assert found.loc["aurc", "value"] == 0


def test_after_temperature_a_contender_without_one_is_missing(info, tmp_path) -> None:
    columns = confidence.columns(info, "linear", ENCODERS, "scans")
    columns["simclr"] = columns["simclr"].assign(calibrated_confidence=np.nan)
    assert set(confidence.compared(columns, True).seeds) == {"supervised", "random"}
    assert set(confidence.compared(columns, False).seeds) == set(ENCODERS)
    empty = abstaining.reliability({}, 0)
    assert empty.empty
    assert list(empty.columns) == list(abstaining.RELIABILITY)


def test_reliability_pools_seeds_and_counts_a_sample_once() -> None:
    """Two seeds that say the same give the diagram of one, with twice the answers and the same intervals."""
    sure, right = [0.95] * 20 + [0.55] * 10, [1] * 15 + [0] * 5 + [1] * 4 + [0] * 6
    one = abstaining.reliability({"a": [run_of(sure, right)]}, 30)
    two = abstaining.reliability({"a": [run_of(sure, right), run_of(sure, right, seed=1)]}, 30)
    assert two["count"].tolist() == [20, 40]
    columns = ["confidence", "accuracy", "low", "high", "perfect_low", "perfect_high"]
    np.testing.assert_allclose(one[columns], two[columns])
    assert one["accuracy"].tolist() == pytest.approx([0.4, 0.75])
    wilson = stats.binomtest(15, 20).proportion_ci(0.95, "wilson")
    assert (one["low"][1], one["high"][1]) == pytest.approx((wilson.low, wilson.high))
    assert one["perfect_low"][1] == stats.binom.ppf(0.025, 20, 0.95) / 20


def test_outcomes_are_histograms_of_right_and_wrong() -> None:
    table = abstaining.outcomes({"a": [run_of([0.91, 0.93, 0.52, 0.2], [1, 1, 1, 0])]})
    right = table[table["outcome"] == "right"]
    assert right["share"].sum() == pytest.approx(1)
    assert right.set_index(right["upper"].round(2))["count"].loc[[0.95, 0.55]].tolist() == [2, 1]
    assert right["mean"].iloc[0] == pytest.approx((0.91 + 0.93 + 0.52) / 3)
    assert right["median"].iloc[0] == 0.91
    assert table[table["outcome"] == "wrong"]["count"].sum() == 1


def test_risks_end_at_the_error_rate_and_span_the_seeds() -> None:
    runs = [run_of([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]), run_of([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 1], seed=1)]
    table = abstaining.risks({"a": runs}).set_index("coverage")
    assert table.loc[1.0, ["risk", "low", "high"]].tolist() == pytest.approx([0.375, 0.25, 0.5])
    assert table.loc[0.5, ["risk", "low", "high"]].tolist() == pytest.approx([0.25, 0.0, 0.5])


def test_a_threshold_counts_what_is_at_least_as_sure() -> None:
    stored_as = np.array([0.9, 0.8, 0.5], dtype=np.float32).astype(float)
    table = abstaining.answered({"a": [run_of(list(stored_as), [1, 0, 1])]})
    at = table.set_index(table["threshold"].round(2))
    assert at.loc[0.9, ["coverage", "accuracy", "right", "wrong"]].tolist() == pytest.approx([1 / 3, 1, 1, 0])
    assert at.loc[0.8, ["coverage", "accuracy", "wrong"]].tolist() == pytest.approx([2 / 3, 0.5, 1])
    assert at.loc[0.0, "answered"] == 3
    assert at.loc[1.0, "answered"] == 0
    assert np.isnan(at.loc[1.0, "accuracy"])


@pytest.mark.parametrize("kind", abstaining.KINDS)
@pytest.mark.parametrize("scaled", [False, True])
def test_samples_at_a_threshold_are_those_of_the_first_seed(info, kind, scaled) -> None:
    rows = stored(info, "simclr", "birds", 0)
    sure = rows["calibrated_confidence" if scaled else "confidence"]
    above, right = kind in ("confident mistakes", "answered and right"), "right" in kind
    wanted = rows[((sure >= 0.7) == above) & ((rows["prediction"] == rows["label"]) == right)]
    found = abstaining.at_threshold(info, "linear", "simclr", "birds", scaled, 0.7, kind, limit=5)
    assert set(found["total"]) == {len(wanted)}
    assert len(found) == min(5, len(wanted))
    assert set(found["sample_id"]) <= set(wanted["sample_id"])


def test_an_unknown_kind_of_sample_is_refused(info) -> None:
    with pytest.raises(InvalidRequest, match="no samples 'all'"):
        abstaining.at_threshold(info, "linear", "simclr", "birds", False, 0.7, "all")


def test_all_sets_stand_by_domain_with_raw_and_scaled_figures(info) -> None:
    sets, sides = confidence.by_domain(info, "linear", ENCODERS)
    assert list(dict.fromkeys(sets["domain"])) == ["source", "similar", "different"]
    assert len(sets) == 4 * 3 * 2
    tables = confidence.tables(info, "linear", ENCODERS, "scenes", True)
    value = tables.figures[tables.figures["measure"] == "ece"].set_index("encoder")["value"]
    mine = sets[(sets["dataset"] == "scenes") & sets["scaled"]].set_index("encoder")
    np.testing.assert_allclose(mine["ece"], value[mine.index])
    assert (sets["null"] < sets["null_high"]).all()
    raw = sides[~sides["scaled"]].set_index("encoder")
    by_set = sets[(sets["encoder"] == "random") & ~sets["scaled"]].set_index("dataset")["ece"]
    assert raw.loc["random", "inside"] == pytest.approx(by_set[["birds", "flowers"]].mean())
    assert raw.loc["random", "outside"] == pytest.approx(by_set[["scenes", "scans"]].mean())
    assert (sides["sets_inside"] == 2).all()
    assert (sides["low"] <= sides["gap"]).all()
    assert (sides["high"] >= sides["gap"]).all()


def test_a_study_on_one_side_of_its_domain_has_sets_and_no_sides(info) -> None:
    datasets = {id: about | {"domain": "unknown"} for id, about in info.datasets.items()}
    sets, sides = confidence.by_domain(
        StudyInfo(info.id, info.address, json.loads(json.dumps(info.manifest)) | {"datasets": datasets}),
        "linear",
        ENCODERS,
    )
    assert len(sets) == 24
    assert sides.empty


def test_columns(tmp_path):
    said = {("a", "x", 1): [0, 1], ("a", "x", 0): [1, 1], ("a", "y", 0): [0, 0]}
    info = toy(tmp_path, said, {"x": [0, 1], "y": [0, 1]}, temperature=2.0)
    found = confidence.columns(info, "linear", ("a", "none"), "x")["a"]
    assert sorted(zip(found["seed"], found["correct"], strict=True)) == [(0, False), (0, True), (1, True), (1, True)]
    assert (found["calibrated_confidence"] < found["confidence"]).all()
    right = found[found["correct"]]
    assert (right["confidence"] == right["true_probability"]).all()


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.id)
def test_every_measure_is_a_whole_row(info, measure) -> None:
    """What a row needs so that the page can show it: a formula of core.metrics, a value, draws around it, an axis."""
    assert measure.source.startswith("core.metrics.")
    assert measure.better in ("lower", "higher", "zero", "")
    assert measure.axis
    assert measure.title.startswith(measure.label)
    (ranked, _) = confidence.compared(confidence.columns(info, "linear", ("simclr",), "birds"), False).seeds["simclr"]
    drawn = resamples(240, 400, rng=np.random.default_rng(0))
    (figure,) = measure.over([Redrawn(ranked, drawn)])
    assert figure.draws.shape == (400,)
    assert measure.low <= figure.value <= measure.high
    # The draws are of this very figure: resampled around it, and equal to it when every sample is drawn once.
    assert abs(np.nanmean(figure.draws) - figure.value) < 3 * np.nanstd(figure.draws)
    drawn.weights[:] = 1
    assert measure.draws(Redrawn(ranked, drawn))[0] == pytest.approx(figure.value, abs=1e-9)


@pytest.mark.parametrize("measure", ["auroc", "overconfidence"])
def test_the_sets_stand_side_by_side_by_any_measure(info, measure) -> None:
    sets, sides = confidence.by_domain(info, "linear", ENCODERS, measure)
    assert list(sets.columns) == list(confidence.SETS)
    assert ((sets["low"] <= sets[measure]) & (sets[measure] <= sets["high"])).all()
    assert sets["null"].isna().all()
    raw = sets[(sets["encoder"] == "simclr") & ~sets["scaled"]].set_index("dataset")[measure]
    row = sides[(sides["encoder"] == "simclr") & ~sides["scaled"]].iloc[0]
    assert row["gap"] == pytest.approx(raw[["scenes", "scans"]].mean() - raw[["birds", "flowers"]].mean())
