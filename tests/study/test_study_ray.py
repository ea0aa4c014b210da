"""The Ray engine on a real cluster: a head and two nodes, each of own processes, on this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import ray
import study_folders
import torch
from masked_images import photographed
from ray.cluster_utils import Cluster
from study_runs import FEW, MEASURES, tables

from core.errors import Cancelled
from core.paths import ROOT
from core.results.schema import TABLES
from core.study import features, plan, run
from core.study.engines.base import Setup
from core.study.plan import Plan
from core.study.run import Event

SMALL = 8  # samples of a shard, so that a few images are many tasks
AS_EVER = features.SHARD  # and as many as it has without these tests
SETS = ("shapes", "forms")
PLAN = Plan("small", ("random",), tuple(f"folder:{name}" for name in (*SETS, "broken")), ("linear", "knn"))
NUMBERS = ("confidence", "true_probability", "margin", "entropy", "brier", "calibrated_confidence")


@dataclass
class Places:
    """The data, and what the local engine made of it."""

    root: Path
    reference: Path

    def setup(self, out: Path, plan: Plan = PLAN, **options: str) -> Setup:
        return Setup(plan, str(out), out.parent / "cache", self.root, "cpu", options)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    root = tmp_path_factory.mktemp("data")
    for name in (*SETS, "broken"):
        study_folders.folder(root, name)
    (root / "broken" / "test" / "red" / "003.png").write_bytes(b"no image")
    before, shards = torch.get_num_threads(), features.SHARD
    torch.set_num_threads(1)
    features.SHARD = SMALL
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        found = Places(root, tmp_path_factory.mktemp("local") / "small")
        for _ in run.study(found.setup(found.reference)):
            pass
        yield found
    torch.set_num_threads(before)
    features.SHARD = shards


@pytest.fixture(scope="module")
def cluster(places: Places) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for name in ("first", "second"):
            found.add_node(num_cpus=1, resources={name: 1})
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def joined(cluster: Cluster) -> Iterator[Cluster]:
    """A connection of the tests' own, whose workers cut small shards and live from test to test."""
    size = SMALL

    def small_shards() -> None:  # not of the module: workers cannot import it
        import os

        from core.study import encoding, features

        features.SHARD = size
        extract = encoding.extract

        def dying(encoder, part, shard):
            if "test/poison/000.png" in part.ids:
                os._exit(1)
            return extract(encoder, part, shard)

        encoding.extract = dying

    ray.init(cluster.address, log_to_driver=False, runtime_env={"worker_process_setup_hook": small_shards})
    yield cluster
    ray.shutdown()


def at_work() -> list[psutil.Process]:
    """Processes of this test's cluster that run one of our tasks now."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if " ".join(process.cmdline()).startswith(("ray::encode", "ray::join", "ray::run_cell")):
                found.append(process)
    return found


def within(seconds: float, true: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def follow(setup: Setup, seen: Callable[[list[Event]], None] = lambda events: None) -> list[Event]:
    """All events of a run on the cluster; `seen` is told of each, and what it raises is raised where the study is."""
    events: list[Event] = []
    steps = run.study(setup, "ray")
    for event in steps:
        events.append(event)
        try:
            seen(events)
        except Cancelled as error:
            steps.throw(error)
    return events


def rows(folder: Path | str, cell: str) -> dict[str, list[Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(f"{folder}/cells/{cell}.parquet").to_pydict()


def assert_same(out: Path, reference: Path) -> None:
    """No row is lost or doubled, and every number is the local engine's."""
    cells = [f"{name}.{protocol}.random.0" for name in SETS for protocol in PLAN.protocols]
    assert sorted(path.stem for path in (out / "cells").iterdir()) == sorted(cells)
    for cell in cells:
        found, expected = rows(out, cell), rows(reference, cell)
        assert found["sample_id"] == expected["sample_id"]
        assert len(set(found["sample_id"])) == 18
        assert found["prediction"] == expected["prediction"]
        for name in NUMBERS:
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_at_an_address_it_gives_the_numbers_of_the_local_engine(
    places: Places, cluster: Cluster, tmp_path: Path
) -> None:
    """Here with features that travel through an address rather than a folder of all nodes."""
    features.SHARD = AS_EVER  # workers of the engine's own connection cut as ever
    before = signal.getsignal(signal.SIGTERM)
    setup = places.setup(tmp_path / "small", address=cluster.address, cache=f"file://{tmp_path}/shared")
    events = follow(setup)
    features.SHARD = SMALL
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is before
    assert events[-1].kind == "end"
    assert_same(tmp_path / "small", places.reference)
    assert len(list((tmp_path / "shared" / "features").glob("*/meta"))) >= 4, "two parts of two sets"


def test_measures_are_those_of_the_local_engine(places: Places, joined: Cluster, tmp_path: Path) -> None:
    """Every table of all measures on both sets, one with masks: column by column, row by row."""
    photographed(tmp_path / "data/photographed", "")
    sets = (f"folder:{places.root}/shapes", f"folder:{tmp_path}/data/photographed")
    plan = Plan("small", ("random",), sets, ("linear",), 1, measures=MEASURES, options=FEW)
    for _ in run.study(places.setup(tmp_path / "local/small", plan)):
        pass
    events = follow(places.setup(tmp_path / "ray/small", plan))
    assert not [event.reason for event in events if event.kind == "failed"]
    expected, found = tables(str(tmp_path / "local/small")), tables(str(tmp_path / "ray/small"))
    assert {name.partition("/")[0] for name in expected} == {*TABLES, "distances.parquet"}
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=False, rtol=0, atol=1e-3)
    masked = expected["attribution/photographed.attribution.random.0.parquet"]
    assert masked["in_mask"].notna().any()


