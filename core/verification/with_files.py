"""An encoder on this machine, put through every check.

What `offline` cannot know without the file: whether its hash is the published one, whether network and head were
trained, whether features differ and two loads agree, and whether a few photos get the right names.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from core import readout, samples
from core.encoders import checked, encoder, preprocess, training_signs
from core.encoders.checked import Check
from core.encoders.files import weights
from core.encoders.spec import EncoderSpec, WeightFile
from core.errors import InvalidRequest, InvariscopeError
from core.fetching import addresses
from core.tasks import task
from core.verification import inputs

TASK = "imagenet-1k"
COLLAPSED = 0.99
"""Cosine of the features of two different images from which on they count as one."""
SANITY = 0.6
"""Share of labelled images that any encoder with a head gets right."""


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
    """Every check of an entry whose files are on this machine; the result is kept for its card.

    Raises:
        WeightsUnavailable: a file is not here.
    """
    checks = []
    for file in spec.files:
        digest = weights.verify(file)
        known = "as published" if file.sha256 or file.md5 else "as recorded when it was fetched first"
        known = "as recorded when it was added" if file.own else known
        checks.append(Check("hash", True, f"{file.file}: SHA-256 {digest[:12]}, {known}."))
    has_head = any(head.task == TASK for head in spec.heads)
    try:
        checks += _of_contender(spec) if has_head else _of_encoder(spec)
    except InvariscopeError as error:
        checks.append(Check("loads", False, str(error)))
    checked.record(spec, checks)
    return checks


def _inputs(spec: EncoderSpec, ids: list[str]) -> Tensor:
    recipe = spec.preprocessing
    crops = preprocess.model_crops((samples.image(id).rgb for id in ids), recipe)
    return preprocess.normalise(preprocess.to_unit(crops), recipe)


def _of_encoder(spec: EncoderSpec) -> list[Check]:
    loaded = encoder.load(spec.id, torch.device("cpu"))
    images = _inputs(spec, ["cat", "rocket", "page"])
    features = encoder.features(loaded, images)

    def again() -> Tensor:
        return encoder.features(encoder.load(spec.id, torch.device("cpu")), images[:2])

    return [
        *training_signs.of_network(loaded.network),
        *_of_input(loaded),
        features_differ(features),
        repeatable(again),
    ]


def _of_input(loaded: encoder.Encoder) -> list[Check]:
    """Of a person's own file alone: what its publisher states of a published one is checked by its answers."""
    return inputs.of_input(loaded) if loaded.spec.weights.own else []


def _of_contender(spec: EncoderSpec) -> list[Check]:
    ids = [id for id, sample in samples.samples().items() if sample.right]
    images = _inputs(spec, ids)
    contender = readout.load_contender(spec.id, TASK, torch.device("cpu"))
    found = readout.read(contender, images)
    zero = any(head.weight and not head.bias for head in spec.heads)
    names = [task(TASK).classes[index] for index in found.logits.argmax(1).tolist()]
    right = sum(name in samples.samples()[id].right for id, name in zip(ids, names, strict=True))

    def again() -> Tensor:
        fresh = readout.load_contender(spec.id, TASK, torch.device("cpu"))
        return readout.read(fresh, images[:2]).logits

    return [
        *training_signs.of_network(contender.encoder.network),
        *_of_input(contender.encoder),
        *training_signs.of_head(contender.head.weight, contender.head.bias, zero_bias=zero),
        features_differ(found.pooled),
        repeatable(again),
        sanity_top1(right, len(ids)),
    ]


def features_differ(features: Tensor) -> Check:
    """Whether different images have different features.

    Args:
        features: (N, D) of N ≥ 2 different images.

    Raises:
        InvalidRequest: fewer than two.
    """
    if features.ndim != 2 or len(features) < 2:
        raise InvalidRequest(f"Features of two images or more are needed, not {tuple(features.shape)}.")
    if not features.isfinite().all():
        return Check("features-differ", False, "The features hold numbers that are not finite.")
    norms = features.double().norm(dim=1)
    if not norms.min() > 0:
        return Check("features-differ", False, f"{int((norms == 0).sum())} of {len(norms)} features are zero.")
    unit = features.double() / norms[:, None]
    first, second = torch.triu_indices(len(unit), len(unit), offset=1)
    cosine = (unit @ unit.T)[first, second].min().item()
    detail = (
        f"The cosine of the two most different of {len(unit)} images is {cosine:.3f}, below {COLLAPSED} unless the "
    )
    return Check("features-differ", cosine < COLLAPSED, detail + "features collapsed.")


def repeatable(load: Callable[[], Tensor]) -> Check:
    """Whether two independent loads give the same logits; a head drawn at random gives others each time.

    Args:
        load: loads encoder and head afresh and returns logits of the same images.
    """
    first, second = load().double(), load().double()
    if first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        return Check("prediction-repeatable", False, f"Two loads gave logits of the shapes {shapes}.")
    scale = first.abs().max().item()
    apart = (first - second).abs().max().item()
    # Not-a-number compares as false, so it fails too.
    ok = apart <= 1e-4 * scale
    return Check("prediction-repeatable", ok, f"Two loads differ by {apart:.3g} in logits of up to {scale:.3g}.")


def sanity_top1(correct: int, total: int) -> Check:
    """Whether at least 6 of 10 labelled images are named right: catches wrong normalisation and shuffled features."""
    ok = total > 0 and correct >= SANITY * total
    return Check("sanity-top1", ok, f"{correct} of {total} labelled images are named right, {SANITY:.0%} are needed.")
