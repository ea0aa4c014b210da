"""What people and machines do to the command line: one sentence and exit code 2, never a traceback.

Most cases run in this process; pipes, full disks and encodings need a process of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from command_line import refused
from serving import READ_ONLY, own_mounts
from study_folders import folder

from core import paths
from core.cli import main
from core.errors import InvalidRequest
from core.study import jobs

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture
VARIABLES = ("CACHE", "WEIGHTS", "DATA", "RESULTS")
USES = {"CACHE": paths.cache_folder, "WEIGHTS": paths.weights_folder, "DATA": paths.data_folder}
NOBODY = "~no-such-user/x"
LISTS = (["models", "--json"], ["datasets", "--json"], ["results", "list", "--json"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, and none of the variables set."""
    for name in (*(f"INVARISCOPE_{name}" for name in VARIABLES), "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("value", ["", " "])
def test_a_variable_that_names_nothing_counts_as_not_set(value: str, home: Path, monkeypatch) -> None:
    unset = {name: use() for name, use in USES.items()} | {"RESULTS": paths.result_roots()}
    assert home in unset["CACHE"].parents
    for name in VARIABLES:
        monkeypatch.setenv(f"INVARISCOPE_{name}", value)
    assert {name: use() for name, use in USES.items()} | {"RESULTS": paths.result_roots()} == unset


@pytest.mark.parametrize("value", ["", ":", " : ", os.pathsep * 3])
def test_results_always_have_a_folder_to_be_written_to(value: str, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("INVARISCOPE_RESULTS", value)
    assert len(paths.result_roots()) >= 2
    assert jobs.own_root().is_relative_to(home)


@pytest.mark.parametrize("name", USES)
def test_a_folder_that_is_none_is_named_with_its_variable(name: str, home: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    for value, why in ((NOBODY, "no such home folder"), (str(tmp_path / "file"), "is a file")):
        monkeypatch.setenv(f"INVARISCOPE_{name}", value)
        with pytest.raises(InvalidRequest, match=f"INVARISCOPE_{name} is '{value}'.*{why}"):
            USES[name]()


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("value", ["", ":", NOBODY, "file", "/dev/null/x", "/proc/nothing"])
def test_lists_in_any_environment(variable: str, value: str, tmp_path: Path, monkeypatch, capsys) -> None:
    """They answer, or say in one sentence what is wrong with the variable; so does what would start the dashboard."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(f"INVARISCOPE_{variable}", value)
    monkeypatch.setattr("core.commands.dashboard.check_address", lambda host, port: None)
    monkeypatch.setattr("core.commands.dashboard.subprocess.call", lambda *given, **more: 0)
    for arguments in (*LISTS, []):
        code = main(arguments)
        captured = capsys.readouterr()
        assert code in (0, 2)
        if code == 2:
            assert captured.out == ""
            assert captured.err.startswith(f"invariscope: INVARISCOPE_{variable} is '{value}'")
            assert captured.err.count("\n") == 1
        elif arguments:
            json.loads(captured.out)


def test_without_a_home_lists_answer_and_what_writes_says_where(
    home: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    for arguments in LISTS:
        assert main(arguments) == 0
    capsys.readouterr()
    folder(tmp_path, "near")
    asked = ["--encoders", "random", "--datasets", f"folder:{tmp_path / 'near'}", "--protocols", "knn"]
    assert "/dev/null/.local/share" in refused(capsys, "study", *asked, "--name", "mine", "--device", "cpu")


def test_out_that_cannot_be_written(picture: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "file"
    file.write_text("as it was")
    folder(tmp_path, "near")
    near = tmp_path / "near"
    asked = ["--encoders", "random", "--datasets", f"folder:{near}", "--protocols", "knn", "--device", "cpu"]
    for out in (file / "x", Path("/proc/nothing/x")):
        for arguments in (
            ["study", *asked, "--out", out],
            ["attribute", picture, "--encoders", "random", "--device", "cpu", "--out", out],
            ["results", "export", "family", "--out", out],
        ):
            assert str(out.parent) in refused(capsys, *arguments)
    assert str(file) in refused(capsys, "study", *asked, "--out", file)
    assert file.read_text() == "as it was"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "99999"], "--port: takes 1 to 65535, not '99999'"),
        (["--port", "0"], "--port"),
        (["--host", "192.0.2.1"], "--host '192.0.2.1' is no address of this machine"),
        (["study", "--seeds", "0", "--encoders", "random", "--datasets", "digits", "--name", "x"], "seeds, not 0"),
        (["study", "--datasets", f"folder:{NOBODY}", "--encoders", "random", "--name", "x"], "no such home folder"),
        (["fit-heads", NOBODY, "--task", "x"], "no such home folder"),
        (["datasets", "--data", NOBODY], "no such home folder"),
        (["models", "add", NOBODY, "--like", "resnet50-dino"], "no such home folder"),
        (["results", "query", "family", "SELECT"], "cannot be answered"),
        (["predict", "no\nsuch\nfile.png"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(arguments: list[str], told: str, capsys) -> None:
    assert told in refused(capsys, *arguments)


WRONG = (None, 3, "text", [], [1], {}, {"a": 1}, True)


def test_a_manifest_of_wrong_types_is_told_of(tmp_path: Path, monkeypatch, capsys) -> None:
    """Whatever stands at any place of a manifest: lists and queries answer, or say in a sentence that it is damaged."""
    shipped = json.loads((paths.ASSETS / "results/family/manifest.json").read_text(encoding="utf-8"))
    cell = next(iter(shipped["cells"]))
    shipped["cells"] = {cell: shipped["cells"][cell]}
    root = tmp_path / "results"
    (root / "toy").mkdir(parents=True)
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(root))
    places = [("encoders", next(iter(shipped["encoders"]))), ("datasets", next(iter(shipped["datasets"])))]
    places = [(), *((key,) for key in shipped), *places, ("cells", cell)]
    places += [(*place, key) for place in places[-3:] for key in (shipped[place[0]][place[1]])]
    told = 0
    for place in places:
        for wrong in WRONG:
            made = json.loads(json.dumps(shipped))
            inner = made
            for key in place[:-1]:
                inner = inner[key]
            if place:
                inner[place[-1]] = wrong
            (root / "toy" / "manifest.json").write_text(json.dumps(made if place else wrong))
            assert main(["results", "list"]) == 0, (place, wrong)
            told += "toy" in capsys.readouterr().err
            for arguments in (["query", "toy", "SELECT 1"], ["export", "toy", "--out", str(tmp_path / "x.csv")]):
                assert main(["results", *arguments]) in (0, 2), (place, wrong)
            capsys.readouterr()
    assert told > len(places)


def process(script: str, **variables: str) -> subprocess.CompletedProcess:
    """What a shell does with `$C`, the console command."""
    environment = os.environ | {"PYTHONUNBUFFERED": "", "C": f"{sys.executable} -m core.cli"} | variables
    return subprocess.run(
        ["bash", "-c", script], cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="pipes and /dev/full as Linux has them")
@pytest.mark.parametrize(
    ("script", "variables", "code", "said"),
    [
        ("$C models --json | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}", {}, 141, ""),  # more than a pipe holds
        ("(sleep 0.5; $C study --help) | true; exit ${PIPESTATUS[0]}", {}, 141, ""),
        ("$C models --json >/dev/full", {}, 2, "No space left on device"),
        ("ulimit -f 4; $C results export family --table rows --out $OUT/rows.csv", {}, 2, "cannot be written"),
        ("$C study --help && $C results list && $C models --json", {"PYTHONIOENCODING": "ascii"}, 0, ""),
        ("$C models", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 0, ""),
    ],
)
def test_in_a_shell(script: str, variables: dict[str, str], code: int, said: str, tmp_path: Path) -> None:
    done = process(script, OUT=str(tmp_path), **variables)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == (1 if said else 0), done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not own_mounts(), reason="nobody but root makes a folder read-only for one process")
def test_from_a_read_only_folder_and_without_a_home(picture: Path) -> None:
    script = "$C models --json && $C datasets && $C results list && $C doctor && $C predict $P --json"
    variables = {f"INVARISCOPE_{name}": "" for name in VARIABLES} | {"P": str(picture)}
    environment = os.environ | {"C": f"{sys.executable} -m core.cli"} | variables
    whole = [*READ_ONLY, "bash", "-c", script]
    done = subprocess.run(whole, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"agreement"' in done.stdout
