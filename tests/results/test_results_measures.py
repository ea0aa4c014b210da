"""Invariance of a measured study: each figure worked out again from the Parquet files."""

import numpy as np
import pandas as pd
import pytest
from measured_figures import areas_by_hand, floor_of, kept, table
from measured_studies import AUGMENTATIONS, LARGE, PAIR, SETS
from scipy import stats

from core.augmentations import AUGMENTATIONS as KNOWN
from core.errors import DataUnavailable
from core.paths import ASSETS
from core.results import attribution, curves, explanation, geometry, invariance, steadiness, store
from core.results.info import StudyInfo

FIRST, SECOND = PAIR
ALL = (*PAIR, "random")


def test_the_study_holds_what_is_needed(measured: StudyInfo) -> None:
    for one in (invariance, attribution, geometry):
        assert measured.measured(one.MEASURE, ()) == measured.measured(one.MEASURE, PAIR) == list(SETS)
        assert measured.measured(one.MEASURE, (FIRST, "nobody")) == []
    assert explanation.datasets(measured, *PAIR) == list(SETS)
    assert measured.measured("answers", PAIR, "nonsense") == []
    rows = table(measured, "invariance", LARGE, FIRST)
    assert rows.groupby("augmentation", observed=True)["seed"].nunique().to_dict() == {"hue": 2, "scale": 1, "blur": 1}


@pytest.mark.parametrize("way", invariance.WAYS)
def test_areas_are_trapezoids_from_the_identity_above_the_floor(measured: StudyInfo, way: str) -> None:
    found = invariance.areas(measured, way, PAIR, ("near", LARGE))
    expected = {
        (encoder, dataset, *key): value
        for encoder in PAIR
        for dataset in ("near", LARGE)
        for key, value in areas_by_hand(measured, dataset, encoder, way).items()
    }
    keys = found[["encoder", "dataset", "augmentation", "sample_id"]].itertuples(index=False, name=None)
    assert dict(zip(keys, found["area"], strict=True)) == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found["area"]) > 0.1, "images differ"


def test_per_image_is_the_mean_over_augmentations_but_for_some(measured: StudyInfo) -> None:
    areas = invariance.areas(measured, "whitened", PAIR, (LARGE,))
    for without in (frozenset(), frozenset({"hue"})):
        found = invariance.per_image(areas, without).set_index(["encoder", "sample_id"])["invariance"]
        for encoder in PAIR:
            by_hand = pd.Series(areas_by_hand(measured, LARGE, encoder, "whitened"))
            left = by_hand[~by_hand.index.get_level_values(0).isin(without)].groupby(level=1).mean()
            pd.testing.assert_series_equal(found[encoder].sort_index(), left.sort_index(), check_names=False, rtol=1e-5)


def test_fingerprint_is_the_mean_of_the_sets_means(measured: StudyInfo) -> None:
    chosen = ("near", LARGE)
    found = steadiness.compared(measured, "centred", *PAIR, chosen, frozenset())[0].set_index("augmentation")
    assert list(found.index) == [id for id in KNOWN if id in AUGMENTATIONS]
    for kind in AUGMENTATIONS:
        sets = {
            (dataset, encoder): pd.Series(
                {s: v for (k, s), v in areas_by_hand(measured, dataset, encoder, "centred").items() if k == kind}
            )
            for dataset in chosen
            for encoder in PAIR
        }
        means = [np.mean([sets[dataset, encoder].mean() for dataset in chosen]) for encoder in PAIR]
        row = found.loc[kind]
        assert [row["first"], row["second"], row["difference"]] == pytest.approx(
            [*means, means[1] - means[0]], abs=1e-5
        )
        # A normal interval of the paired difference, sets drawn apart: what a bootstrap of means comes near to.
        gaps = [sets[dataset, SECOND] - sets[dataset, FIRST] for dataset in chosen]
        half = 1.96 * np.sqrt(sum(gap.var(ddof=0) / len(gap) for gap in gaps)) / len(chosen)
        assert row["low"] == pytest.approx(row["difference"] - half, abs=0.35 * half)
        assert row["high"] == pytest.approx(row["difference"] + half, abs=0.35 * half)
        assert row["found"] == (not row["low"] < 0 < row["high"]) or abs(row["difference"]) < 1.6 * half
    assert found["trained_first"].to_dict() == {"hue": True, "scale": True, "blur": False}
    assert found["trained_second"].to_dict() == {"hue": True, "scale": True, "blur": False}
    with pytest.raises(DataUnavailable):
        steadiness.compared(measured, "centred", "nobody", "else", chosen, frozenset())


def test_a_difference_is_found_only_beyond_what_two_training_runs_differ_by() -> None:
    info, runs = store.study("family", [str(ASSETS / "results")]), ("supervised-1", "simclr-1")
    table, whole = steadiness.compared(info, "whitened", "supervised", "simclr", ("digits",), frozenset())
    areas = invariance.areas(info, "whitened", ("supervised", "simclr", *runs), ("digits",))
    means = areas.groupby(["augmentation", "encoder"], observed=True)["area"].mean().unstack()
    apart = pd.concat([(means[id] - means[f"{id}-1"]).abs() for id in ("supervised", "simclr")], axis=1).max(axis=1)
    table = table.set_index("augmentation")
    pd.testing.assert_series_equal(
        table["noise"], apart.reindex(table.index), check_names=False, check_index_type=False
    )
    assert not table["found"][table["difference"].abs() <= table["noise"]].any()
    assert (table["difference"].abs() <= table["noise"]).any()
    assert table["found"].any()
    sides = areas.groupby("encoder", observed=True)["area"].mean()  # each image under every augmentation
    assert whole is not None
    assert whole.kept == pytest.approx(sides.to_dict(), abs=1e-6)
    assert whole.noise == pytest.approx(
        max(abs(sides[id] - sides[f"{id}-1"]) for id in ("supervised", "simclr")), abs=1e-6
    )
    assert whole.difference.estimate == pytest.approx(sides["simclr"] - sides["supervised"], abs=1e-6)


