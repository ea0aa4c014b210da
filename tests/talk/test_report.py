"""A report fetches nothing, holds every figure of its study once, and its numbers are those that the study stores."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import study_manifests
from study_rows import invent
from test_deck import HOSTILE, charts, values

from core import cli
from core.errors import InvalidRequest
from core.paths import ASSETS
from core.results import store
from core.results.info import StudyInfo
from core.results.latex import escape
from core.talk import report, scenes

PAIR = ("supervised", "simclr")


@pytest.fixture(scope="module")
def shipped() -> StudyInfo:
    return store.study("family", [str(ASSETS / "results")])


@pytest.fixture(scope="module")
def page(shipped: StudyInfo) -> str:
    return report.build(shipped, "linear", seen=lambda heading: None).decode()


def test_every_figure_of_a_study_stands_in_it_once(shipped: StudyInfo, page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    on_pages = report.ON_PAGES
    of_studies = [
        one.label for id, one in scenes.FIGURES.items() if "study" in one.keys and not id.startswith(on_pages)
    ]
    told = [html.unescape(heading).partition(":")[0] for heading in headings]
    assert [label for label in of_studies if told.count(label) != (7 if label.startswith("Reliability") else 1)] == []
    assert "Left out" not in page
    assert all(f"{about['label']}: {about['licence']}" in html.unescape(page) for about in shipped.datasets.values())
    assert "@article{tendle2021study" in page


def test_its_accuracies_are_those_of_the_stored_answers(page: str) -> None:
    """With pandas alone."""
    (chart,) = [c for c in charts(page) if c["alt"].startswith("Accuracy by data set")]
    drawn = 0
    for trace in (trace for trace in chart["data"] if trace["type"] == "bar"):
        for value, (dataset, encoder, *_) in zip(values(trace["x"]), trace["customdata"], strict=True):
            files = (ASSETS / "results" / "family" / "cells").glob(f"{dataset}.linear.{encoder}.*.parquet")
            right = [(rows["prediction"] == rows["label"]).mean() for rows in map(pd.read_parquet, files)]
            assert value == pytest.approx(100 * np.mean(right), abs=1e-9)
            drawn += 1
    assert drawn == 14


def test_names_of_a_study_are_text_and_nothing_is_fetched(tmp_path) -> None:
    folder = invent(tmp_path / "results", samples=60, seeds=1, protocols=("linear",))
    made = study_manifests.read(folder)
    made["title"] = HOSTILE
    for about in (*made["datasets"].values(), *made["encoders"].values()):
        about["label"] += HOSTILE
    study_manifests.write(folder, made)
    found = report.build(store.study("invented", [str(tmp_path / "results")]), seen=lambda heading: None).decode()
    markup = re.sub(r"<script[^>]*>.*?</script>|<style>.*?</style>", "", found, flags=re.DOTALL)
    assert "<img" not in markup
    told = html.unescape(markup).replace(HOSTILE, "").replace(escape(HOSTILE), "")  # the latter in what is to be cited
    assert re.findall(r"\b(?:href|src|srcset|action)\s*=", told) == []
    assert found.count("default-src 'none'") == 1
    assert "Left out" in found, "what the study did not measure is told"


def test_a_contender_that_is_not_there_is_told(shipped: StudyInfo) -> None:
    with pytest.raises(InvalidRequest, match=r"no results of byol by linear\. It has supervised, simclr, random"):
        report.build(shipped, "linear", second="byol")
    with pytest.raises(InvalidRequest, match="no two contenders with results by 'fine-tune'"):
        report.build(shipped, "fine-tune")


def test_the_command_writes_the_file_and_refuses_another_kind(tmp_path, capsys) -> None:
    assert cli.main(["report", "family", "--protocol", "knn", "--out", str(tmp_path / "r.html"), "--json"]) == 0
    assert '"figures"' in capsys.readouterr().out
    assert (tmp_path / "r.html").stat().st_size > 1e6
    assert cli.main(["report", "family", "--out", str(tmp_path / "r.pdf")]) == 2
    assert "--out takes a .html file" in capsys.readouterr().err
