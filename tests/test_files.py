"""Files written whole or not at all, and on the disk before they have their name."""

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core import files
from core.paths import ROOT

ELSEWHERE = {"core/datasets/tars.py"}
"""Modules that name what they wrote by themselves, each with the reason beside it."""


def named(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    for content in (b"old", b"new"):
        files.write_whole(path, content)
        assert path.read_bytes() == content
    assert named(path.parent) == {"file"}


def test_an_error_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fill() -> None:
        with files.whole_file(path) as file:
            file.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill()
    assert path.read_bytes() == b"old"
    assert named(tmp_path) == {"file"}


@pytest.mark.skipif(sys.platform == "win32", reason="nothing tells a file that was left there")
@pytest.mark.parametrize("name", ["file", "[odd] *"])
def test_a_kill_in_the_middle_leaves_the_old_file_and_the_next_write_clears_up(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")
    program = (
        "import os, sys, pathlib; from core.files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as file:\n    file.write(b'half'); file.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False).returncode == 9
    assert path.read_bytes() == b"old"
    assert len(named(tmp_path)) == 2
    files.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert named(tmp_path) == {name}


def test_what_another_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with files.whole_file(path) as slow:
        slow.write(b"the slow one's")
        files.write_whole(path, b"the quick one's")
        assert path.read_bytes() == b"the quick one's"
    assert path.read_bytes() == b"the slow one's"
    assert named(tmp_path) == {"file"}


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be synced there")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A power cut after the rename of unsynced bytes leaves an empty file under the new name."""
    written, path = tmp_path / "written", tmp_path / "path"
    if kind == "file":
        written.write_bytes(b"new")
    else:
        written.mkdir()
        (written / "inside").write_bytes(b"new")
    wanted = [entry.stat().st_ino for entry in (*written.glob("*"), written)]
    done: list[object] = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append(os.fstat(number).st_ino))
    monkeypatch.setattr(os, "replace", lambda a, b: (replace(a, b), done.append("named")))
    files.place(written, path)
    assert done == [*wanted, "named", tmp_path.stat().st_ino]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_what_may_only_be_read_gets_its_name_too(tmp_path: Path) -> None:
    """A hard link to a file in another program's cache, say."""
    (tmp_path / "written").write_bytes(b"new")
    (tmp_path / "written").chmod(stat.S_IRUSR)
    files.place(tmp_path / "written", tmp_path / "path")
    assert (tmp_path / "path").read_bytes() == b"new"


def test_a_folder_takes_only_a_place_that_is_free(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(OSError):  # noqa: PT011  (its number differs between systems)
        files.place(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two" / "file").read_text() == "two"


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), OSError(5, "Input/output error")])
def test_a_disk_that_does_not_take_it_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: OSError
) -> None:
    def fail(_: int) -> None:
        raise problem

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=problem.strerror):
        files.write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert named(tmp_path) == {"file"}


def renames(source: str) -> list[int]:
    """Lines that give files their names, or sync them."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.replace", "os.rename", "os.fsync")
    ]


def test_nobody_names_finished_files_by_himself() -> None:
    assert renames("import os\nos.replace(a, b)") == [2]
    by_themselves = {
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("core/**/*.py"), *ROOT.glob("pages/**/*.py"))
        if renames(path.read_text(encoding="utf-8"))
    }
    assert by_themselves == {"core/files.py", *ELSEWHERE}