def test_one_failing_pair_does_not_end_the_others(places: Places, joined: Cluster, tmp_path: Path) -> None:
    events = follow(places.setup(tmp_path / "small"))
    assert_same(tmp_path / "small", places.reference)
    failures = {event.what: event.reason for event in events if event.kind == "failed"}
    assert set(failures) == {"broken.linear.random.0", "broken.knn.random.0"}
    for reason in failures.values():
        assert "1 of 18 test images cannot be read: test/red/003.png" in reason
        assert f"On node {os.uname().nodename}" in reason
    shares = [event.share for event in events if event.kind == "features" and event.what == "random on shapes"]
    assert len(shares) == 8, "36 training and 18 test samples in shards of 8"
    assert shares[-1] == 1.0
    assert not list(tmp_path.rglob(".cluster-*"))


def test_a_killed_worker_loses_nothing(places: Places, joined: Cluster, tmp_path: Path) -> None:
    killed: list[int] = []

    def seen(events: list[Event]) -> None:
        if not killed and any(event.kind == "features" for event in events):
            for process in at_work()[:1]:
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    events = follow(places.setup(tmp_path / "small"), seen)
    assert killed
    assert events[-1].kind == "end"
    assert_same(tmp_path / "small", places.reference)


def test_a_task_that_ends_every_worker_fails_its_pair_alone(places: Places, joined: Cluster, tmp_path: Path) -> None:
    """Ray gives it to a few workers; a study of this set alone, so that no other test waits for them."""
    study_folders.folder(tmp_path / "data", "deadly", train=4, test=2, classes=2)
    for part in ("train", "test"):
        (tmp_path / "data" / "deadly" / part / "blue").rename(tmp_path / "data" / "deadly" / part / "poison")
    plan = Plan("small", ("random",), (f"folder:{tmp_path}/data/deadly", f"folder:{places.root}/shapes"), ("knn",))
    events = follow(places.setup(tmp_path / "small", plan))
    (failure,) = (event for event in events if event.kind == "failed")
    assert failure.what == "deadly.knn.random.0"
    assert "4 workers died at it" in failure.reason
    assert [event.what for event in events if event.kind == "cell"] == ["shapes.knn.random.0"]


def test_cancelled_it_stops_the_workers_and_goes_on_another_time(
    places: Places, joined: Cluster, tmp_path: Path
) -> None:
    def seen(events: list[Event]) -> None:
        if sum(event.kind == "features" for event in events) >= 3:
            raise Cancelled("Enough.")

    with pytest.raises(Cancelled, match="Enough"):
        follow(places.setup(tmp_path / "small"), seen)
    within(20, lambda: not at_work())
    assert not (tmp_path / "small" / "cells").exists()
    events = follow(places.setup(tmp_path / "small"))
    encoded = [event for event in events if event.kind == "features"]
    assert len(encoded) <= 3 * 8 - 3, "what had been encoded was not encoded again"
    assert_same(tmp_path / "small", places.reference)


DRIVER = """
import sys
from pathlib import Path
from core.study import plan, run
from core.study.engines.base import Setup
file, out, cache, data, address = sys.argv[1:]
for event in run.study(Setup(plan.read(Path(file)), out, Path(cache), Path(data), "cpu", {"address": address}), "ray"):
    print(event.kind, flush=True)
"""


def test_a_driver_that_is_killed_and_started_again_loses_nothing(
    places: Places, joined: Cluster, tmp_path: Path
) -> None:
    setup = places.setup(tmp_path / "small")
    (tmp_path / "plan.toml").write_bytes(plan.dump(PLAN))
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, tmp_path / "plan.toml", setup.out, setup.cache, setup.data, joined.address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    while driver.stdout.readline() not in ("cell\n", ""):
        pass
    driver.kill()
    driver.wait()
    driver.stdout.close()
    kept = {path: path.read_bytes() for path in (tmp_path / "small" / "cells").iterdir()}
    assert kept
    within(30, lambda: not at_work())
    events = follow(setup)
    assert "kept" in {event.kind for event in events}
    assert all(path.read_bytes() == data for path, data in kept.items())
    assert_same(tmp_path / "small", places.reference)


def test_a_lost_node_loses_nothing(places: Places, joined: Cluster, tmp_path: Path) -> None:
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in joined.worker_nodes}
    gone: list[bool] = []

    def seen(events: list[Event]) -> None:
        if not gone and any(event.kind == "features" for event in events):
            for process in at_work()[:1]:
                joined.remove_node(raylets[process.ppid()], allow_graceful=False)
                gone.append(True)

    events = follow(places.setup(tmp_path / "small"), seen)
    assert gone
    assert events[-1].kind == "end"
    # The cluster may take longer to call a node dead than the study to end without it.
    within(60, lambda: sum(node["Alive"] for node in ray.nodes()) == 2)
    assert_same(tmp_path / "small", places.reference)
