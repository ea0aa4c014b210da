"""What can be known of a catalog entry without its file and without the network.

A made-up checkpoint in the published layout must load, every number in its place, and must be refused when one name or
shape is off; the network must give the feature that entry and heads promise.
"""

import warnings
from collections.abc import Iterable, Iterator

import torch

from core.encoders import skeletons, timm_files
from core.encoders.architectures import Network
from core.encoders.checked import Check
from core.encoders.files.licences import TERMS
from core.encoders.layouts import LAYOUTS
from core.encoders.opening import reading
from core.encoders.spec import EncoderSpec
from core.errors import InvariscopeError, WeightsInvalid
from core.tasks import tasks
from core.verification import synthetic
from core.verification.synthetic import Synthetic, Tensors

FAULTS = ("renamed", "missing", "reshaped")
SMALL = 30_000_000  # parameters: networks up to this size are filled for real
MISFITS = (WeightsInvalid, RuntimeError, KeyError, ValueError, IndexError, AttributeError)


def offline(spec: EncoderSpec, faults: Iterable[str] = FAULTS) -> list[Check]:
    """The checks of one entry that need no file and no network. Packaged entries are checked by loading them.

    Args:
        spec: the entry.
        faults: of `FAULTS`, that must be refused.
    """
    checks = [_facts(spec)]
    try:
        network = synthetic.on_meta(spec).eval()
        wanted = network.state_dict()
        checks.append(_feature(spec, network))
        made = synthetic.checkpoint(spec, wanted)
        checks.append(_loads(spec, made, wanted))
        checks += [_refuses(spec, made, wanted, fault) for fault in faults]
    except (InvariscopeError, *MISFITS) as error:
        checks.append(Check("builds", False, f"{type(error).__name__}: {error}"))
    return checks


def layout_key(spec: EncoderSpec) -> tuple[object, ...]:
    """What decides the outcome of `offline`: entries that agree in it need one check."""
    file = spec.weights
    heads = tuple((h.task, h.pooling, h.weight, h.bias, h.weights.container, h.weights.prefix) for h in spec.heads)
    net = (spec.architecture.split(".")[0] if file.reader == "timm" else spec.architecture, spec.options, heads)
    return (
        *net,
        spec.layout,
        spec.pooling,
        file.reader,
        file.container,
        file.prefix,
        file.drop,
        file.absent,
        file.keys,
    )


def offline_all(specs: Iterable[EncoderSpec]) -> Iterator[tuple[EncoderSpec, list[Check]]]:
    """The offline checks of many entries, one after another; entries of one layout share what they share."""
    known: dict[tuple[object, ...], list[Check]] = {}
    for spec in specs:
        key = layout_key(spec)
        if key not in known:
            known[key] = offline(spec)
            yield spec, known[key]
        else:
            yield spec, [_facts(spec), *known[key][1:]]


def _facts(spec: EncoderSpec) -> Check:
    """Whether what the entry says can be true."""
    wrong = []
    if spec.preprocessing.size > spec.preprocessing.resize:
        wrong.append("the crop is larger than the resized image")
    for file in spec.files:
        if not file.packaged and not file.url.startswith("https://"):
            wrong.append(f"{file.file} has no address")
    if any(head.task not in tasks() for head in spec.heads):
        wrong.append("a head speaks a task that does not exist")
    if spec.weights.terms and spec.weights.terms not in TERMS:
        wrong.append(f"nobody knows the terms '{spec.weights.terms}'")
    return Check("facts", not wrong, "; ".join(wrong) or f"{spec.regime}, {spec.pretraining.data}, {spec.licence}")


def _feature(spec: EncoderSpec, network: Network) -> Check:
    """Whether the pooled feature, and what each head reads, are as wide as the entry says."""
    size = spec.preprocessing.size
    layout = LAYOUTS[spec.layout]
    with torch.device("meta"), torch.inference_mode():
        state = layout.trunk(network, torch.empty(1, 3, size, size))
        width = layout.pool(network, state, spec.pooling).shape[1]
        reads = {head.pooling: layout.pool(network, state, head.pooling).shape[1] for head in spec.heads}
    network.get_submodule(spec.target_layer)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    side = "×".join(str(n) for n in state.feature_map.shape[2:])
    detail = f"{millions:.1f} M parameters, {width} features, {side} map"
    if reads:
        detail += ", head reads " + " and ".join(f"{n} ({recipe})" for recipe, n in reads.items())
    return Check("feature", width == spec.feature_dim and min(state.feature_map.shape[2:]) > 1, detail)


def _loads(spec: EncoderSpec, made: Synthetic, wanted: Tensors) -> Check:
    """Whether the made-up checkpoint fits, and every number is where it belongs."""
    if spec.weights.reader == "timm":
        return _loads_by_timm(spec, made)
    found = reading.arrange(made.content, spec.weights)
    used = _undropped(spec, found)
    mismatch = reading.compare(wanted, used, spec.weights.absent)
    if mismatch.listing:
        return Check("loads", False, f"the published layout does not fit: {mismatch.listing}")
    moved = [key for key, number in made.expected.items() if key in used and used[key].flatten()[0].item() != number]
    return Check("loads", not moved, f"{len(used)} tensors" + (f", {len(moved)} in wrong places" if moved else ""))


def _loads_by_timm(spec: EncoderSpec, made: Synthetic) -> Check:
    tensors = reading.arrange(made.content, spec.weights)
    _fill(spec, tensors)
    if sum(value.numel() for value in tensors.values()) > SMALL:
        return Check("loads", True, f"{len(tensors)} tensors, names and shapes")
    with _quiet():
        network = timm_files.build(spec, _undropped(spec, tensors))
    state = network.state_dict()
    # timm's filters may give a tensor another name; then it is judged by its neighbours.
    moved = [
        key
        for key, number in made.expected.items()
        if key in state and state[key].is_floating_point() and not torch.all((state[key] - number).abs() < 1e-3)
    ]
    return Check("loads", not moved, f"{len(tensors)} tensors" + (f", moved: {', '.join(moved[:3])}" if moved else ""))


def _undropped(spec: EncoderSpec, tensors: Tensors) -> Tensors:
    return {key: value for key, value in tensors.items() if not key.startswith(spec.weights.drop or ("\0",))}


def _fill(spec: EncoderSpec, tensors: Tensors) -> None:
    """Let timm load tensors into a network without memory: names and shapes are compared, nothing is copied."""
    with _quiet(), skeletons.without_memory():
        timm_files.build(spec, _undropped(spec, tensors))


class _quiet(warnings.catch_warnings):
    """Without the warning that a copy into a network without memory does nothing."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


def _refuses(spec: EncoderSpec, made: Synthetic, wanted: Tensors, fault: str) -> Check:
    """Whether the checkpoint with one fault is refused."""
    bad = synthetic.broken(made, spec.weights, fault)
    try:
        found = reading.arrange(bad.content, spec.weights)
        if spec.weights.reader == "timm":
            _fill(spec, found)
        else:
            mismatch = reading.compare(wanted, _undropped(spec, found), spec.weights.absent)
            if mismatch.listing:
                return Check(f"refuses {fault}", True, mismatch.listing)
    except MISFITS as error:
        said = str(error).strip().splitlines()
        return Check(f"refuses {fault}", True, (said[-1].strip() if said else type(error).__name__)[:160])
    return Check(f"refuses {fault}", False, f"a checkpoint with a tensor {fault} was taken")
