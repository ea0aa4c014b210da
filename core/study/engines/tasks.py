"""What a worker of a cluster does: encode a shard, join shards, run a cell. Nothing here needs Ray.

A task gives an outcome and raises nothing that was meant for people, so that Ray has no error of ours to carry; what
it does raise is a fault of the program, or the end of a worker. A task that needs others is given their outcomes, and
fails as they did.
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
from core.study import cells, encoding, features
from core.study.cells import Cell
from core.study.engines.base import EXPECTED, Setup, reason_of
from core.study.features import Shard


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker must know of a pair; travels with every task, so it holds no images.

    Attributes:
        setup: the study, with folders that are the same on every node, and the device to use.
        encoder: id.
        sha256: of its weights, as the study began.
        address: of the data set.
        fingerprint: of it, as the study began.
        shared: fsspec address of features that all nodes reach; empty when the cache folder is one for all of them.
        threads: for PyTorch and what it calls.
        token: name of a file that the study put into every folder that all nodes must share.
        version: of Invariscope.
    """

    setup: Setup
    encoder: str
    sha256: str
    address: str
    fingerprint: str
    shared: str
    threads: int
    token: str
    version: str = core.__version__

    def places(self, images: ImageSet, part: str) -> tuple[str, str]:
        """Where the features of a part are for all nodes, and where on this one; the same without an address."""
        key = features.key(encoder_spec(self.encoder), self.sha256, images, part)
        cache = self.setup.cache
        return features.place_of(self.shared or cache, key), features.place_of(cache, key)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: what the manifest says of a cell, or the reason why it failed, which names the node."""

    done: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def encode(order: Order, part: str, shard: Shard) -> Outcome:
    """Extract one shard of a part and put it where all nodes find it."""

    def work(images: ImageSet, encoder: Encoder) -> None:
        found = encoding.extract(encoder, images.parts[part], shard)
        features.write_shard(order.places(images, part)[0], shard, *found)

    return _outcome(order, work)


def join(order: Order, part: str, *encoded: Outcome) -> Outcome:
    """Make one feature file of the shards of a part."""

    def work(images: ImageSet, encoder: Encoder) -> None:
        place = order.places(images, part)[0]
        encoding.finish(place, encoder, images.parts[part], part, images.skip_unreadable)

    return _outcome(order, work, encoded)


def run_cell(order: Order, cell: Cell, *joined: Outcome) -> Outcome:
    """Run a cell whose features are finished, and store its rows."""

    def work(images: ImageSet, encoder: Encoder) -> dict[str, Any]:
        if order.shared:  # protocols read features memory-mapped, so each node keeps a copy of what it needs
            for part in images.parts:
                features.carry(*order.places(images, part))
        return cells.run(cell, order.setup.plan, encoder, images, order.setup.cache, order.setup.out)

    return _outcome(order, work, joined)


def _outcome(
    order: Order, work: Callable[[ImageSet, Encoder], dict[str, Any] | None], before: tuple[Outcome, ...] = ()
) -> Outcome:
    failed = next((outcome for outcome in before if outcome.problem), None)
    if failed is not None:
        return failed
    try:
        if order.version != core.__version__:
            raise InvalidRequest(
                f"Invariscope is {core.__version__} here and {order.version} where the study was started: "
                "install the same version on every node."
            )
        _check_shared(order.setup.out, "" if order.shared else str(order.setup.cache), order.token)
        devices.pick(order.setup.device)
        torch.set_num_threads(order.threads)
        with threadpool_limits(order.threads, user_api="blas"):
            return Outcome(work(_images(order), _encoder(order)) or {})
    except EXPECTED + writing.transport_errors() as error:
        return Outcome(problem=f"{reason_of(error)} (On node {platform.node()}.)")


@lru_cache(maxsize=4)
def _check_shared(out: str, cache: str, token: str) -> None:
    """Raise InvalidRequest when this node sees other folders than the one that started the study."""
    for place, name in ((cache, "the cache folder"), (out, "--out")):
        fs, path = writing.filesystem(f"{place}/{token}")
        if place and not fs.exists(path):
            raise InvalidRequest(
                f"{place} ({name}) is not the same place on this node as where the study was started: choose a folder "
                "that all nodes mount, or the address of an object store such as s3://bucket/folder."
            )


def _encoder(order: Order) -> Encoder:
    """The encoder, when its weights are those that the study began with."""
    found = residents().get(order.encoder, devices.pick(order.setup.device))
    # A worker lives as long as the study and meets all of its encoders, and there are several on a node.
    residents().keep(2)
    if found.sha256 != order.sha256:
        raise WeightsInvalid(
            f"The weights of {order.encoder} are others here ({found.sha256[:12]}) than where the study was started "
            f"({order.sha256[:12]}): copy the weights folder from there."
        )
    return found


def _images(order: Order) -> ImageSet:
    """The data set, when it is the one that the study began with."""
    found = _opened(order.address, str(order.setup.data), order.fingerprint)
    if found.fingerprint != order.fingerprint:
        raise DataUnavailable(
            f"{order.address} holds something else here (fingerprint {found.fingerprint[:12]}) than where the study "
            f"was started ({order.fingerprint[:12]}): mount the same folder on every node, or copy it with the times "
            "of its files ('rsync -a')."
        )
    return found


# A few: a worker meets all data sets of the study, one after another. One that changes is opened again.
@lru_cache(maxsize=4)
def _opened(address: str, data: str, fingerprint: str) -> ImageSet:  # noqa: ARG001 (part of the key)
    return open_address(address, Path(data))
