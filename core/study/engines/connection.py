"""How to reach a Ray cluster, or to start one here, and what share of it a task gets."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from core.errors import InvalidRequest
from core.study.settings import Settings

KNOWN = ("address", "cache", "cpus_per_task", "gpus_per_task", "log")
LOCAL = "local"  # Ray's word for a new cluster on this machine
THREADS = 4  # CPUs a task gets when nobody says: convolutions gain little from more, and decoding of images much
STORE = 2**27  # bytes of shared memory; tasks hand over names of files and little else
FORWARDED = ("INVARISCOPE_WEIGHTS", "INVARISCOPE_DATA", "INVARISCOPE_CACHE")
PATIENCE = 5.0  # seconds for a head to answer


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What a person may say of the cluster.

    Attributes:
        address: `ray://host:10001`, `host:6379`, `auto`, or `local` for a cluster of this machine that ends with
            the study.
        cache: fsspec address of features that all nodes reach; empty when the cache folder is one for all of them.
        cpus: of a task; None to choose by the nodes.
        gpus: of a task, where a GPU is used; a fraction when tasks share one.
        log: whether what workers print is shown.
    """

    address: str = LOCAL
    cache: str = ""
    cpus: int | None = None
    gpus: float = 1.0
    log: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What each task gets of the cluster.

    Attributes:
        device: `cpu` or `cuda`.
        cpus: whole cores, and PyTorch's threads.
        gpus: GPUs; 0 without.
        environment: variables of the workers.
    """

    device: str
    cpus: int
    gpus: float
    environment: dict[str, str] = field(default_factory=dict)


def options_of(given: dict[str, Any]) -> ClusterOptions:
    """The options that a person gave.

    Raises:
        InvalidRequest: one is unknown, or out of range.
    """
    settings = Settings("the ray engine", given, KNOWN)
    return ClusterOptions(
        # Inside of a submitted job Ray names its own cluster in this variable.
        address=settings.text("address", "") or os.environ.get("RAY_ADDRESS") or LOCAL,
        cache=settings.text("cache", ""),
        cpus=settings.whole("cpus_per_task", 1, 1, 1024) if "cpus_per_task" in given else None,
        gpus=settings.real("gpus_per_task", 1.0, 0.01, 1.0),
        log=settings.flag("log"),
    )


@contextlib.contextmanager
def connected(options: ClusterOptions) -> Iterator[None]:
    """Hold a connection to the cluster; what was started for it ends with it, and nothing else does.

    Raises:
        InvalidRequest: there is no cluster at the address, or it cannot be used.
    """
    if ray.is_initialized():  # by the program that called us
        yield
        return
    _knock(options.address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own: dict[str, Any] = {}
    if options.address == LOCAL:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        own = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": STORE}
    with _own_signals(), told_by_signal():
        try:
            ray.init(options.address, logging_level=logging.ERROR, log_to_driver=options.log, **own)
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InvalidRequest(
                f"No connection to a Ray cluster at '{options.address}': {reason}. It must run the versions of Ray and "
                "Python that run here; if it asks for a token, set RAY_AUTH_MODE=token and have the token here."
            ) from error
    try:
        yield
    finally:
        with _own_signals():
            ray.shutdown()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the program's answer to a request to end, which Ray would replace by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def told_by_signal() -> Iterator[None]:
    """Let through what a handler of a signal raises while Ray waits; Ray makes an error of its own of it."""
    try:
        yield
    except SystemError as error:
        raise error.__cause__ or error from None


def _knock(address: str) -> None:
    """Raise InvalidRequest when nobody listens at host and port: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").partition("/")[0].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except OSError as error:
        raise InvalidRequest(
            f"No Ray cluster answers at '{address}' ({error.strerror or error}): start one with 'ray start --head' "
            "there, or leave out the address to use this machine."
        ) from error


def _nodes() -> list[dict[str, float]]:
    """The resources of each living node."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def share(options: ClusterOptions, device: str) -> Share:
    """What each task gets on this cluster; on a GPU when the cluster has one, unless told otherwise.

    Raises:
        InvalidRequest: the device is unknown, or no node has what a task needs.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InvalidRequest(f"A cluster computes on auto, cpu or cuda, not on '{device}'.")
    nodes = [node for node in _nodes() if node.get("CPU", 0) >= 1]
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= options.gpus]
    if device == "cuda" and not with_gpu:
        raise InvalidRequest("No node of the cluster has a GPU and a CPU. Use --device cpu, or add a node with a GPU.")
    gpus = options.gpus if device != "cpu" and with_gpu else 0.0
    usable = with_gpu if gpus else nodes
    if not usable:
        raise InvalidRequest("No node of the cluster has a CPU to give: add a worker with 'ray start --address=…'.")
    # No GPU should wait for a core.
    rooms = [int(node["CPU"] // (node["GPU"] // gpus)) if gpus else int(node["CPU"]) for node in usable]
    cpus, largest = options.cpus or max(1, min(THREADS, *rooms)), max(int(node["CPU"]) for node in usable)
    if cpus > largest:
        raise InvalidRequest(f"No node has {cpus} CPUs for a task; the largest has {largest}.")
    environment = {name: str(Path(os.environ[name]).absolute()) for name in FORWARDED if os.environ.get(name)}
    return Share("cuda" if gpus else "cpu", cpus, gpus, environment)
