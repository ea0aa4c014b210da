import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from study_rows import invent

from core import metrics
from core.results import agreement, pairs
from core.results.pairs import CELLS
from core.results.store import study


def columns(counts: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    repeated = [CELLS[cell] for cell, count in counts.items() for _ in range(count)]
    return np.array(repeated).T


@pytest.mark.parametrize(
    "counts",
    [dict(zip(CELLS, numbers, strict=True)) for numbers in ((40, 10, 5, 20), (1, 30, 30, 2), (25, 25, 25, 25))],
)
def test_error_consistency_is_the_kappa_of_the_columns(counts) -> None:
    first, second = columns(counts)
    found = agreement.error_consistency(counts)
    assert found.estimate == pytest.approx(cohen_kappa_score(first, second))
    assert found.estimate == pytest.approx(metrics.error_consistency(first, second))
    plain = metrics.paired_bootstrap(metrics.error_consistency, first, second, rng=np.random.default_rng(1))
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.05)


def test_error_consistency_of_two_that_are_always_right_is_undefined() -> None:
    found = agreement.error_consistency({"both": 9, "only first": 0, "only second": 0, "neither": 0})
    assert np.isnan([found.estimate, found.low, found.high]).all()
    assert np.isnan(agreement.error_consistency(dict.fromkeys(CELLS, 0)).estimate)


def test_the_table_and_the_sentence_of_a_study(tmp_path) -> None:
    invent(tmp_path, samples=150, seeds=1, protocols=("linear",))
    info = study("invented", [str(tmp_path)])
    table, found = agreement.agreement(info, "linear", "supervised", "random", "birds")
    every = pairs.samples(info, "linear", "supervised", "random", "birds", limit=1000)
    assert found.samples == len(every) == 150
    assert found.same == pytest.approx((every["first_prediction"] == every["second_prediction"]).mean())
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(every["first_correct"], every["second_correct"]))
    counts = dict(zip(table["cell"], table["samples"], strict=True))
    assert counts == every["cell"].value_counts().reindex(list(CELLS)).to_dict()
    tested = pairs.paired(info, "linear", "supervised", "random")
    row = tested[tested["dataset"] == "birds"].iloc[0]
    said = agreement.sentence(counts, row, 4, "SL", "none")
    assert f"none alone is right on {counts['only second']}, SL alone on {counts['only first']} of 150 images" in said
    assert said.endswith("SL is ahead (p < .001, adjusted for 4 data sets)")
    row = row.copy()
    row["verdict"], row["p_holm"] = "no difference found", 0.2
    assert agreement.sentence(counts, row, 1, "SL", "none").endswith("no difference found (p = 0.200)")
