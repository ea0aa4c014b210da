"""The console command, in this process: what it is asked, its models and its health."""

import itertools
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import command_line
import pytest
from command_line import TASK, refused, strict

import core
from core.cli import COMMANDS, build_parser, main
from core.commands import dashboard
from core.encoders.registry import encoders
from core.errors import InvalidRequest
from core.heads import store
from core.paths import ROOT

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture


HEAVY = {"torch", "torchvision", "timm", "captum", "streamlit", "sklearn", "scipy", "plotly", "ray", "lightly"}


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        ("study --help", {"numpy", "pandas", "PIL", "duckdb", "pyarrow", "huggingface_hub", "fsspec"}),
        ("models --json", {"numpy", "pandas", "PIL", "duckdb", "pyarrow"}),
        ("datasets --json", {"pandas", "duckdb", "pyarrow"}),
        ("results list --json", set()),
    ],
)
def test_what_computes_nothing_imports_nothing_heavy(arguments, more):
    script = (
        "import contextlib, sys, core.cli\n"
        "with contextlib.suppress(SystemExit): core.cli.main(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *arguments.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout) > 200
    assert not (HEAVY | more) & set(done.stderr.split())


def test_every_command_has_help(capsys):
    for name in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        assert name in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"invariscope {core.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["predict"], ["predict", "x.png", "--encoders", ","], ["attribute", "x.png"]]
)
def test_a_command_line_that_makes_no_sense(arguments, capsys):
    assert "invariscope" in refused(capsys, *arguments).split("See '")[1]


def test_without_a_command_the_dashboard_starts(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(dashboard.subprocess, "call", lambda *given, **more: calls.append((*given, more)) or 7)
    monkeypatch.setattr(dashboard, "check_address", lambda host, port: calls.append((host, port)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INVARISCOPE_RESULTS", os.pathsep.join(["mine", "s3://bucket/theirs", "~/ours"]))
    assert main(["--port", "9999", "--host", "0.0.0.0", "--no-browser"]) == 7
    (address, (command, more)) = calls
    assert address == ("0.0.0.0", 9999)
    assert more["cwd"] == ROOT
    assert str(ROOT / "app.py") in command
    words = " ".join(command)
    assert "--server.port 9999 --server.address 0.0.0.0 --server.headless true" in words
    # The server works in another folder than the person, who named theirs from where they are.
    roots = [str(tmp_path / "mine"), "s3://bucket/theirs", str(Path.home() / "ours")]
    assert more["env"]["INVARISCOPE_RESULTS"] == os.pathsep.join(roots)


@pytest.mark.parametrize("host", dashboard.LOOPBACK)
def test_a_dashboard_of_this_machine_alone_answers_to_no_foreign_name(host, monkeypatch, capsys):
    """A page whose name resolves to this machine would else reach it from anybody's browser (DNS rebinding)."""
    commands = []
    monkeypatch.setattr(dashboard.subprocess, "call", lambda command, **more: commands.append(command) or 0)
    monkeypatch.setattr(dashboard, "check_address", lambda host, port: None)
    assert main(["--host", host, "--allow-host", "lab.example.org"]) == 0
    allowed = [name for flag, name in itertools.pairwise(commands[0]) if flag == "--server.allowedHosts"]
    assert allowed == ["localhost", "127.0.0.1", "::1", "lab.example.org"]
    assert capsys.readouterr().err == ""


def test_a_dashboard_open_to_others_says_what_it_opens(monkeypatch, capsys):
    commands = []
    monkeypatch.setattr(dashboard.subprocess, "call", lambda command, **more: commands.append(command) or 0)
    monkeypatch.setattr(dashboard, "check_address", lambda host, port: None)
    assert main(["--host", "0.0.0.0"]) == 0
    assert "--server.allowedHosts" not in commands[0]
    assert "Whoever reaches 0.0.0.0 on port 8501 can use this dashboard" in capsys.readouterr().err


@pytest.mark.parametrize("reload", [False, True])
def test_the_file_watcher_is_for_developers(reload, monkeypatch):
    given = {}
    monkeypatch.setattr(
        dashboard.subprocess, "call", lambda command, **more: given.update(command=command, **more) or 0
    )
    monkeypatch.setattr(dashboard, "check_address", lambda host, port: None)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert main(["--reload"] if reload else []) == 0
    assert ("--server.fileWatcherType auto" in " ".join(given["command"])) is reload
    assert given["env"].get("PYTHONPATH") == (str(ROOT) if reload else None)
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["fileWatcherType"] == "none"


def test_an_address_is_tried_before_the_server_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidRequest, match=f"Port {port} is in use"):
            dashboard.check_address("127.0.0.1", port)
    dashboard.check_address("127.0.0.1", port)
    for host in ("192.0.2.1", "x" * 70):  # nobody's, and no name at all
        with pytest.raises(InvalidRequest, match="is no address of this machine"):
            dashboard.check_address(host, port)


def test_interrupted(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard.subprocess, "call", interrupted)
    monkeypatch.setattr(dashboard, "check_address", lambda host, port: None)
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
    assert f"Nearest of {len(encoders())}: " in line


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


def test_what_is_said_before_a_sub_command_holds_for_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", "elsewhere")  # put back afterwards
    assert main(["--weights-dir", str(tmp_path), "models", "--json", "accept", "dinov3"]) == 0
    assert (tmp_path / "accepted-licences.json").is_file()
    for line in (["models", "--json", "verify", "random"], ["results", "--json", "list"]):
        capsys.readouterr()
        assert main(line) == 0
        strict(capsys.readouterr().out)


def test_the_parser_knows_the_defaults():
    arguments = build_parser().parse_args(["predict", "a.png", "b.png"])
    assert arguments.images == ["a.png", "b.png"]
    assert arguments.encoders == ["supervised", "simclr"]
    assert arguments.task == TASK
