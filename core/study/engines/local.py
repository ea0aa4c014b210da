"""Runs a study in this process: encoder by encoder, data set by data set, cell by cell."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from core import devices
from core.encoders.encoder import Encoder
from core.encoders.resident import residents
from core.errors import Cancelled, InvalidRequest
from core.study import cells, encoding, features
from core.study.engines.base import EXPECTED, Pair, Setup, Step, failed, reason_of


def run(setup: Setup, pairs: Sequence[Pair]) -> Iterator[Step]:
    """The steps of all pairs; those of one encoder follow each other, so that each is loaded once.

    Raises:
        InvalidRequest: there are options, which this engine has not.
    """
    if setup.options:
        raise InvalidRequest(f"The local engine has no option {', '.join(setup.options)}; '--engine ray' has.")
    device = devices.pick(setup.device)
    for id, group in groupby(pairs, key=lambda pair: pair.encoder):
        members = list(group)
        try:
            encoder = residents().get(id, device)
        except EXPECTED as error:
            for pair in members:
                yield from failed(pair, error)
            continue
        for pair in members:
            yield from run_pair(setup, encoder, pair)


def run_pair(setup: Setup, encoder: Encoder, pair: Pair) -> Iterator[Step]:
    """The steps of an encoder on a data set: its features first, then its cells."""
    id, images = pair.images.spec.id, pair.images
    parts = [name for name in features.PARTS if name in images.parts]
    total = sum(len(images.parts[name]) for name in parts)
    before = 0
    try:
        for name in parts:
            for done, _ in encoding.compute(encoder, images, name, setup.cache):
                yield Step("features", pair.encoder, id, share=(before + done) / total)
            before += len(images.parts[name])
    except Cancelled:
        raise
    except EXPECTED as error:
        yield from failed(pair, error)
        return
    for cell in pair.cells:
        try:
            entry = cells.run(cell, setup.plan, encoder, images, setup.cache, setup.out)
        except Cancelled:
            raise
        except EXPECTED as error:
            yield Step("failed", pair.encoder, id, cell, reason=reason_of(error))
        else:
            yield Step("cell", pair.encoder, id, cell, done=entry)
