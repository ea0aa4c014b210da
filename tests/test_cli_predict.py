"""`invariscope predict`, in this process: what it prints, returns and refuses."""

from pathlib import Path

import command_line
import numpy as np
import pytest
import torch
from command_line import PAIR, TASK, USING, refused, strict
from photos import BROKEN

from core.cli import main
from core.encoders.registry import encoders
from core.tasks import tasks

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture
folder = command_line.folder


def test_predict_says_exactly_this(picture, capsys):
    assert main(["predict", str(picture), *USING, "--top", "3", "--json"]) == 0
    (row,) = strict(capsys.readouterr().out)
    assert list(row) == ["path", "digest", "size", "fit", "notes", "task", "results", "agreement"]
    assert row["path"] == str(picture)
    assert len(row["digest"]) == 64
    assert row["task"] == TASK
    assert [result["encoder"] for result in row["results"]] == PAIR
    for result in row["results"]:
        assert list(result) == [
            "encoder",
            "regime",
            "head_protocol",
            "seen",
            "top",
            "confidence",
            "temperature",
            "margin",
            "entropy",
            "outlyingness",
            "warning",
        ]
        assert result["regime"] == encoders()[result["encoder"]].regime
        first, second, third = result["top"]
        assert list(first) == ["label", "probability"]
        assert {first["label"], second["label"], third["label"]} <= set(tasks()[TASK].classes)
        assert 1 >= first["probability"] >= second["probability"] >= third["probability"] >= 0
        assert result["confidence"] == first["probability"]
        assert result["margin"] == pytest.approx(first["probability"] - second["probability"], abs=1e-12)
        assert 0 <= result["entropy"] <= np.log(len(tasks()[TASK].classes))
        assert result["temperature"] > 0
    answers = {result["top"][0]["label"] for result in row["results"]}
    assert row["agreement"] is (len(answers) == 1)


def test_predict_with_one_encoder_agrees_with_nobody(picture, capsys):
    assert main(["predict", str(picture), "--encoders", "random", "--device", "cpu", "--json"]) == 0
    (row,) = strict(capsys.readouterr().out)
    assert row["agreement"] is None


def test_predict_as_text(picture, capsys):
    assert main(["predict", str(picture), *USING]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(picture)
    assert [line.split()[0] for line in lines[1:3]] == PAIR
    assert lines[3].strip() in ("they agree", "they disagree")


def test_more_classes_than_there_are(picture, capsys):
    assert main(["predict", str(picture), "--encoders", "random", "--device", "cpu", "--top", "999", "--json"]) == 0
    (row,) = strict(capsys.readouterr().out)
    assert len(row["results"][0]["top"]) == len(tasks()[TASK].classes)


def test_a_folder_with_one_bad_file_is_done_in_part(folder, capsys):
    assert main(["predict", str(folder), *USING, "--json"]) == 1
    captured = capsys.readouterr()
    rows = strict(captured.out)
    assert [Path(row["path"]).name for row in rows] == ["a.png", "b.jpg"]
    (line,) = captured.err.splitlines()
    assert line.startswith(f"invariscope: {folder / 'c.png'}: ")


def test_images_together_are_answered_as_alone(folder, capsys):
    main(["predict", str(folder), *USING, "--json"])
    together = strict(capsys.readouterr().out)
    for row in together:
        assert main(["predict", row["path"], *USING, "--json"]) == 0
        (alone,) = strict(capsys.readouterr().out)
        for one, other in zip(alone["results"], row["results"], strict=True):
            assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_picture(name, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    assert str(path) in refused(capsys, "predict", path, *USING)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--encoders", "no-such"], "no encoder called 'no-such'"),
        (["--task", "no-such"], "no task called 'no-such'"),
        (["--top", "0"], "--top"),
        (["--top", "-3"], "--top"),
        (["--encoders", "supervised", "--task", "imagenet-1k"], "head for imagenet-1k"),
    ],
)
def test_predict_refuses(arguments, told, picture, capsys):
    assert told in refused(capsys, "predict", picture, *arguments, "--device", "cpu")


def test_what_is_not_there(tmp_path, capsys):
    assert str(tmp_path / "none.png") in refused(capsys, "predict", tmp_path / "none.png", *USING)
    (tmp_path / "empty").mkdir()
    assert "no image" in refused(capsys, "predict", tmp_path / "empty", *USING)
    assert "none.png" in refused(capsys, "attribute", tmp_path / "none.png", *USING, "--out", tmp_path / "maps")
    assert "none.png" in refused(capsys, "sweep", tmp_path / "none.png", *USING, "--out", tmp_path / "s.parquet")


def test_a_folder_of_nothing_but_broken_files(tmp_path, capsys):
    for name, data in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    assert main(["predict", str(tmp_path), *USING]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == len(BROKEN) + 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(picture, capsys):
    line = refused(capsys, "predict", picture, "--encoders", "random", "--device", "cuda")
    assert "GPU" in line or "CUDA" in line
