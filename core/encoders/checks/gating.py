"""An encoder on this machine, put through every gate, and what came of it kept for its card.

What `checking` cannot know without the file: whether its hash is the published one, whether network and head were
trained, whether two loads agree, and whether a few photos get the right names.
"""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core import readout, samples
from core.encoders import preprocess
from core.encoders.checks import gates
from core.encoders.checks.gates import Check
from core.encoders.files import hashes, weights
from core.encoders.spec import EncoderSpec, WeightFile
from core.errors import InvariscopeError
from core.fetching import addresses
from core.files import write_whole
from core.images import open_image
from core.paths import weights_folder
from core.readout import Contender
from core.tasks import task

TASK = "imagenet-1k"


def reachable(file: WeightFile) -> Check:
    """Whether the file's address, or a mirror, answers, and with about the size that the catalog states."""
    reasons = []
    for url in file.addresses:
        try:
            answer = addresses.ask(url, {"Range": "bytes=0-0"})
        except addresses.NotGiven as error:
            reasons.append(f"{url}: {error}")
            continue
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        size = int(whole) if whole.isdigit() else addresses.number(answer.headers, "Content-Length")
        answer.close()
        stated = f"{file.megabytes:.0f} MB" if file.megabytes else "an unknown size"
        fits = not (size and file.megabytes) or abs(size / 1e6 / file.megabytes - 1) < 0.15
        return Check("reachable", fits, f"{file.file}: {size / 1e6:.0f} MB at its address; the catalog says {stated}.")
    return Check("reachable", False, "; ".join(reasons) or f"{file.file} has no address")


def here(spec: EncoderSpec) -> list[Check]:
    """Every check of an entry whose files are on this machine; the result is kept for `recorded`.

    Raises:
        WeightsUnavailable: a file is not here.
    """
    checks = []
    for file in spec.files:
        digest = weights.verify(file)
        known = "as published" if file.sha256 or file.md5 else "as recorded when it was fetched first"
        checks.append(Check("hash", True, f"{file.file}: SHA-256 {digest[:12]}, {known}."))
    has_head = any(head.task == TASK for head in spec.heads)
    try:
        checks += _of_contender(spec) if has_head else _of_encoder(spec)
    except InvariscopeError as error:
        checks.append(Check("loads", False, str(error)))
    _record(spec, checks)
    return checks


def _inputs(spec: EncoderSpec, ids: list[str]) -> Tensor:
    recipe = spec.preprocessing
    crops = [preprocess.model_crop(open_image(samples.read(id)).rgb, recipe) for id in ids]
    return preprocess.normalise(preprocess.to_unit(np.stack(crops)), recipe)


def _of_encoder(spec: EncoderSpec) -> list[Check]:
    from core.encoders import encoder

    loaded = encoder.load(spec.id, torch.device("cpu"))
    inputs = _inputs(spec, ["cat", "rocket", "page"])
    features = encoder.features(loaded, inputs)

    def again() -> Tensor:
        return encoder.features(encoder.load(spec.id, torch.device("cpu")), inputs[:2])

    return [*gates.of_network(loaded.network), *gates.of_features(features), gates.repeatable(again)]


def _of_contender(spec: EncoderSpec) -> list[Check]:
    ids = [id for id, sample in samples.samples().items() if sample.imagenet]
    inputs = _inputs(spec, ids)
    contender = readout.load_contender(spec.id, TASK, torch.device("cpu"))
    found = readout.read(contender, inputs)
    zero = any(head.weight and not head.bias for head in spec.heads)
    names = [task(TASK).classes[index] for index in found.logits.argmax(1).tolist()]
    right = sum(name in samples.samples()[id].imagenet for id, name in zip(ids, names, strict=True))

    def again() -> Tensor:
        fresh: Contender = readout.load_contender(spec.id, TASK, torch.device("cpu"))
        return readout.read(fresh, inputs[:2]).logits

    return [
        *gates.of_network(contender.encoder.network),
        *gates.of_head(contender.head.weight, contender.head.bias, zero_bias=zero),
        *gates.of_features(found.pooled),
        gates.repeatable(again),
        gates.sanity_top1(right, len(ids)),
    ]


def doubts(contender: Contender) -> list[str]:
    """Why a published contender that loaded may be none: sentences of the gates that need no image, empty as a rule.

    A file can fit name by name and still hold a network or a head that nobody trained.
    """
    spec, head = contender.encoder.spec, contender.head
    if spec.weights.packaged or spec.regime == "random":
        return []
    checks = [*gates.of_network(contender.encoder.network), *gates.of_head(head.weight.cpu(), head.bias.cpu())]
    return [check.detail for check in checks if not check.ok]


def _path(spec: EncoderSpec) -> Path:
    return weights_folder() / "checks" / f"{spec.id}.json"


def _record(spec: EncoderSpec, checks: list[Check]) -> None:
    table = {
        "date": date.today().isoformat(),
        "files": {file.file: weights.verify(file) for file in spec.files},
        "checks": [asdict(check) for check in checks],
    }
    write_whole(_path(spec), json.dumps(table, indent=1).encode())


def recorded(spec: EncoderSpec) -> tuple[str, list[Check]]:
    """Date and results of the last check of an entry on this machine; empty when there was none of these files."""
    path = _path(spec)
    if not path.is_file():
        return "", []
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        # By the ledger and the catalog: a page must not hash gigabytes to show a card.
        known = {file.file: hashes.recorded(weights.path_of(file)) or file.sha256 for file in spec.files}
        if any(known[name] and not digest.startswith(known[name]) for name, digest in table["files"].items()):
            return "", []
        return str(table["date"]), [Check(**check) for check in table["checks"]]
    except (ValueError, KeyError, TypeError):
        return "", []  # a record is made again by the next check; a damaged one says nothing
