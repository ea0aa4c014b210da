"""The console command, in this process: what it is asked, its models and its health."""

import subprocess
import sys

import command_line
import pytest
from command_line import TASK, refused, strict

import core
from core.cli import HANDLERS, build_parser, main
from core.commands import dashboard
from core.encoders.registry import encoders
from core.heads import store
from core.paths import ROOT

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture


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


def test_doctor(capsys):
    assert main(["doctor", "--json", "--device", "cpu"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["invariscope"] == core.__version__
    assert set(found["packaged"]) == {id for id, spec in encoders().items() if spec.weights.packaged}
    assert set(found["packaged"].values()) == {"ok"}
    assert found["fetched"] == []
    assert found["problems"] == []


def test_doctor_finds_what_is_broken(monkeypatch, capsys):
    from core.encoders.files import weights
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
