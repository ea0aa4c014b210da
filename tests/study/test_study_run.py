"""Studies are run once, stored whole, and gone on with, whatever happened in between."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toys
from study_folders import folder, picture

from core.datasets import splits
from core.errors import Cancelled, DataUnavailable, InvalidRequest, UnknownName, WeightsUnavailable
from core.paths import ROOT
from core.results import schema, store, summary
from core.study import features
from core.study import run as running
from core.study.engines.base import Setup
from core.study.plan import Plan

DATASETS = ("folder:near?domain=source", "folder:far?domain=different")


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    """A study of the untrained packaged encoder on two small folders."""
    for name in ("near", "far"):
        folder(tmp_path / "data", name)

    def make(**changed: object) -> Setup:
        facts: dict = {"encoders": ("random",), "datasets": DATASETS, "protocols": ("linear", "knn"), "seeds": 2}
        plan = Plan("toy", **(facts | changed))
        return Setup(plan, str(tmp_path / "results" / "toy"), tmp_path / "cache", tmp_path / "data", "cpu")

    return make


def cells_on_disk(setup: Setup) -> dict[str, int]:
    return {p.stem: pq.read_metadata(p).num_rows for p in sorted(Path(setup.out).glob("cells/*.parquet"))}


def opened(setup: Setup) -> store.Results:
    return store.Results(store.study("toy", [str(Path(setup.out).parent)]))


def test_study_holds_one_row_a_sample_and_cell(setup) -> None:
    made = setup()
    events = list(running.study(made))
    assert events[-1].kind == "end"
    assert [e.done for e in events if e.kind == "cell"] == list(range(1, 9))
    assert all(0 <= (e.top1 or 0) <= 1 for e in events if e.kind == "cell")
    assert events[-1].remaining == 0
    assert cells_on_disk(made) == {
        f"{d}.{p}.random.{s}": 18 for d in ("near", "far") for p in ("knn", "linear") for s in (0, 1)
    }
    with opened(made) as results:
        counted = results.frame(
            "SELECT count(*) AS n, count(DISTINCT (dataset, protocol, seed, sample_id)) AS different FROM rows"
        )
        assert counted.iloc[0].tolist() == [144, 144]
        assert results.frame("SELECT * FROM rows LIMIT 1").columns.tolist() == schema.ROWS.names
        assert results.frame("SELECT len(logits) AS c FROM logits")["c"].unique().tolist() == [3]
        right = results.frame("SELECT avg((label = prediction)::INT) AS top1 FROM rows WHERE protocol = 'linear'")
        assert right["top1"][0] > 0.9, "colours are easy"


def test_distances_from_the_source_set_are_measured_once(tmp_path: Path) -> None:
    for name in ("near", "far"):
        folder(tmp_path / "data", name, train=4, test=16)
    plan = Plan("toy", ("random",), DATASETS, ("knn",))
    made = Setup(plan, str(tmp_path / "results" / "toy"), tmp_path / "cache", tmp_path / "data", "cpu")
    assert [e.kind for e in running.study(made)][-2:] == ["distances", "end"]
    with opened(made) as results:
        table = results.frame("SELECT * FROM distances")
    assert set(table["dataset"]) == {"near", "far"}, "the source with itself is the floor"
    assert set(table["measure"]) == {"frechet", "auroc", "knn"}
    assert [e.kind for e in running.study(made)] == ["kept", "end"]


def test_manifest_traces_every_number(setup) -> None:
    made = setup()
    list(running.study(made))
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.datasets["near"]["classes"] == ["blue", "green", "red"]
    assert info.datasets["near"]["samples"] == {"train": 36, "test": 18}
    assert info.encoders["random"]["family"] == "random"
    assert len(info.encoders["random"]["weights"]) == 64
    cell = info.cells["near.linear.random.0"]
    assert cell["state"] == "done"
    assert cell["facts"]["C"] > 0
    assert cell["facts"]["validation_samples"] == 3
    assert {"python", "torch", "invariscope"} <= set(info.manifest["versions"])


def test_second_run_does_nothing_and_a_larger_plan_adds(setup) -> None:
    made = setup(protocols=("linear",))
    list(running.study(made))
    before = {p.name: p.stat().st_mtime_ns for p in Path(made.out).glob("cells/*")}
    again = list(running.study(made))
    assert [e.kind for e in again] == ["kept", "end"]
    grown = list(running.study(setup(protocols=("knn",), datasets=DATASETS[:1])))
    assert sum(e.kind == "cell" for e in grown) == 4, "knn on both sets: the study keeps what it had"
    assert not [e for e in grown if e.kind == "features"], "features are read from the cache"
    after = {p.name: p.stat().st_mtime_ns for p in Path(made.out).glob("cells/*")}
    assert before.items() <= after.items()
    assert len(after) == 8
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.manifest["protocols"] == ["linear", "knn"]


def test_changed_images_are_read_again(setup, tmp_path: Path) -> None:
    made = setup(protocols=("knn",), seeds=1)
    list(running.study(made))
    (tmp_path / "data/far/test/red/new.png").write_bytes(picture((200, 50, 40), 999))
    events = list(running.study(made))
    assert [e.what for e in events if e.kind == "cell"] == ["far.knn.random.0"]
    assert cells_on_disk(made) == {"near.knn.random.0": 18, "far.knn.random.0": 19}


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
    assert not list(Path(made.out).glob("failed/*"))


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
    def stopped(spec: object) -> None:
        raise Cancelled("stopped")

    monkeypatch.setattr("core.study.state.weights.fetch", stopped)
    made = setup()
    with pytest.raises(Cancelled):
        list(running.study(made))
    assert not list(Path(made.out).glob("failed/*"))


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


def test_options_are_joined_one_by_one(setup) -> None:
    old = setup(options={"few-shot": {"ways": 3}}).plan
    new = setup(options={"few-shot": {"shots": 1}}).plan
    assert running.merged(old, new).options == {"few-shot": {"ways": 3, "shots": 1}}


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
    monkeypatch.setattr("core.encoders.weights.urllib.request.urlopen", refuse)
    made = setup(encoders=("random", "deit-s"), seeds=1, protocols=("knn",))
    events = list(running.study(made))
    assert {e.what for e in events if e.kind == "failed"} == {"near.knn.deit-s.0", "far.knn.deit-s.0"}
    assert len(cells_on_disk(made)) == 2


def refuse(*arguments: object, **options: object) -> None:
    raise ConnectionError("no network in tests")


def test_stop_leaves_a_study_that_goes_on(setup) -> None:
    made = setup()
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 8:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(running.study(made, stop=stop))
    some = cells_on_disk(made)
    assert 0 < len(some) < 8
    info = store.study("toy", [str(Path(made.out).parent)])
    assert sum(cell["state"] == "done" for cell in info.cells.values()) == len(some)
    events = list(running.study(made))
    assert next(e.what for e in events if e.kind == "kept") == f"{len(some)} cells of an earlier run"
    assert len(cells_on_disk(made)) == 8


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
    assert sorted(cells_on_disk(made).values()) == [18] * 8
    assert all((Path(made.out) / "cells" / name).read_bytes() == data for name, data in kept.items())
    with opened(made) as results:
        assert results.frame("SELECT count(*) AS n FROM rows")["n"][0] == 144
    assert not list(Path(made.out).rglob("*.partial"))


def test_same_plan_gives_the_same_numbers(setup, tmp_path: Path) -> None:
    made = setup()
    list(running.study(made))
    other = Setup(made.plan, str(tmp_path / "again" / "toy"), tmp_path / "other cache", made.data, "cpu")
    list(running.study(other))
    for path in sorted(Path(made.out).glob("cells/*.parquet")):
        assert pq.read_table(path).equals(pq.read_table(Path(other.out) / "cells" / path.name))


def test_seeds_choose_the_validation_split() -> None:
    ids, labels = [f"train/{i}" for i in range(40)], [0] * 40
    first, second = (splits.held_out(ids, np.array(labels), salt=f"validation-{seed}") for seed in (0, 1))
    assert first.sum() == second.sum() == 4
    assert (first != second).any()


def test_a_set_with_its_own_validation_part_needs_one_seed(setup, tmp_path: Path) -> None:
    val = tmp_path / "data/near/val"
    for word, colour in (("blue", (40, 60, 200)), ("green", (40, 180, 60)), ("red", (200, 50, 40))):
        (val / word).mkdir(parents=True)
        (val / word / "0.png").write_bytes(picture(colour, 77))
    made = setup(datasets=DATASETS[:1])
    list(running.study(made))
    assert set(cells_on_disk(made)) == {"near.linear.random.0", "near.knn.random.0"}
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.cells["near.knn.random.0"]["facts"]["validation_samples"] == 3


def test_two_processes_do_not_work_on_one_study(setup) -> None:
    made = setup()
    first = running.study(made)
    next(first)
    with pytest.raises(InvalidRequest, match="another process"):
        list(running.study(made))
    first.close()


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"encoders": ("nobody",)}, UnknownName, "no encoder called 'nobody'"),
        ({"protocols": ("magic",)}, UnknownName, "no protocol called 'magic'"),
        ({"seeds": 0}, InvalidRequest, "1 to 32 seeds"),
        ({"options": {"linear": {"C": 1}}}, InvalidRequest, "linear has no option C"),
        ({"encoders": ()}, InvalidRequest, "at least one encoder"),
        ({"encoders": ("random", "random")}, InvalidRequest, "repeats one"),
        ({"datasets": ("folder:near", "folder:far?id=near")}, InvalidRequest, "called 'near'"),
        ({"datasets": ("folder:nowhere",)}, DataUnavailable, "nowhere"),
    ],
)
def test_plans_that_cannot_run_say_why(setup, changed, error, message) -> None:
    made = setup(**changed)
    with pytest.raises(error, match=message):
        list(running.study(made))
    assert not cells_on_disk(made)


def test_reading_rows_agrees_with_the_facts_of_the_run(setup) -> None:
    made = setup(seeds=1)
    list(running.study(made))
    info = store.study("toy", [str(Path(made.out).parent)])
    table = summary.accuracy(info, "linear").set_index("dataset")
    for dataset in ("near", "far"):
        assert table.loc[dataset, "accuracy"] == pytest.approx(
            info.cells[f"{dataset}.linear.random.0"]["facts"]["top1"]
        )
    json.dumps(info.manifest)


def test_a_gpu_without_room_for_a_batch_gets_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    contender = toys.literal()
    whole = features._encode(contender.encoder, np.full((6, 8, 8, 3), 100, np.uint8))
    seen = []

    def cramped(inputs: torch.Tensor):
        seen.append(len(inputs))
        if len(inputs) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return toys.TwoChannels().forward_features(inputs)

    monkeypatch.setattr(contender.encoder.network, "forward_features", cramped)
    monkeypatch.setitem(features.BATCH, "cpu", 6)
    np.testing.assert_array_equal(features._encode(contender.encoder, np.full((6, 8, 8, 3), 100, np.uint8)), whole)
    assert seen == [6, 3, 1, 1, 1, 1, 1, 1]
