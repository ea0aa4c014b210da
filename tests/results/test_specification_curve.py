"""The specification curves of Findings, recomputed from the shipped Parquet files with pandas and SciPy alone."""

import json
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from plain_claims import accuracy, concentrated, confidence, elsewhere, explained, invariant
from plain_study import Study

from core.paths import ASSETS
from core.plots import claims as words
from core.results import claims, store
from core.results.claims import CLAIMS, Judged
from core.study.protocols import PROTOCOLS

PAIR = ("supervised", "simclr")
CURVES = {
    "accuracy": accuracy,
    "surer": confidence,
    "calibrated": confidence,
    "concentrated": concentrated,
    "invariant": invariant,
    "elsewhere": elsewhere,
    "explained": explained,
}
COMPUTED = ("concentrated", "elsewhere")
"""Claims whose intervals are computed on both sides; the others are bootstrapped on both, from draws of their own."""
LIMITS = ["estimate", "low", "high"]


def text(way: dict[str, object]) -> str:
    return json.dumps(dict(sorted(way.items())), ensure_ascii=False)


@pytest.fixture(scope="module")
def judged() -> dict[str, Judged]:
    """The claims as judged now."""
    info = store.study("family", [str(ASSETS / "results")])
    return {id: claims.judge(info, id, *PAIR) for id in CLAIMS}


def recomputed(study: Study, ids: Iterable[str]) -> dict[str, pd.DataFrame]:
    """By claim, every way with its estimate and limits, and how far two training runs of one recipe lie apart."""
    found: dict[str, pd.DataFrame] = {}
    for curve in dict.fromkeys(CURVES[id] for id in ids):
        table = pd.DataFrame([(text(way), *figure[:3]) for way, figure in curve(study, PAIR)], columns=["way", *LIMITS])
        again = [
            pd.Series({text(way): abs(figure.value) for way, figure in curve(study, (run, other))})
            for run in PAIR
            for other in study.runs(run)
        ]
        assert table["way"].is_unique
        table = table.set_index("way")
        table["noise"] = pd.concat(again, axis=1).max(axis=1) if again else np.nan
        found |= {id: table for id in ids if CURVES[id] is curve}
    return found


@pytest.fixture(scope="module")
def plain() -> dict[str, pd.DataFrame]:
    """All claims by pandas and SciPy."""
    return recomputed(Study(ASSETS / "results" / "family"), CURVES)


def test_the_page_shows_what_is_judged_now(judged):
    kept = claims.kept(store.study("family", [str(ASSETS / "results")]), *PAIR)
    assert kept is not None, "export them again: invariscope results export family --table claims"
    pd.testing.assert_frame_equal(claims.table(kept.values()), claims.table(judged.values()), rtol=0, atol=1e-9)


def rows(one: Judged) -> pd.DataFrame:
    """The ways and the single sets of a claim, by their way."""
    table = pd.concat([one.ways, one.sets], ignore_index=True)
    return table.assign(way=[text(way) for way in table[one.choices].to_dict("records")]).set_index("way")


