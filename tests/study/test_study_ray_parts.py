"""What the Ray engine is made of, each without a cluster: options, shares, what a worker does and refuses."""

import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
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
from core.study.engines import connection, engine
from core.study.engines.base import Setup
from core.study.engines.connection import ClusterOptions, options_of
from core.study.engines.tasks import Order, Outcome, encode, join, run_cell
from core.study.features import Shard
from core.study.plan import Plan


def test_options_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert options_of({}) == ClusterOptions("local", "", None, 1.0, False)
    given = {"address": "auto", "cache": "s3://b/c", "cpus_per_task": 3, "gpus_per_task": 0.25, "log": True}
    assert options_of(given) == ClusterOptions("auto", "s3://b/c", 3, 0.25, True)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert options_of({}).address == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("adress", "x", "The ray engine has no option 'adress'. Its options: address, cache"),
        (
            "cpus_per_task",
            1.5,
            "of the ray engine must be a whole number from 1 to 1024, not 1.5",
        ),
        ("cpus_per_task", "many", "not 'many'"),
        ("gpus_per_task", 1.5, "must be a number from 0.01 to 1, not 1.5"),
        ("gpus_per_task", 0, "not 0"),
        ("log", "yes", "must be true or false, not 'yes'"),
        ("address", 6379, "must be a word, not 6379"),
    ],
)
def test_a_wrong_option_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(message)):
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
            connection.connected(ClusterOptions(address)),
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
        ([{"CPU": 0}, {"CPU": 16}, {"CPU": 2}], ClusterOptions(), "auto", ("cpu", 2, 0.0)),
        ([{"CPU": 16}, {"CPU": 16}], ClusterOptions(), "cpu", ("cpu", 4, 0.0)),
        # Four GPUs share eight cores, so that all four are used; the node without a GPU gets nothing.
        ([{"CPU": 8, "GPU": 4}, {"CPU": 64}], ClusterOptions(), "auto", ("cuda", 2, 1.0)),
        ([{"CPU": 8, "GPU": 1}], ClusterOptions(gpus=0.25), "cuda", ("cuda", 2, 0.25)),
        ([{"CPU": 8, "GPU": 1}], ClusterOptions(cpus=8), "cpu", ("cpu", 8, 0.0)),
    ],
)
def test_shares(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], options: ClusterOptions, device: str, expected: Any
) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: nodes)
    found = connection.share(options, device)
    assert (found.device, found.cpus, found.gpus) == expected


@pytest.mark.parametrize(
    ("nodes", "options", "device", "message"),
    [
        ([{"CPU": 4}], ClusterOptions(), "cuda", "No node of the cluster has a GPU"),
        ([{"CPU": 4}], ClusterOptions(cpus=5), "auto", "No node has 5 CPUs for a task; the largest has 4"),
        ([{"CPU": 0}], ClusterOptions(), "auto", "add a worker with 'ray start"),
        ([{"CPU": 4}], ClusterOptions(), "tpu", "A cluster computes on auto, cpu or cuda, not on 'tpu'"),
    ],
)
def test_a_share_nobody_can_give(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], options: ClusterOptions, device: str, message: str
) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: nodes)
    with pytest.raises(InvalidRequest, match=message):
        connection.share(options, device)


def test_workers_get_the_folders_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_nodes", lambda: [{"CPU": 1}])
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", "some/folder")
    monkeypatch.delenv("INVARISCOPE_DATA", raising=False)
    monkeypatch.setenv("INVARISCOPE_CACHE", "")
    environment = connection.share(ClusterOptions(), "cpu").environment
    assert environment == {"INVARISCOPE_WEIGHTS": str(Path.cwd() / "some/folder")}


@pytest.fixture
def order(tmp_path: Path) -> Order:
    study_folders.folder(tmp_path, "shapes", train=4, test=2)
    images = open_address("folder:shapes", tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "cache").mkdir()
    for place in ("out", "cache"):
        (tmp_path / place / ".token").touch()
    plan = Plan("small", ("random",), ("folder:shapes",), ("knn",))
    return Order(
        setup=Setup(plan, str(tmp_path / "out"), tmp_path / "cache", tmp_path, "cpu"),
        encoder="random",
        sha256=weights.verify(encoder_spec("random").weights),
        address="folder:shapes",
        fingerprint=images.fingerprint,
        shared="",
        threads=torch.get_num_threads(),
        token=".token",
    )


