"""What the store finds under its roots, and what it says of studies that are damaged, unfinished or out of reach."""

import importlib
import json
import os
from pathlib import Path

import duckdb
import fsspec
import pytest
import study_manifests
from fsspec.implementations.memory import MemoryFileSystem
from study_rows import invent
from toy_studies import toy

from core.errors import DataUnavailable, UnknownName
from core.results import distances, pairs, schema, store, summary
from core.results.reading import Results

SAID = {("a", "x", 0): [0, 1, 0], ("b", "x", 0): [0, 0, 0]}
LABELS = {"x": [0, 1, 1]}


@pytest.fixture
def memory():
    """fsspec's file system in memory, left as it was found."""
    fs = fsspec.filesystem("memory")
    yield fs
    fs.rm("/", recursive=True)


def change(root: Path, **entries: object) -> None:
    """Change entries of the toy study's manifest."""
    study_manifests.write(root / "toy", study_manifests.read(root / "toy") | entries)


def upload(fs: fsspec.AbstractFileSystem, folder: Path, to: str) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            fs.pipe_file(f"{to}/{file.relative_to(folder).as_posix()}", file.read_bytes())


def test_several_roots_of_several_kinds(tmp_path, monkeypatch, memory):
    toy(tmp_path / "one", SAID, LABELS, "first")
    toy(tmp_path / "one", SAID, LABELS, "both")
    toy(tmp_path / "two", SAID, LABELS, "both")
    upload(memory, tmp_path / "two" / "both", "/results/both")
    upload(memory, tmp_path / "one" / "first", "/results/far")
    monkeypatch.setenv("INVARISCOPE_RESULTS", f"{tmp_path / 'one'}:memory://results:{tmp_path / 'absent'}")
    found, troubles = store.survey()
    own = {id: info.address for id, info in found.items() if id in ("first", "both", "far")}
    assert own == {
        "both": f"file://{tmp_path}/one/both",
        "first": f"file://{tmp_path}/one/first",
        "far": "memory:///results/far",
    }
    (trouble,) = troubles
    assert trouble.address == "memory:///results/both"
    assert f"hidden by the one in file://{tmp_path}/one/both" in trouble.reason


class Bucket(MemoryFileSystem):
    """Objects under an address of S3's, which has two schemes."""

    protocol = ("s3", "s3a")
    store = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("s3:/").removeprefix("s3a:/"))

    def unstrip_protocol(self, name: str) -> str:
        return f"s3:/{name}"


@pytest.mark.parametrize("scheme", ["memory", "s3"])
def test_a_remote_study_gives_the_same_tables(tmp_path, memory, monkeypatch, scheme):
    invent(tmp_path, samples=40)
    near = store.study("invented", [str(tmp_path)])
    if scheme == "s3":
        monkeypatch.setitem(importlib.import_module("fsspec.registry")._registry, "s3", Bucket)
    try:
        upload(fsspec.filesystem(scheme), tmp_path / "invented", "/bucket/results/invented")
        far = store.study("invented", [f"{scheme}://bucket/results"])
        assert far.address.startswith(f"{scheme}://")
        for compute, arguments in (
            (summary.accuracy, ("knn",)),
            (pairs.paired, ("knn", "supervised", "simclr")),
            (distances.distances, ()),
        ):
            assert compute(far, *arguments).equals(compute(near, *arguments))
        with Results(far, sealed=True) as results:
            assert results.typed("SELECT count(*) AS n FROM rows")["n"][0] == 4 * 3 * 2 * 2 * 40
    finally:
        Bucket.store.clear()


def test_only_what_the_manifest_calls_done_is_read(tmp_path):
    """Cells of a study that is running, of one that failed when run again, and of an encoder that was taken out."""
    info = toy(tmp_path, SAID, LABELS)
    cells = info.cells
    cells["x.linear.b.0"] |= {"state": "failed", "reason": "out of memory"}
    change(tmp_path, cells=cells)
    again = store.study("toy", [str(tmp_path)])
    assert list(summary.accuracy(again, "linear")["encoder"]) == ["a"]
    assert pairs.paired(again, "linear", "a", "b").empty
    cells["x.linear.a.0"] |= {"state": "waiting"}
    change(tmp_path, cells=cells)
    with pytest.raises(DataUnavailable, match="no finished cell"):
        Results(store.study("toy", [str(tmp_path)]))


def test_a_missing_file_is_named(tmp_path):
    info = toy(tmp_path, SAID, LABELS)
    (tmp_path / "toy" / "cells" / "x.linear.b.0.parquet").unlink()
    with pytest.raises(DataUnavailable, match=r"cells/x\.linear\.b\.0\.parquet is missing\. Run the study again"):
        summary.accuracy(info, "linear")
    with Results(info, "linear", ("a",)) as results:
        assert results.frame("SELECT count(*) AS n FROM rows")["n"][0] == 3


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": data[:4] + bytes(len(data) - 4)}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "noise"])
@pytest.mark.parametrize("cell", ["x.linear.a.0", "x.linear.b.0"])
def test_a_damaged_file_is_named_and_harms_no_other_study(tmp_path, how, cell):
    damaged, whole = toy(tmp_path, SAID, LABELS), toy(tmp_path, SAID, LABELS, "whole")
    spoil(tmp_path / "toy" / "cells" / f"{cell}.parquet", how)
    with pytest.raises(
        DataUnavailable, match=rf"{cell}\.parquet is damaged.*Delete it and run the study again"
    ) as caught:
        summary.accuracy(damaged, "linear")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataUnavailable, match="is damaged"), Results(damaged, sealed=True) as results:
        results.typed("SELECT avg(confidence) FROM rows")
    assert len(summary.accuracy(whole, "linear")) == 2
    assert set(store.studies([str(tmp_path)])) == {"toy", "whole"}


