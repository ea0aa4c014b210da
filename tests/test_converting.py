"""Conversion in a process of its own: tensors kept, nothing run, and what the process may not do."""

import argparse
import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from command_line import strict
from malicious import endless, payloads, swollen, written
from safetensors.torch import load_file
from toys import TwoChannels, spec

from core.commands import models_convert
from core.encoders import registry
from core.encoders.files import hashes
from core.encoders.opening import converting, reading
from core.encoders.opening.converting import convert
from core.encoders.spec import WeightFile
from core.errors import InvalidRequest, UnknownName, WeightsInvalid, WeightsUnavailable
from core.paths import ROOT

WEIGHT = torch.arange(96.0).reshape(2, 3, 4, 4)
CONTENT = {
    "state_dict": {"conv.weight": WEIGHT},
    "optimizer": {"state": [torch.ones(3)]},
    "args": argparse.Namespace(data=Path("/data")),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("way", ["torch", "old torch"])
def test_tensors_are_kept_and_then_read_as_the_entry_says(folder: Path, way: str) -> None:
    path = written(folder / "toy.pth", CONTENT, way)
    file = WeightFile("toy.pth", reader="converted", container=("state_dict",))
    with pytest.raises(WeightsInvalid, match="models convert"):
        reading.state_dict(file)
    done = convert(path, reading.converted_path(path))
    assert done.tensors == 2
    assert {"argparse.Namespace"} <= set(done.left_out)
    assert done.network in ("namespace", "audit hook")
    network = TwoChannels()
    reading.load_strictly(network, file)
    assert torch.equal(network.conv.weight, WEIGHT)
    assert set(load_file(done.target)) == {"state_dict::conv.weight", "optimizer::state::0"}
    assert hashes.recorded(done.target) == hashes.sha256_of(done.target)
    assert names(folder) == {"toy.pth", "toy.pth.safetensors", "toy.pth.safetensors.sha256"}


def test_only_what_is_in_the_container_is_kept_and_nothing_else_will_do(folder: Path) -> None:
    path = written(folder / "toy.pth", CONTENT, "torch")
    done = convert(path, folder / "out" / "toy.safetensors", ("state_dict",))
    assert set(load_file(done.target)) == {"state_dict::conv.weight"}
    before = done.target.read_bytes()
    with pytest.raises(WeightsInvalid, match=r"holds no tensors under model\.trunk"):
        convert(path, done.target, ("model", "trunk"))
    assert done.target.read_bytes() == before


@pytest.mark.parametrize("name", ["os.system", "builtins.exec", "torch._rebuild_from_type_v2"])
def test_trap_9_4_a_malicious_pickle_is_refused_and_nothing_runs(folder: Path, name: str) -> None:
    trace = folder / "trace"
    path = written(folder / "evil.pth", {"state_dict": {"conv.weight": WEIGHT}, "x": payloads(trace)[name]}, "torch")
    with pytest.raises(
        WeightsInvalid, match=r"code to run\. Nothing in it ran, and nothing of it was kept\."
    ) as caught:
        convert(path, reading.converted_path(path))
    assert "\n" not in str(caught.value)
    assert not trace.exists()
    assert names(folder) == {"evil.pth"}


@pytest.mark.parametrize("end", [0, 0.5])
def test_truncated_files_are_refused(folder: Path, end: float) -> None:
    path = written(folder / "toy.pth", CONTENT, "torch")
    path.write_bytes(path.read_bytes()[: int(end * path.stat().st_size)])
    with pytest.raises(WeightsInvalid, match=r"toy\.pth was not read: it ends early"):
        convert(path, reading.converted_path(path))
    assert names(folder) == {"toy.pth"}


def test_what_needs_no_conversion_or_is_not_there(folder: Path) -> None:
    path = written(folder / "toy.pth", CONTENT, "torch")
    with pytest.raises(InvalidRequest, match="never replaced"):
        convert(path, folder / "." / "toy.pth")
    with pytest.raises(WeightsUnavailable, match="is not there"):
        convert(folder / "none.pth", folder / "a.safetensors")
    (folder / "a.safetensors").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="plain tensors already"):
        convert(folder / "a.safetensors", folder / "b.safetensors")
    (folder / "no folder").write_bytes(b"")
    with pytest.raises(WeightsUnavailable, match="could not be written"):
        convert(path, folder / "no folder" / "a.safetensors")