def agree(id: str, one: Judged, plain: pd.DataFrame) -> None:
    """Estimates are equal; computed limits, too, and those from other draws nearly."""
    shown = rows(one)
    found = plain.reindex(shown.index)
    np.testing.assert_allclose(shown["estimate"], found["estimate"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(shown["noise"].astype(float), found["noise"], rtol=0, atol=1e-6)
    width = found["high"] - found["low"]
    np.testing.assert_array_equal(shown["low"].isna(), found["low"].isna())
    assert width.notna().mean() > 0.8
    for end in ("low", "high"):
        apart = ((shown[end] - found[end]) / width).abs()
        assert apart.max() < (1e-5 if id in COMPUTED else 0.2), apart.idxmax()
    # What one bootstrap misses by chance, all together do not: a wrong pairing would widen them all.
    ratio = ((shown["high"] - shown["low"]) / width).to_numpy(float)
    assert np.exp(np.nanmean(np.log(ratio))) == pytest.approx(1, abs=1e-6 if id in COMPUTED else 0.04)


@pytest.mark.parametrize("id", CURVES)
def test_every_way_to_ask_gives_what_pandas_and_scipy_give(id, judged, plain):
    agree(id, judged[id], plain[id])


def test_what_two_training_runs_differ_by_is_known_of_every_way(judged):
    assert [id for id, one in judged.items() if one.ways.empty or one.ways["noise"].isna().any()] == []


@pytest.mark.parametrize("id", CURVES)
def test_no_way_that_pandas_and_scipy_know_is_left_out(id, judged, plain):
    one = judged[id]
    known = [json.loads(way) for way in plain[id].index]
    if "figure" in one.ways and id in ("surer", "calibrated"):
        known = [way for way in known if way["figure"] in set(one.ways["figure"])]
    assert {text(way) for way in known if not way["on"].startswith("on ")} == set(rows(one).index[: len(one.ways)])


@pytest.mark.parametrize("id", CURVES)
def test_what_each_way_says_and_the_verdict_follow_from_the_limits(id, judged, plain):
    one = judged[id]
    found = plain[id].reindex(rows(one).index)
    width = (found["high"] - found["low"]).to_numpy()
    says = rows(one)["says"].to_numpy(int)
    sure = ~(found["estimate"].abs() <= found["noise"]).to_numpy()
    side = np.where(sure & (found["low"] > 0), 1, np.where(sure & (found["high"] < 0), -1, 0))
    clear = (np.minimum(found["low"].abs(), found["high"].abs()) > 0.2 * width).to_numpy()
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(says[clear], side[clear])
    ways = says[: len(one.ways)]
    default = ways[one.default]
    agreed = np.mean(ways == default) >= 0.9
    assert one.verdict == ({1: "holds", -1: "fails", 0: "nothing"}[default] if agreed else "mixed")
    for name, value in CLAIMS[id].default.items():
        assert one.ways[name].iloc[one.default] == value


@pytest.mark.parametrize("id", CURVES)
def test_the_sentence_and_the_curve_say_these_numbers(id, judged, plain):
    one, scale = judged[id], 100.0 if id in ("accuracy", "surer") else 1.0
    labels = {name: protocol.label for name, protocol in PROTOCOLS.items()}
    said = words.verdict(one, labels)
    numbers = re.search(r"(\S+) \(95 % interval (\S+) to (\S+?)\), asked by", said)
    at = plain[id].loc[text(one.ways[one.choices].iloc[one.default].to_dict())]
    reach = scale * (at["high"] - at["low"])
    for shown, name in zip(numbers.groups(), LIMITS, strict=True):
        room = 0.051 if scale == 100 else 0.0051
        room += 0.2 * reach if name != "estimate" and id not in COMPUTED else 0
        assert float(shown.replace("−", "-")) == pytest.approx(scale * at[name], abs=room)
    says = one.ways["says"].to_numpy(int)
    pro, contra = np.count_nonzero(says > 0), np.count_nonzero(says < 0)
    assert f"Of {len(says)} ways to ask, {pro} speak for it, {contra} against, {len(says) - pro - contra} say" in said
    for side, word in ((1, "for it on "), (-1, "against it on ")):
        sets = [on.removeprefix("on ") for on in one.sets.loc[one.sets["says"] == side, "on"]]
        assert (f"{word}{', '.join(sets)}" in said) == bool(sets)
    figure = words.curve(one, labels, words.finding(one, *PAIR))
    drawn = np.concatenate([np.asarray(trace.y, float) for trace in figure.data if trace.error_y.array is not None])
    expected = plain[id].reindex(rows(one).index[: len(one.ways)])["estimate"]
    np.testing.assert_allclose(np.sort(drawn), scale * np.sort(expected.to_numpy()), rtol=0, atol=1e-4)
