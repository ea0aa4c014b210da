"""What a worker of a cluster does: encode a shard, join shards, run a cell. Nothing here needs Ray.

A task gives an outcome and raises nothing that was meant for people, so that Ray has no error of ours to carry; what
it does raise is a fault of the program, or the end of a worker.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

import core
from core import devices
from core.datasets.address import open_address
from core.datasets.spec import ImageSet
from core.encoders.encoder import Encoder
from core.encoders.registry import encoder_spec
from core.encoders.resident import residents
from core.errors import DataUnavailable, InvalidRequest, WeightsInvalid
from core.results import writing
from core.study import cells, features
from core.study.cells import Cell
from core.study.engines.base import EXPECTED, reason_of
from core.study.engines.shelf import Shelf
from core.study.features import Shard
from core.study.plan import Plan


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker must know of a pair; travels with every task, so it holds no images.

    Attributes:
        plan: of the study.
        encoder: id.
        sha256: of its weights, as the study began.
        address: of the data set.
        fingerprint: of it, as the study began.
        data: folder below which data sets are found, the same on every node.
        shelf: of features.
        out: address of the study.
        device: `cpu` or `cuda`.
        threads: for PyTorch and what it calls.
        token: name of a file that the study put into every folder that all nodes must share.
        version: of Invariscope.
    """

    plan: Plan
    encoder: str
    sha256: str
    address: str
    fingerprint: str
    data: Path
    shelf: Shelf
    out: str
    device: str
    threads: int
    token: str
    version: str = core.__version__

    def key(self, images: ImageSet, part: str) -> str:
        """What identifies the features of a part."""
        return features.key(encoder_spec(self.encoder), self.sha256, images, part)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: facts of a cell, or the reason why it failed, which names the node."""

    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def encode(order: Order, part: str, shard: Shard) -> Outcome:
    """Extract one shard of a part and put it on the shelf."""

    def work() -> dict[str, Any]:
        images = _images(order.address, order.data, order.fingerprint)
        encoder = _encoder(order.encoder, order.device, order.sha256)
        found = features.extract(encoder, images.parts[part], shard)
        order.shelf.put(order.key(images, part), shard, *found)
        return {}

    return _outcome(order, work)


def join(order: Order, part: str) -> Outcome:
    """Make one feature file of the shards of a part."""

    def work() -> dict[str, Any]:
        images = _images(order.address, order.data, order.fingerprint)
        order.shelf.join(order.key(images, part), images.parts[part], part, images.skip_unreadable)
        return {}

    return _outcome(order, work)


def run_cell(order: Order, cell: Cell) -> Outcome:
    """Run a cell whose features are on the shelf, and store its rows."""

    def work() -> dict[str, Any]:
        images = _images(order.address, order.data, order.fingerprint)
        encoder = _encoder(order.encoder, order.device, order.sha256)
        for part in images.parts:
            order.shelf.bring(order.key(images, part))
        return cells.run(cell, order.plan, encoder, images, order.shelf.cache, order.out)

    return _outcome(order, work)


def _outcome(order: Order, work: Callable[[], dict[str, Any]]) -> Outcome:
    try:
        if order.version != core.__version__:
            raise InvalidRequest(
                f"Invariscope is {core.__version__} here and {order.version} where the study was started: "
                "install the same version on every node."
            )
        _check_shared(order.out, order.shelf, order.token)
        devices.pick(order.device)
        torch.set_num_threads(order.threads)
        with threadpool_limits(order.threads, user_api="blas"):
            return Outcome(work())
    except EXPECTED + writing.transport_errors() as error:
        return Outcome(problem=f"{reason_of(error)} (On node {platform.node()}.)")


@lru_cache(maxsize=4)
def _check_shared(out: str, shelf: Shelf, token: str) -> None:
    """Raise InvalidRequest when this node sees other folders than the one that started the study."""
    places = [(out, "--out")] if shelf.address else [(str(shelf.cache), "the cache folder"), (out, "--out")]
    for place, name in places:
        fs, path = writing.filesystem(f"{place}/{token}")
        if not fs.exists(path):
            raise InvalidRequest(
                f"{place} ({name}) is not the same place on this node as where the study was started: choose a folder "
                "that all nodes mount, or the address of an object store such as s3://bucket/folder."
            )


def _encoder(id: str, device: str, sha256: str) -> Encoder:
    """The encoder, when its weights are those that the study began with."""
    found = residents().get(id, devices.pick(device))
    # A worker lives as long as the study and meets all of its encoders, and there are several on a node.
    residents().keep(2)
    if found.sha256 != sha256:
        raise WeightsInvalid(
            f"The weights of {id} are others here ({found.sha256[:12]}) than where the study was started "
            f"({sha256[:12]}): copy the weights folder from there."
        )
    return found


# A few: a worker meets all data sets of the study, one after another.
@lru_cache(maxsize=4)
def _images(address: str, data: Path, fingerprint: str) -> ImageSet:
    """The data set, when it is the one that the study began with."""
    found = open_address(address, data)
    if found.fingerprint != fingerprint:
        raise DataUnavailable(
            f"{address} holds something else here (fingerprint {found.fingerprint[:12]}) than where the study was "
            f"started ({fingerprint[:12]}): mount the same folder on every node, or copy it with the times of its "
            "files ('rsync -a')."
        )
    return found
