"""The console command, in this process: what it prints, writes and returns."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from photos import BROKEN, encoded, photo
from PIL import Image

import core
from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.cli import HANDLERS, build_parser, main
from core.commands import dashboard
from core.encoders.registry import encoders
from core.heads import store
from core.paths import ROOT
from core.tasks import tasks

TASK = "tiny-imagenet"
PAIR = ["supervised", "random"]
USING = ["--encoders", ",".join(PAIR), "--task", TASK, "--device", "cpu"]


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo(), "PNG"))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, one of them in a folder of its own, and a file that is none."""
    found = tmp_path / "folder"
    (found / "more").mkdir(parents=True)
    (found / "a.png").write_bytes(encoded(photo(1), "PNG"))
    (found / "more" / "b.jpg").write_bytes(encoded(photo(2), "JPEG"))
    (found / "c.png").write_bytes(BROKEN["notes.png"])
    (found / "read.me").write_text("no image")
    return found


def strict(text: str):
    """JSON without NaN or infinity."""

    def refuse(word: str):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def refused(capsys, *arguments: object) -> str:
    """The one line that a command says when it does nothing."""
    assert main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("invariscope: ")
    return line


def test_nothing_heavy_is_imported_before_a_command_runs():
    script = "import sys, core.cli; core.cli.build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "streamlit", "numpy", "pandas", "timm", "PIL", "plotly"}
    assert not heavy & set(done.stdout.split())


def test_every_command_has_a_handler_and_help(capsys):
    for name in HANDLERS:
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        assert name in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"invariscope {core.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["predict"], ["predict", "x.png", "--encoders", ","], ["attribute", "x.png"]]
)
def test_a_command_line_that_makes_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: invariscope" in capsys.readouterr().err


def test_without_a_command_the_dashboard_starts(monkeypatch):
    calls = []
    monkeypatch.setattr(dashboard.subprocess, "call", lambda command, cwd: calls.append((command, cwd)) or 7)
    assert main(["--port", "9999", "--host", "0.0.0.0", "--no-browser"]) == 7
    ((command, cwd),) = calls
    assert cwd == ROOT
    assert str(ROOT / "app.py") in command
    words = " ".join(command)
    assert "--server.port 9999 --server.address 0.0.0.0 --server.headless true" in words