def elsewhere(order: Order, **changed: Any) -> Order:
    """The order, with another setup."""
    return replace(order, setup=replace(order.setup, **changed))


@pytest.mark.parametrize("shared", [False, True])
def test_tasks_do_a_pair(order: Order, tmp_path: Path, shared: bool) -> None:
    """With a cache folder of all nodes, or at an address from which a node copies what it needs."""
    if shared:
        order = replace(order, shared=f"file://{tmp_path}/shared")
    assert encode(order, "train", Shard(0, 12)) == encode(order, "test", Shard(0, 6)) == Outcome()
    assert (tmp_path / ("shared" if shared else "cache") / "features").is_dir()
    assert (tmp_path / "cache" / "features").is_dir() != shared
    assert join(order, "train", Outcome()) == join(order, "test") == Outcome()
    outcome = run_cell(order, Cell("random", "shapes", "knn", 0), Outcome())
    assert outcome.problem == ""
    assert outcome.done["facts"]["test_samples"] == 6
    assert (tmp_path / "out" / "cells" / "shapes.knn.random.0.parquet").is_file()
    assert (tmp_path / "cache" / "features").is_dir()


def test_a_task_fails_as_those_did_that_it_waits_for(order: Order, tmp_path: Path) -> None:
    bad = Outcome(problem="No.")
    assert join(order, "train", Outcome(), bad) == bad
    assert run_cell(order, Cell("random", "shapes", "knn", 0), Outcome(), bad) == bad
    assert not (tmp_path / "out" / "cells").exists()


def test_what_differs_on_a_node_is_refused_with_its_name(order: Order, tmp_path: Path) -> None:
    for wrong, message in (
        (replace(order, fingerprint="0" * 64), "folder:shapes holds something else here"),
        (elsewhere(order, data=tmp_path / "nowhere"), "There is no folder or archive at"),
        (replace(order, sha256="0" * 64), "The weights of random are others here"),
        (elsewhere(order, cache=tmp_path / "elsewhere"), "(the cache folder) is not the same place on this node"),
        (elsewhere(order, out="memory://elsewhere"), "(--out) is not the same place on this node"),
        (replace(order, version="0.0"), "and 0.0 where the study was started"),
    ):
        outcome = encode(wrong, "test", Shard(0, 6))
        assert message in outcome.problem
        assert outcome.problem.endswith(f"(On node {os.uname().nodename}.)")


def test_features_are_finished_and_carried_at_an_address(order: Order, tmp_path: Path) -> None:
    """In memory, where nothing can be renamed: an object store."""
    order = replace(order, shared="memory://shared")
    images = open_address("folder:shapes", tmp_path)
    there, here = order.places(images, "test")
    try:
        assert features.missing(there, 6) == [Shard(0, 6)]
        assert encode(order, "test", Shard(0, 6)) == Outcome()
        assert features.missing(there, 6) == []
        assert not features.is_complete(there)
        assert join(order, "test") == Outcome()
        assert features.is_complete(there)
        features.carry(there, here)
        found = features.load(here)
        assert found.ids == images.parts["test"].ids
        features.carry(here, f"{there}-again")
        assert features.is_complete(f"{there}-again"), "what an earlier run made here is offered to the others"
        fs = fsspec.filesystem("memory")
        assert not fs.glob("/shared/**/*.shards*"), "shards go"
        fs.pipe_file(f"{there}/values.npy", fs.cat_file(f"{there}/values.npy")[:-1] + b"!")
        Path(here, "meta").unlink()
        with pytest.raises(DataUnavailable, match=r"was damaged: run the study again"):
            features.carry(there, here)
        assert not features.is_complete(there), "and is computed again then"
    finally:
        fsspec.filesystem("memory").rm("/", recursive=True)


def test_unreadable_images_empty_an_address(order: Order, tmp_path: Path) -> None:
    (tmp_path / "shapes/test/red/000.png").write_bytes(b"no image")
    images = open_address("folder:shapes", tmp_path)
    order = replace(order, shared=f"file://{tmp_path}/shared", fingerprint=images.fingerprint)
    assert encode(order, "test", Shard(0, 6)) == Outcome()
    assert "1 of 6 test images cannot be read" in join(order, "test").problem
    assert features.missing(order.places(images, "test")[0], 6) == [Shard(0, 6)]
