"""What the menu of a figure gives beside files: the command that makes its numbers again, and what to cite for them."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from core import cli
from core.encoders.registry import encoders
from core.paths import ASSETS
from core.results import store
from core.results.info import StudyInfo
from core.talk import citing, scenes
from core.talk.parts import Chart, Drawn
from core.talk.stories import Scene

OF_STUDIES = [id for id, figure in scenes.FIGURES.items() if "study" in figure.keys]


@pytest.fixture
def study(measured: StudyInfo, monkeypatch: pytest.MonkeyPatch) -> StudyInfo:
    folder = measured.address.removeprefix("file://").rpartition("/")[0]
    monkeypatch.setenv("INVARISCOPE_RESULTS", folder)
    monkeypatch.setattr("core.results.store.result_roots", lambda: [folder])
    return measured


@pytest.mark.parametrize("figure", OF_STUDIES)
def test_the_command_of_a_figure_gives_its_numbers(
    figure: str, study: StudyInfo, tmp_path, monkeypatch, capsys
) -> None:
    view = {"study": study.id, "protocol": "linear", "first": "supervised", "second": "simclr"}
    scene = Scene(figure, "", "", view)
    shown = scenes.show(scene)
    monkeypatch.chdir(tmp_path)
    code = cli.main(shlex.split(scenes.command(scene))[1:])
    charts = [part for part in shown.parts if isinstance(part, Chart)] if isinstance(shown, Drawn) else []
    if not charts:
        assert code == 2, "it says why there is none"
        assert capsys.readouterr().err.startswith("invariscope: ")
        return
    (file,) = tmp_path.glob("*.csv")
    written = pd.read_csv(file)
    drawn = pd.concat([chart.table for chart in charts], ignore_index=True)
    assert len(written) == len(drawn)
    for column in drawn.select_dtypes("float"):
        assert written[column].tolist() == pytest.approx(drawn[column].tolist(), nan_ok=True), column


def test_the_curves_of_the_cards_have_a_command_and_sources_of_their_own(tmp_path, monkeypatch, capsys) -> None:
    scene = Scene("models/training", "", "", {})
    (chart,) = scenes.show(scene).parts
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(scenes.command(scene))[1:]) == 0
    written = pd.read_csv("models_training.csv")
    assert written["knn_top1"].tolist() == pytest.approx(chart.table["knn_top1"].tolist())
    log = pd.read_csv(ASSETS / "models" / "simclr" / "training.csv")
    assert written.loc[written["encoder"] == "simclr", "knn_top1"].tolist() == log["knn_top1"].tolist()
    assert "title = {SimCLR}" in scenes.bibtex(scene)
    assert cli.main(["models", "export", "--figure", "models/training", "--out", "curves.tex"]) == 0
    assert Path("curves.tex").read_text(encoding="utf-8").count("simclr") == 2 * len(log)
    capsys.readouterr()
    assert cli.main(["models", "export", "--figure", "study/gap", "--out", "x.csv"]) == 2
    assert "is of no card" in capsys.readouterr().err
    assert cli.main(["models", "export", "--figure", "models/training", "--out", "x.png"]) == 2
    assert "takes a .csv or .tex file" in capsys.readouterr().err


def test_a_command_says_what_the_page_was_turned_to() -> None:
    view = {"study": "family", "threshold": 0.9, "trained_in": False, "measured": "all data sets"}
    line = scenes.command(Scene("study/gap", "", "", view))
    assert line.startswith("invariscope results export family --figure study/gap --set threshold=0.9 ")
    assert "--set trained_in=false --set 'measured=all data sets'" in line


def test_what_is_no_parameter_is_refused(tmp_path, capsys) -> None:
    out = ["--out", str(tmp_path / "x.csv")]
    assert cli.main(["results", "export", "family", "--figure", "study/gap", "--set", "protocol", *out]) == 2
    assert "--set takes NAME=VALUE" in capsys.readouterr().err
    assert cli.main(["results", "export", "family", "--set", "protocol=knn", *out]) == 2
    assert "--set goes with --figure" in capsys.readouterr().err
    assert cli.main(["results", "export", "family", "--figure", "study/limits", *out]) == 2
    assert "made of words" in capsys.readouterr().err


@pytest.mark.parametrize("figure", scenes.FIGURES)
def test_what_a_figure_uses_is_cited_from_what_stands_in_the_house(figure: str) -> None:
    pair = ("supervised", "simclr")
    given = dict(zip(("first", "second"), pair, strict=True)) | {"study": "family"}
    view = given if figure in OF_STUDIES else {"encoders": pair}
    text = scenes.bibtex(Scene(figure, "", "", view))
    entries = re.findall(r"^@\w+\{([a-z0-9-]+),$", text, re.MULTILINE)
    assert len(entries) == len(set(entries)) == text.count("\n@") + 1
    assert text.count("{") == text.count("}")
    stated = [citing.OWN.replace("and", "")]
    stated += [metric.__doc__ or "" for metric in scenes.CITED[figure.partition("/")[0]]]
    stated += [encoders()[id].paper for id in pair]
    family = store.study("family", [str(ASSETS / "results")])
    stated += [f"{about['citation']} {about['source']}" for about in family.datasets.values()]
    for author, year in re.findall(r"author = \{([^ ,}]+).*\},\n  year = \{(\d+)\}", text):
        assert any(author in told and year in told for told in stated)


def test_works_are_read_as_people_write_them() -> None:
    text = "As in (El-Yaniv & Wiener 2010, Geifman et al. 2019) and Ledoit & Wolf (2004); Brier 1950. In 2020 nothing."
    assert citing.works(text) == [
        ("El-Yaniv & Wiener", "2010"),
        ("Geifman et al.", "2019"),
        ("Ledoit & Wolf", "2004"),
        ("Brier", "1950"),
    ]