def test_interrupted(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard.subprocess, "call", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "invariscope: stopped\n"


def test_models(capsys):
    assert main(["models", "--json"]) == 0
    rows = strict(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(encoders())
    for row in rows:
        spec = encoders()[row["id"]]
        assert row["regime"] == spec.regime
        assert row["task_heads"] == store.tasks_of(spec)
        assert row["packaged"] == row["available"] == spec.weights.packaged
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(encoders())


def test_fetching_what_does_not_exist(capsys):
    line = refused(capsys, "models", "--fetch", "no-such-encoder")
    assert "no encoder called 'no-such-encoder'" in line
    assert all(id in line for id in encoders())


def test_predict_says_exactly_this(picture, capsys):
    assert main(["predict", str(picture), *USING, "--top", "3", "--json"]) == 0
    (row,) = strict(capsys.readouterr().out)
    assert list(row) == ["path", "digest", "task", "results", "agreement"]
    assert row["path"] == str(picture)
    assert len(row["digest"]) == 64
    assert row["task"] == TASK
    assert [result["encoder"] for result in row["results"]] == PAIR
    for result in row["results"]:
        assert list(result) == [
            "encoder",
            "regime",
            "head_protocol",
            "top",
            "confidence",
            "temperature",
            "margin",
            "entropy",
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


def test_attribute_writes_maps_and_what_they_are(picture, tmp_path, capsys):
    out = tmp_path / "deep" / "maps"
    name = tasks()[TASK].classes[5]
    assert main(["attribute", str(picture), *USING, "--class", name.upper(), "--out", str(out), "--json"]) == 0
    manifest = strict(capsys.readouterr().out)
    assert manifest == strict((out / "manifest.json").read_text())
    assert [entry["encoder"] for entry in manifest["maps"]] == PAIR
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["manifest.json", *(f"{id}.{kind}" for id in PAIR for kind in ("png", "npz"))]
    )
    for entry in manifest["maps"]:
        assert entry["class"] == name
        with np.load(entry["raw"]) as archive:
            assert list(archive["map"].shape) == entry["grid"]
            assert float(archive["map"].max()) == entry["largest"]
            assert strict(str(archive["facts"]))["encoder"] == entry["encoder"]
        with Image.open(entry["overlay"]) as overlay:
            assert overlay.format == "PNG"
    assert manifest["scale"] == max(max(e["largest"], -e["smallest"]) for e in manifest["maps"])


@pytest.mark.parametrize("method", METHODS)
def test_attribute_by_every_method(method, picture, tmp_path, capsys):
    arguments = ["--encoders", "random", "--device", "cpu", "--method", method, "--out", str(tmp_path)]
    assert main(["attribute", str(picture), *arguments]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(str(tmp_path / "random.png"))


def test_attribute_refuses(picture, tmp_path, capsys):
    out = ["--out", tmp_path / "maps"]
    near = tasks()[TASK].classes[0]
    line = refused(capsys, "attribute", picture, *USING, "--class", near[:-1], *out)
    assert f"no class '{near[:-1]}'" in line
    assert near in line.split("Did you mean")[1]
    assert "no class 'qqqqq'" in refused(capsys, "attribute", picture, *USING, "--class", "qqqqq", *out)
    line = refused(capsys, "attribute", picture, *USING, "--method", "no-such", *out)
    assert "no attribution method called 'no-such'" in line
    assert all(method in line for method in METHODS)
    (tmp_path / "file").write_text("")
    line = refused(capsys, "attribute", picture, *USING, "--out", tmp_path / "file" / "maps")
    assert "--out" in line
    assert not (tmp_path / "maps").exists()


def test_sweep_writes_every_point_with_where_it_came_from(folder, tmp_path, capsys):
    out = tmp_path / "sweep.parquet"
    arguments = ["--augmentation", "rotation", "--seeds", "2", "--out", str(out), "--json"]
    assert main(["sweep", str(folder), *USING, *arguments]) == 1  # c.png is broken
    captured = capsys.readouterr()
    said = strict(captured.out)
    table = pd.read_parquet(out)
    strengths = AUGMENTATIONS["rotation"].strengths
    assert said["file"] == str(out)
    assert said["rows"] == len(table) == len(PAIR) * len(strengths) * 2 * 2
    assert set(said["floors"]) == set(PAIR) == set(table["encoder"])
    assert {Path(path).name for path in table["path"]} == {"a.png", "b.jpg"}
    identity = table[table["strength"] == AUGMENTATIONS["rotation"].identity]
    assert identity["cosine"].to_numpy() == pytest.approx(1, abs=1e-3)  # sweeps may run in bfloat16
    assert not identity["flipped"].any()
    facts = strict(pq.read_schema(out).metadata[b"invariscope"].decode())
    assert facts["augmentation"] == "rotation"
    assert facts["floors"] == said["floors"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_sweep_without_chance_needs_one_seed(picture, tmp_path, capsys):
    plain = next(a for a in AUGMENTATIONS.values() if not a.seeded)
    out = tmp_path / "plain.parquet"
    arguments = ["--encoders", "random", "--augmentation", plain.id, "--seeds", "4", "--out", str(out)]
    assert main(["sweep", str(picture), *arguments, "--device", "cpu"]) == 0
    assert len(pd.read_parquet(out)) == len(plain.strengths)
    assert capsys.readouterr().out.startswith(f"{out}: {len(plain.strengths)} rows")


def test_sweep_refuses(picture, tmp_path, capsys):
    out = ["--out", tmp_path / "x.parquet"]
    assert ".parquet" in refused(capsys, "sweep", picture, *USING, "--out", tmp_path / "x.csv")
    line = refused(capsys, "sweep", picture, *USING, "--augmentation", "no-such", *out)
    assert "no augmentation called 'no-such'" in line
    assert all(id in line for id in AUGMENTATIONS)
    assert "seeds" in refused(capsys, "sweep", picture, *USING, "--seeds", "0", *out)
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_sweep_that_cannot_be_written_says_so(picture, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x.parquet"
    arguments = ["--encoders", "random", "--augmentation", "hue", "--device", "cpu", "--out", str(out)]
    assert main(["sweep", str(picture), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--out" in captured.err.splitlines()[-1]


def test_doctor(capsys):
    assert main(["doctor", "--json", "--device", "cpu"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["invariscope"] == core.__version__
    assert set(found["packaged"]) == {id for id, spec in encoders().items() if spec.weights.packaged}
    assert set(found["packaged"].values()) == {"ok"}
    assert found["fetched"] == []
    assert found["problems"] == []


def test_doctor_finds_what_is_broken(monkeypatch, capsys):
    from core.encoders import weights
    from core.errors import WeightsInvalid

    def broken(file):
        raise WeightsInvalid(f"{file.file} is not what it should be.")

    monkeypatch.setattr(weights, "verify", broken)
    assert main(["doctor", "--device", "cpu"]) == 1
    captured = capsys.readouterr()
    assert "is not what it should be" in captured.err
    assert len(captured.err.splitlines()) == 1


def test_the_weights_folder_can_be_named(picture, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", "elsewhere")  # put back afterwards
    assert main(["doctor", "--json", "--device", "cpu", "--weights-dir", str(tmp_path / "mine")]) == 0
    assert strict(capsys.readouterr().out)["weights_folder"] == str(tmp_path / "mine")


def test_the_parser_knows_the_defaults():
    arguments = build_parser().parse_args(["predict", "a.png", "b.png"])
    assert arguments.images == ["a.png", "b.png"]
    assert arguments.encoders == ["supervised", "simclr"]
    assert arguments.task == TASK
