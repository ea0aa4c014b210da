"""Maps and the explanation of a measured study: worked out again with pandas, SciPy and scikit-learn alone."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from measured_figures import answers, by_role, properties
from measured_studies import LARGE, PAIR, SETS
from scipy import stats
from sklearn.metrics import roc_auc_score

from core.plots import explanation as words
from core.results import attribution, explanation
from core.results.info import StudyInfo


def test_attribution_images_are_rows_and_gains(measured: StudyInfo) -> None:
    found = attribution.images(measured, PAIR, ("near", LARGE))
    assert len(found) == 2 * (9 + 30)
    for (encoder, dataset), part in found.groupby(["encoder", "dataset"], observed=True):
        rows, truth = (by_role(measured, dataset, encoder, role) for role in ("predicted", "true"))
        mine = part.set_index("sample_id")
        assert mine.index.to_list() == rows.index.to_list()
        assert mine["right"].to_list() == (rows["class"] == truth["class"]).to_list()
        assert mine["down"].to_list() == pytest.approx(rows["down"].to_list(), nan_ok=True)
        assert mine["right_centre"].to_list() == pytest.approx(rows["right"].to_list(), nan_ok=True)
        for name, one, two in (
            ("deletion_gain", "deletion_random", "deletion"),
            ("insertion_gain", "insertion", "insertion_random"),
            ("centre_gain", "insertion", "insertion_centre"),
        ):
            expected = (rows[one] - rows[two]).astype(float)
            assert expected.notna().sum() == 2, "as many paths as the study was asked for"
            assert mine[name].astype(float).to_list() == pytest.approx(expected.to_list(), abs=1e-6, nan_ok=True)


def test_attribution_means_are_students_intervals(measured: StudyInfo) -> None:
    images = attribution.images(measured, PAIR, (LARGE,))
    found = attribution.means(images, ("encoder", "right"))
    seen = 0
    for row in found.to_dict("records"):
        rows, truth = (by_role(measured, LARGE, row["encoder"], role) for role in ("predicted", "true"))
        if row["figure"] not in rows:
            continue
        values = rows[row["figure"]][(rows["class"] == truth["class"]) == row["right"]].astype(float).dropna()
        assert (row["mean"], row["images"]) == (pytest.approx(values.mean(), rel=1e-5), len(values))
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert [row["low"], row["high"]] == pytest.approx([low, high], abs=1e-5, nan_ok=True)
        seen += 1
    assert seen >= 2 * 2 * 5


def test_agreement_is_that_of_the_stored_maps_of_the_true_class(measured: StudyInfo) -> None:
    found = attribution.agreement(measured, *PAIR, LARGE)
    one, two = (by_role(measured, LARGE, encoder, "true") for encoder in PAIR)
    assert sorted(found["sample_id"]) == one.index.to_list()
    for row in found.to_dict("records"):
        a, b = (np.asarray(rows.loc[row["sample_id"], "map"], np.float64) for rows in (one, two))
        np.testing.assert_array_equal(row["first_map"], a)
        np.testing.assert_array_equal(row["second_map"], b)
        assert row["spearman"] == pytest.approx(stats.spearmanr(a, b).statistic)
        if a.max() > 0 and b.max() > 0:
            masses = [np.clip(m, 0, None) / np.clip(m, 0, None).sum() for m in (a, b)]
            assert row["mass"] == pytest.approx(1 - np.abs(masses[0] - masses[1]).sum() / 2)
        else:
            assert np.isnan(row["mass"])
        size = round(0.2 * len(a))
        if all(len(np.unique(m)) == len(m) for m in (a, b)):  # half precision ties cells now and then
            top = [set(np.argsort(m)[-size:].tolist()) for m in (a, b)]
            assert row["iou"] == pytest.approx(len(top[0] & top[1]) / len(top[0] | top[1]))
        q = size / len(a)
        assert row["chance"] == pytest.approx(q / (2 - q))
    assert found["spearman"].is_monotonic_decreasing


def test_what_may_explain_is_gathered_image_by_image(measured: StudyInfo) -> None:
    found = explanation.images(measured, *PAIR, (LARGE,)).set_index("sample_id").sort_index()
    for name, encoder in zip(("first", "second"), PAIR, strict=True):
        for column, expected in properties(measured, LARGE, encoder).items():
            got = found[f"{name}_{column}"].astype(float)
            pd.testing.assert_series_equal(got, expected.astype(float), check_names=False, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["whitened", "rank"])
def test_within_is_the_auroc_of_the_advantage_and_the_sentence_says_so(measured: StudyInfo, way: str) -> None:
    found = explanation.within(explanation.images(measured, *PAIR, (LARGE,), way))[LARGE]
    one, two = (properties(measured, LARGE, encoder, way) for encoder in PAIR)
    for name in explanation.PROPERTIES:
        gap = (two[name] - one[name]).dropna()
        right = pd.DataFrame({"one": one["correct"], "two": two["correct"]}).loc[gap.index]
        decisive = right["one"] != right["two"]
        only = [int((decisive & right[side]).sum()) for side in ("one", "two")]
        assert min(only) >= 5, "the pictures are drawn so that each is right alone now and then"
        auroc = roc_auc_score(right["two"][decisive], gap[decisive])
        ranks = stats.rankdata(gap)
        first, second = (side["confidence"].loc[gap.index] for side in (one, two))
        sure = [stats.rankdata(values) for values in (first, second, second - first)]
        design = np.column_stack([np.ones(len(gap)), *sure])
        left = ranks - design @ np.linalg.pinv(design) @ ranks
        beyond = roc_auc_score(right["two"][decisive], left[decisive].round(6))
        assert found[name].auroc.estimate == pytest.approx(auroc, abs=0.02)  # half precision ties images
        assert found[name].beyond.estimate == pytest.approx(beyond, abs=0.04)
        said = words.verdict(found[name], "Steadiness", "One", "Two")
        for number in (found[name].auroc, found[name].beyond):
            assert f"{number.estimate:.2f}, 95 % interval {number.low:.2f} to {number.high:.2f}" in said
        assert f"{only[1]} images that only Two gets right, {only[0]} that only One does" in said


def test_too_few_images_are_said_to_be(measured: StudyInfo) -> None:
    one, two = (answers(measured, "mid", encoder)["correct"] for encoder in PAIR)
    only = int((one & ~two).sum()), int((two & ~one).sum())
    assert min(only) < 5
    found = explanation.within(explanation.images(measured, *PAIR, ("mid",)))["mid"]["maps"]
    expected = f"X: too few images to say ({only[1]} images that only B gets right, {only[0]} that only A does)."
    assert words.verdict(found, "X", "A", "B") == expected


def test_across_is_spearman_with_its_permutations(measured: StudyInfo) -> None:
    found = explanation.both(measured, *PAIR)[0]
    assert found.sets["dataset"].to_list() == list(SETS)
    advantage = []
    for dataset, domain in SETS.items():
        one, two = (properties(measured, dataset, encoder) for encoder in PAIR)
        row = found.sets.set_index("dataset").loc[dataset]
        advantage.append(two["correct"].mean() - one["correct"].mean())
        assert row["accuracy"] == pytest.approx(advantage[-1])
        assert row["domain"] == domain
        for name in explanation.PROPERTIES:
            assert row[name] == pytest.approx((two[name] - one[name]).mean(), abs=1e-5)
    for name, got in found.correlation.items():
        gains = found.sets[name].to_list()
        rho = stats.spearmanr(gains, advantage).statistic
        drawn = [stats.spearmanr(gains, order).statistic for order in permutations(advantage)]
        sides = np.mean([r >= rho - 1e-9 for r in drawn]), np.mean([r <= rho + 1e-9 for r in drawn])
        p = min(1.0, 2 * min(sides))
        assert got.rho == pytest.approx(rho)
        assert got.p == pytest.approx(p)
        assert got.exact
        said = words.across_verdict(got, len(SETS), "Steadiness", "One", "Two")
        assert f"ρ = {rho:+.2f}, exact permutation p = {p:.3f}".replace("-", "−") in said
        assert f"{len(SETS)} data sets" in said
        assert ("no relation found" in said) == (p >= 0.05)
