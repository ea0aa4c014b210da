"""A report fetches nothing, holds every figure of its study once, and its numbers are those that the study stores."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
import study_manifests
from masked_images import studied
from study_rows import invent
from test_deck import HOSTILE, charts, values

from core import cli
from core.commands.common import EXIT_PART
from core.errors import InvalidRequest
from core.paths import ASSETS
from core.results import store, summary
from core.results.info import StudyInfo
from core.results.latex import escape
from core.talk import report, scenes, stories
from core.talk.stories import Scene, Story, written

PAIR = ("supervised", "simclr")


@pytest.fixture(scope="module")
def shipped() -> StudyInfo:
    return store.study("family", [str(ASSETS / "results")])


@pytest.fixture(scope="module")
def page(shipped: StudyInfo) -> str:
    return report.build(shipped, "linear").decode()


def test_every_figure_of_a_study_stands_in_it_once(shipped: StudyInfo, page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    of_studies = {one.label: 1 for one in scenes.FIGURES.values() if "study" in one.keys}
    of_studies["Reliability on a data set"] = 7
    of_studies["Evidence on the object"] = 0
    told = [html.unescape(heading).partition(":")[0] for heading in headings]
    assert {label: told.count(label) for label in of_studies} == of_studies
    (left_out,) = re.findall(r"<h3>Left out</h3><ul>(.*?)</ul>", page)
    assert html.unescape(left_out) == (
        "<li>Evidence on the object: No data set of study 'family' comes with masks of its objects.</li>"
    )
    assert all(f"{about['label']}: {about['licence']}" in html.unescape(page) for about in shipped.datasets.values())
    assert "@article{tendle2021study" in page


def test_points_stand_as_svg_and_carry_their_places_alone(page: str) -> None:
    """A cursor is in no report; the places are those of the study, and pixels of WebGL would not print."""
    points = [chart for chart in charts(page) if chart["alt"].startswith("Two coordinates of each image")]
    assert len(points) == 2
    for chart in points:
        assert {trace["type"] for trace in chart["data"]} == {"scatter"}
        assert sum(len(values(trace["x"])) for trace in chart["data"]) == 300
        assert {trace["customdata"] for trace in chart["data"]} == {None}
    assert "scattergl" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_evidence_on_objects_stands_once_a_data_set_with_masks(tmp_path, monkeypatch) -> None:
    found = studied(tmp_path, PAIR)
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(tmp_path / "results")])
    page = html.unescape(report.build(found).decode())
    assert page.count("<h2>Evidence on the object: near</h2>") == 1
    assert "Evidence on the object: far" not in page


def test_a_report_of_a_story_has_each_view_with_table_settings_and_sources() -> None:
    told = stories.shipped()["generalize"]
    absent = Scene("study/gap", "And elsewhere?", "", {"study": "no-such-study"})
    page, marked = report.of_story(Story(HOSTILE, (*told.scenes, absent)))
    assert [number for number, _ in marked] == [len(told.scenes) + 1]
    text = page.decode()
    headings = [html.unescape(each) for each in re.findall(r"<h2>(.*?)</h2>", text)]
    assert headings == [*(scene.sentence for scene in told.scenes), "And elsewhere?", "Where the numbers come from"]
    assert "<img src=x" not in text
    assert "no-such-study" in text.split("And elsewhere?")[1].split("</section>")[0]
    # The gap of SimCLR as the table below its chart has it, and as the study gives it.
    behind = text.split("<h3>Table of study_gap")[1].split("</section>")[0]
    (row,) = [line for line in re.findall(r"<tr>(.*?)</tr>", behind, re.DOTALL) if "<td>simclr</td>" in line]
    gaps = summary.generalization_gap(store.study("family"), "linear").set_index("encoder").loc["simclr"]
    assert f"<td>{gaps['gap']:.3f}</td>" in row
    plain = html.unescape(text)
    assert "invariscope results export family --figure study/gap --set protocol=linear" in plain
    assert "image = coffee; task = tiny-imagenet" in plain
    assert "AID aerial scenes: research use" in plain, "licences of the data"
    assert "weights a504bf6a, Apache-2.0" in plain, "and of the networks"
    assert plain.count("@article{tendle2021study") == 1
    assert 'name = "family"' in plain, "the plan"


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
    found = report.build(store.study("invented", [str(tmp_path / "results")])).decode()
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


def test_the_command_takes_a_study_or_a_story(tmp_path, capsys) -> None:
    story, out = tmp_path / "s.toml", ["--out", str(tmp_path / "r.html")]
    scenes = (
        Scene("study/limits", "What not?", "", {"study": "family"}),
        Scene("study/gap", "Or?", "", {"study": "x"}),
    )
    story.write_text(written(Story("Two views", scenes)), encoding="utf-8")
    assert cli.main(["report", "--story", str(story), *out, "--json"]) == EXIT_PART, "a view is marked"
    assert json.loads(capsys.readouterr().out)["marked"][0]["view"] == 2
    for line in (["report", *out], ["report", "family", "--story", str(story), *out]):
        assert cli.main(line) == 2
        assert "A report is of a STUDY, or of the views of a --story" in capsys.readouterr().err
    assert cli.main(["report", "--story", str(story), "--protocol", "knn", *out]) == 2
    assert "each view of a story names its own" in capsys.readouterr().err