def test_damaged_pages_of_an_otherwise_whole_file_are_found(tmp_path):
    invent(tmp_path, samples=300, protocols=("knn",), seeds=1)
    info = store.study("invented", [str(tmp_path)])
    path = tmp_path / "invented" / "cells" / "scans.knn.random.0.parquet"
    data = bytearray(path.read_bytes())
    data[200 : len(data) // 2] = bytes(len(data) // 2 - 200)
    path.write_bytes(data)
    with pytest.raises(DataUnavailable, match=r"scans\.knn\.random\.0\.parquet is damaged"):
        summary.accuracy(info, "knn")


BROKEN = {
    "not json": b"{",
    "not text": b"\xff\xfe\x00",
    "not a table": b"[]",
    "no schema": b"{}",
    "too little": json.dumps({"schema": schema.VERSION, "id": "toy"}).encode(),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_manifest_is_told_of(tmp_path, data):
    toy(tmp_path, SAID, LABELS)
    toy(tmp_path, SAID, LABELS, "whole")
    (tmp_path / "toy" / "manifest.json").write_bytes(data)
    found, (trouble,) = store.survey([str(tmp_path)])
    assert list(found) == ["whole"]
    assert trouble.address == f"file://{tmp_path}/toy"
    assert trouble.reason.startswith("Study 'toy' cannot be read: its manifest.json ")
    with pytest.raises(DataUnavailable, match="manifest"):
        store.study("toy", [str(tmp_path)])


WRONG = {
    "cells of an unknown encoder": {"encoders": {}},
    "cells of an unknown set": {"datasets": {}},
    "no time": {"updated": None},
    "cells that are no table": {"cells": []},
    "a cell elsewhere": {
        "cells": {"../../x": {"encoder": "a", "dataset": "x", "protocol": "linear", "seed": 0, "state": "done"}}
    },
}


@pytest.mark.parametrize("entries", WRONG.values(), ids=WRONG)
def test_an_inconsistent_manifest_is_told_of(tmp_path, entries):
    toy(tmp_path, SAID, LABELS)
    change(tmp_path, **entries)
    found, (trouble,) = store.survey([str(tmp_path)])
    assert not found
    assert "incomplete" in trouble.reason


def test_a_study_of_another_version_is_told_of(tmp_path):
    toy(tmp_path, SAID, LABELS)
    change(tmp_path, schema=schema.VERSION + 1)
    found, (trouble,) = store.survey([str(tmp_path)])
    assert not found
    assert "another version" in trouble.reason
    assert store.studies([str(tmp_path)]) == {}


def test_what_is_no_study_is_passed_over(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "published.csv").write_text("a\n")
    half = tmp_path / "half" / "cells"
    half.mkdir(parents=True)
    (half / "x.parquet.12345678.partial").write_bytes(b"PAR1")
    assert store.survey([str(tmp_path), str(tmp_path / "absent")]) == ({}, [])


def refused(*arguments: object, **options: object):
    raise PermissionError(13, "Permission denied")


def test_a_root_without_permission_is_told_of_and_hides_no_other(tmp_path, monkeypatch):
    toy(tmp_path / "open", SAID, LABELS)
    shut = tmp_path / "shut"
    shut.mkdir()
    # Permission bits do not stop root, as whom containers run tests.
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": refused() if str(path) == str(shut) else scandir(path))
    found, (trouble,) = store.survey([str(shut), str(tmp_path / "open")])
    assert list(found) == ["toy"]
    assert trouble.reason == f"{shut} cannot be listed: Permission denied."


def test_an_unknown_scheme_is_told_of(tmp_path):
    toy(tmp_path, SAID, LABELS)
    found, (trouble,) = store.survey(["nowhere://x", str(tmp_path)])
    assert list(found) == ["toy"]
    assert "nowhere://x cannot be reached" in trouble.reason


def test_an_unknown_study_names_those_there_are(tmp_path):
    with pytest.raises(DataUnavailable, match="no other"):
        store.study("toy", [str(tmp_path)])
    toy(tmp_path, SAID, LABELS)
    with pytest.raises(UnknownName, match="Known: toy"):
        store.study("other", [str(tmp_path)])


def test_a_mistake_in_the_programs_own_sql_is_not_blamed_on_the_files(tmp_path):
    with Results(toy(tmp_path, SAID, LABELS)) as results, pytest.raises(duckdb.BinderException):
        results.frame("SELECT nothing FROM rows")
