"""What the Ray engine is made of, each without a cluster: options, shares, what a worker refuses, lost tasks."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import study_folders
import torch

from core.datasets.address import open_address
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.errors import Cancelled, DataUnavailable, InvalidRequest
from core.study import features
from core.study.cells import Cell
from core.study.engines import cluster, connection, engine
from core.study.engines.base import Pair, Setup
from core.study.engines.connection import Options, Share, options_of
from core.study.engines.shelf import Shelf
from core.study.engines.tasks import Order, Outcome, encode, join, run_cell
from core.study.features import Shard
from core.study.plan import Plan


def test_options_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert options_of({}) == Options("local", "", None, 1.0, False)
    given = {"address": "auto", "cache": "s3://b/c", "cpus_per_task": "3", "gpus_per_task": "0.25", "log": "true"}
    assert options_of(given) == Options("auto", "s3://b/c", 3, 0.25, True)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert options_of({}).address == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("adress", "x", "no option 'adress'. Its options: address, cache"),
        ("cpus_per_task", "1.5", "cpus_per_task must be a whole number from 1, not '1.5'"),
        ("cpus_per_task", "many", "not 'many'"),
        ("gpus_per_task", "1.5", "gpus_per_task must be a fraction such as 0.5, or a whole number from 1"),
        ("gpus_per_task", "0", "not '0'"),
        ("log", "yes", "true or false"),
    ],
)
def test_a_wrong_option_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message.replace("(", r"\(")):
        options_of({name: value})


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "core.study.engines.cluster", "core.study.engines.connection"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidRequest, match=r'pip install "invariscope\[ray\]"'):
        engine("ray")


def test_no_cluster_at_an_address() -> None:
    before = signal.getsignal(signal.SIGTERM)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with (
            pytest.raises(InvalidRequest, match=f"No Ray cluster answers at '{address}'"),
            connection.connected(Options(address)),
        ):
            pass
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_a_signal_raises_while_ray_waits_is_let_through() -> None:
    def waiting() -> None:
        try:
            raise Cancelled("Enough.")
        except Cancelled as error:
            raise SystemError("wait returned a result with an exception set") from error

    with pytest.raises(Cancelled, match="Enough"), connection.told_by_signal():
        waiting()
    with pytest.raises(SystemError, match="another"), connection.told_by_signal():
        raise SystemError("another")


@pytest.mark.parametrize(
    ("nodes", "options", "device", "expected"),
    [
        # A head without CPUs counts for nothing; a task fits on the smallest node.
        ([{"CPU": 0}, {"CPU": 16}, {"CPU": 2}], Options(), "auto", ("cpu", 2, 0.0, 9)),
        ([{"CPU": 16}, {"CPU": 16}], Options(), "cpu", ("cpu", 4, 0.0, 8)),
        # Four GPUs share eight cores, so that all four are used; the node without a GPU gets nothing.
        ([{"CPU": 8, "GPU": 4}, {"CPU": 64}], Options(), "auto", ("cuda", 2, 1.0, 4)),
        ([{"CPU": 8, "GPU": 1}], Options(gpus=0.25), "cuda", ("cuda", 2, 0.25, 4)),
        ([{"CPU": 8, "GPU": 1}], Options(cpus=8), "cpu", ("cpu", 8, 0.0, 1)),
    ],
)
def test_shares(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], options: Options, device: str, expected: Any
) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: nodes)
    found = connection.share(options, device)
    assert (found.device, found.cpus, found.gpus, found.slots()) == expected


@pytest.mark.parametrize(
    ("nodes", "options", "device", "message"),
    [
        ([{"CPU": 4}], Options(), "cuda", "No node of the cluster has a GPU"),
        ([{"CPU": 4}], Options(cpus=5), "auto", "No node has 5 CPUs for a task; the largest has 4"),
        ([{"CPU": 0}], Options(), "auto", "add a worker with 'ray start"),
        ([{"CPU": 4}], Options(), "tpu", "Device 'tpu' is not known"),
    ],
)
def test_a_share_nobody_can_give(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], options: Options, device: str, message: str
) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: nodes)
    with pytest.raises(InvalidRequest, match=message):
        connection.share(options, device)


def test_workers_get_the_folders_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: [{"CPU": 1}])
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", "some/folder")
    monkeypatch.delenv("INVARISCOPE_DATA", raising=False)
    monkeypatch.setenv("INVARISCOPE_CACHE", "")
    environment = connection.share(Options(), "cpu").environment
    assert environment == {"INVARISCOPE_WEIGHTS": str(Path.cwd() / "some/folder")}


@pytest.fixture
def order(tmp_path: Path) -> Order:
    study_folders.folder(tmp_path, "shapes", train=4, test=2)
    images = open_address("folder:shapes", tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "cache").mkdir()
    for place in ("out", "cache"):
        (tmp_path / place / ".token").touch()
    return Order(
        plan=Plan("small", ("random",), ("folder:shapes",), ("knn",)),
        encoder="random",
        sha256=weights.verify(encoder_spec("random").weights),
        address="folder:shapes",
        fingerprint=images.fingerprint,
        data=tmp_path,
        shelf=Shelf(tmp_path / "cache"),
        out=str(tmp_path / "out"),
        device="cpu",
        threads=torch.get_num_threads(),
        token=".token",
    )


def test_tasks_do_a_pair(order: Order, tmp_path: Path) -> None:
    assert encode(order, "train", Shard(0, 12)) == encode(order, "test", Shard(0, 6)) == Outcome()
    assert join(order, "train") == join(order, "test") == Outcome()
    outcome = run_cell(order, Cell("random", "shapes", "knn", 0))
    assert outcome.problem == ""
    assert outcome.facts["test_samples"] == 6
    assert (tmp_path / "out" / "cells" / "shapes.knn.random.0.parquet").is_file()


def test_what_differs_on_a_node_is_refused_with_its_name(order: Order, tmp_path: Path) -> None:
    elsewhere = Shelf(tmp_path / "elsewhere")
    for wrong, message in (
        (replace(order, fingerprint="0" * 64), "folder:shapes holds something else here"),
        (replace(order, data=tmp_path / "nowhere"), "There is no folder or archive at"),
        (replace(order, sha256="0" * 64), "The weights of random are others here"),
        (replace(order, shelf=elsewhere), "(the cache folder) is not the same place on this node"),
        (replace(order, out="memory://elsewhere"), "(--out) is not the same place on this node"),
        (replace(order, version="0.0"), "and 0.0 where the study was started"),
    ):
        outcome = encode(wrong, "test", Shard(0, 6))
        assert message in outcome.problem
        assert outcome.problem.endswith(f"(On node {os.uname().nodename}.)")


def test_an_addressed_shelf_is_shared_by_two_nodes(order: Order, tmp_path: Path) -> None:
    one, two = (Shelf(tmp_path / name, f"file://{tmp_path}/shared") for name in ("one", "two"))
    part = open_address("folder:shapes", tmp_path).parts["train"]
    values = np.arange(24, dtype=np.float32).reshape(12, 2)
    assert one.missing("k", 12) == [Shard(0, 12)]
    one.put("k", Shard(0, 12), values, list(range(12)), [])
    assert two.missing("k", 12) == []
    assert not two.is_complete("k")
    two.join("k", part, "train", False)
    assert one.is_complete("k")
    assert one.missing("k", 12) == []
    one.bring("k")
    found = features.load(one.folder("k"))
    np.testing.assert_array_equal(found.values, values)
    assert found.ids == part.ids
    assert sorted(path.name for path in (tmp_path / "shared" / "features").iterdir()) == ["k"]


def test_unreadable_images_empty_an_addressed_shelf(order: Order, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "one", f"file://{tmp_path}/shared")
    part = open_address("folder:shapes", tmp_path).parts["test"]
    shelf.put("k", Shard(0, 6), np.zeros((5, 2), np.float32), [0, 1, 2, 3, 4], [f"{part.ids[5]}: no image"])
    with pytest.raises(DataUnavailable, match="1 of 6 test images cannot be read"):
        shelf.join("k", part, "test", False)
    assert shelf.missing("k", 6) == [Shard(0, 6)]


def test_features_of_an_earlier_run_here_are_offered_to_the_others(order: Order, tmp_path: Path) -> None:
    encode(order, "test", Shard(0, 6))
    join(order, "test")
    images = open_address("folder:shapes", tmp_path)
    key = order.key(images, "test")
    shared = f"file://{tmp_path}/shared"
    Shelf(tmp_path / "cache", shared).offer(key)
    assert Shelf(tmp_path / "other", shared).is_complete(key)


def test_a_task_whose_workers_all_die_fails_its_pair(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given out a few times, then told; the cell of the pair is not tried."""
    calls: list[str] = []

    class Function:
        def options(self, **terms: Any) -> "Function":
            assert terms["max_retries"] == 0
            calls.append(terms["name"])
            return self

        def remote(self, *arguments: Any) -> str:
            return f"reference {len(calls)}"

    def lost(reference: str) -> Outcome:
        raise ray.exceptions.WorkerCrashedError

    monkeypatch.setattr(ray, "remote", lambda function: Function())
    monkeypatch.setattr(ray, "wait", lambda refs, num_returns, timeout: (refs[:1], refs[1:]))
    monkeypatch.setattr(ray, "get", lost)
    monkeypatch.setattr(ray, "cancel", lambda reference, force=False: None)
    monkeypatch.setattr(connection, "_nodes", lambda: [{"CPU": 1}])
    images = open_address("folder:shapes", tmp_path)
    cell = Cell("random", "shapes", "knn", 0)
    setup = Setup(order.plan, order.out, tmp_path / "cache", tmp_path, "cpu")
    foreman = cluster._Foreman(setup, order.shelf, Share("cpu", 1, 0.0), ".token")
    steps = list(foreman.work([Pair("random", images, (cell,))], lambda: None))
    assert [(step.kind, step.cell) for step in steps] == [("failed", cell)]
    assert "4 workers died at it, the last with WorkerCrashedError" in steps[0].reason
    assert set(calls) == {"encode random on shapes"}
    assert cluster.ATTEMPTS <= len(calls) <= 2 * cluster.ATTEMPTS
