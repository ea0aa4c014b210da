"""Studies are gone on with, whatever happened in between: killed, stopped, damaged, images or weights absent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from study_folders import picture
from study_runs import DATASETS, cells_on_disk, opened, toy_folders, toy_setup

from core.errors import Cancelled, InvalidRequest, WeightsUnavailable
from core.paths import ROOT
from core.results import store
from core.study import run as running
from core.study.engines.base import Setup


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    toy_folders(tmp_path)
    return lambda **changed: toy_setup(tmp_path, **changed)


def test_one_bad_set_does_not_end_the_others(setup, tmp_path: Path) -> None:
    (tmp_path / "data/far/train/red/000.png").write_bytes(b"no image")
    made = setup(seeds=1, datasets=(*DATASETS, "folder:nowhere"))
    events = list(running.study(made))
    failed = [e for e in events if e.kind == "failed"]
    assert {e.what for e in failed} == {"far.linear.random.0", "far.knn.random.0"}
    assert all("1 of 36 train images cannot be read: train/red/000.png" in e.reason for e in failed)
    assert set(cells_on_disk(made)) == {"near.linear.random.0", "near.knn.random.0"}
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.cells["far.knn.random.0"]["state"] == "failed"
    assert "nowhere" in info.manifest["unopened"]["folder:nowhere"]
    # Mended, it is tried again, and nothing of the failure is left.
    (tmp_path / "data/far/train/red/000.png").write_bytes(picture((200, 50, 40), 7))
    mended = list(running.study(made))
    assert sum(e.kind == "cell" for e in mended) == 2
    info = store.study("toy", [str(Path(made.out).parent)])
    assert not [cell for cell in info.cells.values() if cell["state"] != "done" or "reason" in cell]


def test_what_is_absent_today_keeps_what_it_gave(setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set on a disk that is not plugged in, an encoder whose weights are gone: their cells stay done."""
    made = setup(protocols=("knn",), seeds=1)
    list(running.study(made))
    (tmp_path / "data/far").rename(tmp_path / "unplugged")
    list(running.study(setup(protocols=("linear",), seeds=1, datasets=DATASETS[:1])))
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.cells["far.knn.random.0"]["state"] == "done"
    assert info.datasets["far"]["label"] == "far"
    assert "far" in " ".join(info.manifest["unopened"])
    (tmp_path / "unplugged").rename(tmp_path / "data/far")

    def gone(spec: object) -> str:
        raise WeightsUnavailable("unplugged too")

    monkeypatch.setattr("core.study.state.weights.verify", gone)
    events = list(running.study(made))
    assert {e.what for e in events if e.kind == "failed"} == {"far.linear.random.0"}
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.cells["near.knn.random.0"]["state"] == info.cells["near.linear.random.0"]["state"] == "done"
    assert events[-1].failed == 1


