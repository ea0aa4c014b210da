"""`invariscope study` from the command line."""

import json
from pathlib import Path

import pytest
from study_folders import folder

from core.cli import main
from core.study import plan as plans
from core.study.plan import Plan


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path / "results"))
    folder(tmp_path / "data", "near")
    return ["--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache"), "--device", "cpu"]


def test_flags_run_a_study_that_its_folder_alone_goes_on_with(places, tmp_path: Path, capsys) -> None:
    out = tmp_path / "results" / "mine"
    asked = ["--encoders", "random", "--datasets", "folder:near?domain=similar", "--protocols", "knn"]
    assert main(["study", *asked, "--out", str(out), "--json", *places]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"study": "mine", "folder": str(out), "done": 1, "failed": {}, "unopened": {}}
    assert plans.read(out / "study.toml").name == "mine"
    (out / "cells" / "near.knn.random.0.parquet").unlink()
    assert main(["study", "--out", str(out), *places]) == 0
    assert "top-1" in capsys.readouterr().err
    assert (out / "cells" / "near.knn.random.0.parquet").is_file()


def test_a_plan_file_and_options_that_change_it(places, tmp_path: Path, capsys) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(plans.dump(Plan("planned", ("random",), ("folder:near",), ("knn", "few-shot"), 1, logits=False)))
    options = ["--option", "few-shot.ways=3", "--option", "few-shot.shots=2", "--option", "few-shot.queries=2"]
    assert main(["study", str(path), *options, "--option", "few-shot.episodes=4", "--json", *places]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["folder"] == str(tmp_path / "results" / "planned")
    assert printed["done"] == 2
    assert not list(Path(printed["folder"]).glob("logits/*"))


def test_part_done_is_1_and_nothing_done_is_2(places, tmp_path: Path, capsys) -> None:
    (tmp_path / "data/near/test/red/000.png").write_bytes(b"no image")
    out = str(tmp_path / "results" / "bad")
    asked = ["study", "--encoders", "random", "--protocols", "knn", "--out", out, *places]
    assert main([*asked, "--datasets", "folder:near"]) == 2
    assert "1 of 18 test images cannot be read" in capsys.readouterr().err
    folder(tmp_path / "data", "far")
    assert main([*asked, "--datasets", "folder:far"]) == 1
    assert "1 cells done, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name what to study"),
        (["nowhere.toml"], "nowhere.toml cannot be read"),
        (["--encoders", "random"], "Name what to study"),
        (["--encoders", "random", "--datasets", "folder:near", "--option", "x"], "PROTOCOL.NAME=VALUE"),
        (["--encoders", "random", "--datasets", "folder:near", "--engine", "magic", "--name", "x"], "engine called"),
        (["--encoders", "random", "--datasets", "folder:near"], "cannot be called ''"),
        (["--encoders", "random", "--datasets", "folder:near", "--name", "x", "--engine-option", "y"], "NAME=VALUE"),
        (["--encoders", "random", "--datasets", "folder:near", "--name", "x", "--ray-address", "y"], "no option"),
    ],
)
def test_what_cannot_be_run_says_what_to_do(places, tmp_path: Path, monkeypatch, capsys, arguments, said) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", *arguments, *places]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("option", "said"),
    [("geometry.samples=5", "from 20 to"), ("invariance.samples=9", "from 10 to"), ("few-shot.ways=1", "from 2 to")],
)
def test_an_option_below_its_least_is_refused_before_anything_runs(
    option: str, said: str, places, tmp_path: Path, capsys
) -> None:
    asked = ["--encoders", "random", "--datasets", "folder:near", "--measures", "answers,geometry", "--name", "x"]
    assert main(["study", *asked, "--option", option, *places]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "results" / "x").exists()