def test_what_takes_for_ever_or_all_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read by PyTorch as plain weights: one would run for a quarter of an hour, one fill 64 GB."""
    monkeypatch.setattr(converting, "seconds", lambda size: 2)
    with pytest.raises(WeightsInvalid, match=r"endless\.pth was not read: it takes more than 2 seconds"):
        converting.rehearse(endless(folder / "endless.pth"), "namespace")
    with pytest.raises(WeightsInvalid, match=r"swollen\.pth was not read: it needs more memory"):
        convert(swollen(folder / "swollen.pth"), folder / "a.safetensors")
    assert names(folder) == {"endless.pth", "swollen.pth"}


def test_a_trial_runs_nothing(folder: Path) -> None:
    trace = folder / "trace"
    path = written(folder / "evil.pth", {"x": payloads(trace)["torch._rebuild_from_type_v2"]}, "old torch")
    with pytest.raises(
        WeightsInvalid, match=r"it asks for 'posix\.system' .* which is code to run\. Nothing in it ran"
    ):
        converting.rehearse(path, "namespace")
    assert not trace.exists()


def test_a_trial_reads_as_the_reader_will(folder: Path) -> None:
    """The one file in an archive, and a bag of values beside the weights."""
    inner = written(folder / "toy.pth", {"weight": WEIGHT, "args": argparse.Namespace(lr=0.1)}, "torch")
    with zipfile.ZipFile(folder / "toy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, "toy.pth")
    converting.rehearse(folder / "toy.zip", "zip")
    with pytest.raises(WeightsInvalid, match="was not read: it is damaged, or no checkpoint"):
        converting.rehearse(folder / "toy.zip", "namespace")
    assert names(folder) == {"toy.pth", "toy.zip"}


ATTEMPTS = """
import json, os, socket, subprocess, sys, ctypes, pathlib, shutil, urllib.request
from core.encoders.opening import quarantine
network = quarantine.give_up_network()
def connect():
    with socket.socket() as s:
        s.settimeout(5)
        s.connect(("127.0.0.1", int(sys.argv[1])))
def outcome(attempt):
    try:
        attempt()
    except Exception as error:
        return type(error).__name__
    return "done"
found = {"network": network, "before": outcome(connect)}
quarantine.limit(1000, 60)
def fill():
    with open(sys.argv[2], "wb") as file:
        file.write(bytes(200_000_000))
found["memory"], found["disk"] = outcome(lambda: bytearray(16 << 30)), outcome(fill)
os.remove(sys.argv[2])
caught = quarantine.forbid()
attempts = {
    "socket": connect,
    "name": lambda: socket.getaddrinfo("localhost", 80),
    "read": lambda: open("/etc/hostname").read(),
    "write": lambda: open(sys.argv[2], "w"),
    "os.open": lambda: os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY),
    "touch": lambda: pathlib.Path(sys.argv[2]).touch(),
    "system": lambda: os.system("true"),
    "process": lambda: subprocess.run(["true"]),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "remove": lambda: os.remove(sys.argv[3]),
    "rename": lambda: os.rename(sys.argv[3], sys.argv[3] + ".x"),
    "list": lambda: os.listdir("/"),
    "machine code": lambda: ctypes.CDLL(None),
    "import": lambda: __import__("antigravity"),
    "eval": lambda: eval("1"),
}
found["after"] = {name: outcome(attempt) for name, attempt in attempts.items()}
found["caught"] = len(caught)
print(json.dumps(found), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the attempts are those of a POSIX system")
def test_the_process_could_do_no_harm_if_code_did_run(folder: Path) -> None:
    victim, new = folder / "victim", folder / "new"
    victim.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", ATTEMPTS, str(server.getsockname()[1]), str(new), str(victim)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    found = json.loads(done.stdout)
    assert set(found["after"].values()) == {"PermissionError"}, found
    assert found["caught"] >= len(found["after"])
    # The namespace alone keeps the process from the network, where the system permits one.
    assert found["before"] == ("OSError" if found["network"] == "namespace" else "done")
    if sys.platform == "linux":
        assert (found["memory"], found["disk"]) == ("MemoryError", "OSError")
    assert victim.exists()
    assert not new.exists()


def test_the_environment_of_the_process_is_empty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    run = subprocess.run

    def spy(*arguments, **options):
        started.append(options)
        return run(*arguments, **options)

    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    monkeypatch.setattr(subprocess, "run", spy)
    path = written(folder / "toy.pth", CONTENT, "torch")
    convert(path, reading.converted_path(path))
    (options,) = started
    assert set(options["env"]) <= {"OMP_NUM_THREADS", "SYSTEMROOT"}
    assert options["cwd"] != os.getcwd()
    assert not options["cwd"].exists()


def ask(what: str, **options) -> int:
    return models_convert.run(
        argparse.Namespace(what=what, **({"out": None, "container": None, "json": False} | options))
    )


def test_command_converts_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(folder / "toy.pth", CONTENT, "torch")
    assert ask(str(path), container="state_dict", out=str(folder / "kept.safetensors"), json=True) == 0
    (row,) = strict(capsys.readouterr().out)
    assert row["tensors"] == 1
    assert row["converted"] == str(folder / "kept.safetensors")
    assert set(load_file(folder / "kept.safetensors")) == {"state_dict::conv.weight"}
    with pytest.raises(UnknownName, match="no encoder, and no file, called 'nothing'"):
        ask("nothing")


def test_command_converts_what_an_encoder_needs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = WeightFile("toy.pth", container=("state_dict",))
    monkeypatch.setattr(models_convert, "encoders", lambda: {**registry.encoders(), "toy": spec("toy", weights=file)})
    written(folder / "toy.pth", {"state_dict": {"conv.weight": WEIGHT}}, "torch")
    assert ask("toy") == 0
    assert "needs no conversion" in capsys.readouterr().out
    written(folder / "toy.pth", CONTENT, "torch")
    assert ask("toy") == 0
    told = capsys.readouterr().out
    assert "holds the 1 tensors of" in told
    assert "argparse.Namespace" in told
    assert torch.equal(reading.state_dict(file)["conv.weight"], WEIGHT)
    with pytest.raises(InvalidRequest):
        ask("toy", container="model")