def test_stopping_while_weights_are_fetched_is_no_failure(setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise Cancelled("stopped")

    monkeypatch.setattr("core.study.state.weights.fetch", stopped)
    made = setup()
    with pytest.raises(Cancelled):
        list(running.study(made))
    assert not (Path(made.out) / "manifest.json").exists()


def test_a_new_domain_replaces_the_old_address(setup) -> None:
    made = setup(protocols=("knn",), seeds=1)
    list(running.study(made))
    list(running.study(setup(protocols=("knn",), seeds=1, datasets=("folder:far?domain=similar",))))
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.datasets["far"]["domain"] == "similar"
    with opened(made) as results:
        found = results.frame("SELECT DISTINCT dataset, domain FROM rows ORDER BY ALL")
    assert found.to_numpy().tolist() == [["far", "similar"], ["near", "source"]]
    assert running.stored_plan(made.out).datasets == (DATASETS[0], "folder:far?domain=similar")


def test_damaged_or_deleted_files_of_a_cell_are_made_again(setup) -> None:
    made = setup(protocols=("knn",), seeds=1)
    list(running.study(made))
    rows = Path(made.out) / "cells" / "far.knn.random.0.parquet"
    whole = rows.read_bytes()
    damaged = bytearray(whole)
    damaged[-30] ^= 0xFF
    rows.write_bytes(bytes(damaged))
    (Path(made.out) / "logits" / "near.knn.random.0.parquet").unlink()
    (Path(made.out) / "cells" / "half.parquet.0123.partial").write_bytes(b"half")
    events = list(running.study(made))
    assert {e.what for e in events if e.kind == "cell"} >= {"near.knn.random.0"}
    assert pq.read_table(rows).num_rows == 18
    assert (Path(made.out) / "logits" / "near.knn.random.0.parquet").is_file()
    assert not list(Path(made.out).rglob("*.partial"))
    list(running.study(setup(protocols=("knn",), seeds=1, logits=False)))
    assert not list(Path(made.out).glob("logits/*")), "no logits of an earlier plan beside new rows"


def test_unreadable_images_are_left_out_when_asked(setup, tmp_path: Path) -> None:
    (tmp_path / "data/far/test/red/000.png").write_bytes(b"no image")
    made = setup(seeds=1, protocols=("knn",), datasets=("folder:far?unreadable=skip",))
    list(running.study(made))
    assert cells_on_disk(made) == {"far.knn.random.0": 17}
    info = store.study("toy", [str(Path(made.out).parent)])
    (left_out,) = info.cells["far.knn.random.0"]["facts"]["left_out"]
    assert left_out.startswith("test/red/000.png")


def test_missing_weights_are_recorded(setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("INVARISCOPE_OFFLINE", "1")
    made = setup(encoders=("random", "deit-s"), seeds=1, protocols=("knn",))
    events = list(running.study(made))
    assert {e.what for e in events if e.kind == "failed"} == {"near.knn.deit-s.0", "far.knn.deit-s.0"}
    assert len(cells_on_disk(made)) == 2


def test_stop_leaves_a_study_that_goes_on(setup) -> None:
    made = setup()
    events = running.study(made)
    next(event for event in events if event.kind == "cell")
    with pytest.raises(Cancelled):
        events.throw(Cancelled("stopped"))
    some = cells_on_disk(made)
    assert 0 < len(some) < 6
    info = store.study("toy", [str(Path(made.out).parent)])
    assert sum(cell["state"] == "done" for cell in info.cells.values()) == len(some)
    events = list(running.study(made))
    assert next(e.what for e in events if e.kind == "kept") == f"{len(some)} cells of an earlier run"
    assert len(cells_on_disk(made)) == 6


KILLED = """
import sys
from pathlib import Path
from core.study import features
from core.study import run as running
from core.study.engines.base import Setup
from core.study.plan import Plan
out, cache, data = sys.argv[1:]
plan = Plan("toy", ("random",), ("folder:near?domain=source", "folder:far?domain=different"), ("linear", "knn"), 2)
for event in running.study(Setup(plan, out, Path(cache), Path(data), "cpu")):
    print(event.kind, flush=True)
"""


@pytest.mark.parametrize("after", [1, 3])
def test_killed_run_goes_on_and_loses_or_doubles_nothing(setup, tmp_path: Path, after: int) -> None:
    """kill -9 after some steps; what was made until then is kept, byte by byte."""
    made = setup()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, made.out, str(made.cache), str(made.data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(after):
        process.stdout.readline()
    time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    kept = {p.name: p.read_bytes() for p in Path(made.out).glob("cells/*.parquet")}
    list(running.study(made))
    assert sorted(cells_on_disk(made).values()) == [18] * 6
    assert all((Path(made.out) / "cells" / name).read_bytes() == data for name, data in kept.items())
    with opened(made) as results:
        assert results.frame("SELECT count(*) AS n FROM rows")["n"][0] == 108
    assert not list(Path(made.out).rglob("*.partial"))


def test_two_processes_do_not_work_on_one_study(setup) -> None:
    made = setup()
    first = running.study(made)
    next(first)
    with pytest.raises(InvalidRequest, match="another process"):
        list(running.study(made))
    first.close()