def test_intervals_do_not_depend_on_the_order_in_which_images_are_read(measured: StudyInfo, monkeypatch) -> None:
    asked = (measured, "whitened", *PAIR, ("near", LARGE), frozenset())
    before, read = steadiness.compared(*asked), steadiness.areas

    def backwards(*arguments) -> pd.DataFrame:
        table = read(*arguments)[::-1]
        ids = table["sample_id"].cat
        return table.assign(sample_id=ids.reorder_categories(ids.categories[::-1]))

    monkeypatch.setattr(steadiness, "areas", backwards)
    after = steadiness.compared(*asked)
    pd.testing.assert_frame_equal(after[0], before[0])
    assert after[1].difference == pytest.approx(before[1].difference)


def test_overall_and_turning_are_differences_of_means(measured: StudyInfo) -> None:
    chosen, without = ("near", LARGE), frozenset({"scale"})
    signs = []
    for way in invariance.NORMALISATIONS:
        gaps, everything = [], {encoder: [] for encoder in PAIR}
        for dataset in chosen:
            sides = []
            for encoder in PAIR:
                by_hand = pd.Series(areas_by_hand(measured, dataset, encoder, way))
                everything[encoder] += by_hand.groupby(level=1).mean().to_list()
                sides.append(by_hand.drop(index=list(without), level=0).groupby(level=1).mean())
            gaps.append(sides[1] - sides[0])
        areas = steadiness.areas_of_runs(measured, way, PAIR, chosen)
        found = steadiness.overall(measured, areas, *PAIR, without).difference
        assert found.estimate == pytest.approx(np.mean([gap.mean() for gap in gaps]), abs=1e-5)
        half = 1.96 * np.sqrt(sum(gap.var(ddof=0) / len(gap) for gap in gaps)) / len(chosen)
        assert found.low == pytest.approx(found.estimate - half, abs=0.35 * half)
        assert found.high == pytest.approx(found.estimate + half, abs=0.35 * half)
        signs.append((way, np.mean(everything[SECOND]) - np.mean(everything[FIRST])))
    turns = invariance.turning(measured, *PAIR, chosen)
    assert turns["way"].to_list() == [way for way, _ in signs]
    assert turns["difference"].to_list() == pytest.approx([value for _, value in signs], abs=1e-5)


@pytest.mark.parametrize(("way", "kind"), [("whitened", "hue"), ("answers", "scale"), ("maps", "blur")])
def test_a_curve_is_students_interval_of_image_means(measured: StudyInfo, way: str, kind: str) -> None:
    found = curves.curve(measured, way, kind, ALL, LARGE)
    for encoder in ALL:
        rows = table(measured, "invariance", LARGE, encoder)
        rows["v"] = kept(rows, way)
        floor = floor_of(measured, LARGE, encoder, way)
        mine = found[found["encoder"] == encoder]
        assert mine.iloc[0][["strength", "mean", "low", "high"]].to_list() == [KNOWN[kind].identity, 1, 1, 1]
        distances = (mine["strength"] - KNOWN[kind].identity).abs()
        assert distances.is_monotonic_increasing
        assert len(mine) == 3
        for at in mine.iloc[1:].to_dict("records"):
            here = rows[(rows["augmentation"] == kind) & np.isclose(rows["strength"].astype(float), at["strength"])]
            values = (here.groupby("sample_id", observed=True)["v"].mean().dropna() - floor) / (1 - floor)
            low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
            assert [at["mean"], at["low"], at["high"]] == pytest.approx([values.mean(), low, high], abs=1e-5)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_tipping_and_survival_count_the_answers_that_stay(measured: StudyInfo, kind: str) -> None:
    found = curves.tipping(measured, kind, PAIR, LARGE)
    staying = curves.survival(found, kind)
    identity = KNOWN[kind].identity
    for encoder in PAIR:
        rows = table(measured, "critical", LARGE, encoder)
        rows = rows[rows["augmentation"] == kind].sort_values("sample_id")
        mine = found[found["encoder"] == encoder]
        for column in ("sample_id", "withstood", "strength", "censored"):
            assert mine[column].to_list() == rows[column].to_list()
        steps = staying[staying["encoder"] == encoder]
        assert steps.iloc[0][["strength", "share"]].to_list() == [identity, 1]
        reached = (steps["strength"] - identity).abs()
        assert reached.is_monotonic_increasing
        broken = rows[~rows["censored"]]
        for strength in steps["strength"]:
            gone = sum(abs(s - identity) <= abs(strength - identity) for s in broken["strength"].astype(float))
            at = steps[steps["strength"] == strength]["share"].min()
            assert at == pytest.approx(1 - gone / len(rows))
        assert steps["share"].iloc[-1] == pytest.approx(rows["censored"].mean())
