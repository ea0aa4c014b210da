"""A person's own file of weights as an entry: read in the way of one that the catalog knows.

Nothing is copied. The entry is a table in the weights folder that names the file, and says of its training what is
known: nothing.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import tomli_w
import torch

from core.encoders import architectures, timm_files
from core.encoders.files.hashes import sha256_of
from core.encoders.opening import converting, reading
from core.encoders.partners import network
from core.encoders.registry import encoder_spec, encoders, own_folder
from core.encoders.spec import EncoderSpec, NativeHead, Pretraining, Published, WeightFile
from core.errors import InvalidRequest, InvariscopeError, UnknownName, WeightsInvalid, WeightsUnavailable
from core.files import write_whole
from core.paths import expanded
from core.tasks import task

ID = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
LONGEST = 64
PERMISSION = "INVARISCOPE_ALLOW_PATHS"
"""The environment variable with which a server's owner lets visitors name files on it."""


def allowed() -> bool:
    """Whether visitors of this server may name files on it."""
    return os.environ.get(PERMISSION, "").strip().lower() in ("1", "true", "yes", "on")


def add(path: str | Path, id: str, *, like: str, architecture: str = "") -> EncoderSpec:
    """The new entry for a file of weights on this machine; it stays where it is and is loaded once, as a trial.

    Args:
        path: the file.
        id: what the encoder will be called.
        like: whose way of reading fits: an id of the catalog, or a method's name. When a name stands for several ways
            ("moco"), the one that fits the file is taken.
        architecture: the network, as timm calls it or as the catalog does; that of `like` when empty.

    Raises:
        InvalidRequest: the id is taken or no good name, or `like` leaves more than one way open.
        UnknownName: there is no such `like` or architecture.
        WeightsUnavailable: there is no such file, or the entry could not be written.
        WeightsInvalid: the file does not fit.
    """
    _check_id(id)
    file = expanded(str(path), "The file").absolute()
    if not file.is_file():
        raise WeightsUnavailable(f"There is no file {file} on this machine. Give the path of the file of weights.")
    ways = _ways(like, architecture)
    digest = sha256_of(file)
    fitting, misfits = [], []
    refusals = {reader: _refusal(file, reader) for reader in {_reader(way) for way in ways}}
    refused = [refusal for refusal in refusals.values() if refusal]
    if len(refused) == len(refusals) and not reading.converted_path(file).is_file():
        raise refused[0]
    for way in ways:
        try:
            fitting.append((way, _entry(file, digest, id, way, architecture, refusals[_reader(way)])))
        except WeightsInvalid as error:
            misfits.append((way, error))
    if not fitting:
        if len(misfits) == 1:
            raise misfits[0][1]
        told = " ".join(f"Like {way.id}: {error}" for way, error in misfits)
        raise WeightsInvalid(f"{file} fits none of {len(misfits)} ways to read it like '{like}'. {told}")
    if len({_use(spec) for _, spec in fitting}) > 1:
        raise InvalidRequest(f"{file} fits more than one way. Say like which: {_named(way for way, _ in fitting)}.")
    spec = fitting[0][1]
    if len({way.method for way in ways}) > 1:
        spec = replace(spec, method=like)
    _write(spec)
    return encoder_spec(id)


def _check_id(id: str) -> None:
    if not ID.fullmatch(id) or len(id) > LONGEST:
        raise InvalidRequest(
            f"'{id}' is no good name: up to {LONGEST} lower-case letters and digits, joined by '-', '_' or '.'."
        )
    if id in encoders() or (own_folder() / f"{id}.toml").exists():
        raise InvalidRequest(f"There is an encoder called '{id}' already. Choose another name.")


def _named(specs: Iterable[EncoderSpec]) -> str:
    return ", ".join(spec.id for spec in specs)


def _ways(like: str, architecture: str) -> list[EncoderSpec]:
    """One entry for each way to read a file that a name can mean."""
    known = encoders()
    if like in known:
        return [known[like]]

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.casefold())

    named = [spec for spec in known.values() if plain(spec.method) == plain(like)]
    named = named or [spec for spec in known.values() if plain(like) and plain(spec.method).startswith(plain(like))]
    if not named:
        raise UnknownName("encoder or method", like, {spec.method for spec in known.values()})
    nets = {network(spec) for spec in named}
    if architecture:
        asked = architecture.partition(".")[0]
        named = [spec for spec in named if asked in (network(spec), spec.architecture)] or named
    elif len(nets) > 1:
        raise InvalidRequest(f"'{like}' stands for several networks. Name the architecture: {', '.join(sorted(nets))}.")
    return list({(_use(spec), _layout(spec.weights)): spec for spec in reversed(named)}.values())[::-1]


def _use(spec: EncoderSpec) -> tuple[object, ...]:
    """How the encoder is used once its weights are in place."""
    return spec.regime, spec.layout, spec.pooling, spec.options, spec.preprocessing, spec.architecture.partition(".")[0]


def _layout(file: WeightFile) -> tuple[object, ...]:
    return file.reader == "timm", file.container, file.prefix, file.drop, file.absent, file.keys


def _blank(name: str, options: Iterable[tuple[str, Any]]) -> architectures.Network:
    """The network without memory for its weights.

    Raises:
        UnknownName: nobody has a network of this name.
    """
    try:
        with torch.device("meta"):
            return architectures.build(name, options)
    except (RuntimeError, ValueError, TypeError) as error:
        some = {network(spec) for spec in encoders().values() if spec.line in ("small", "resnet50", "convnext", "vit")}
        raise UnknownName("architecture in the catalog or in timm", name, some) from error


def _reader(way: EncoderSpec) -> str:
    """How a person's file is opened that is read like `way`; what needed a conversion as published need not here."""
    return "namespace" if way.weights.reader in ("torch", "converted") else way.weights.reader


def _refusal(file: Path, reader: str) -> WeightsInvalid | None:
    """Why a file cannot be read within bounds; None when it can."""
    try:
        converting.rehearse(file, reader)
    except WeightsInvalid as error:
        return error
    return None


def _entry(
    file: Path, digest: str, id: str, way: EncoderSpec, architecture: str, refusal: WeightsInvalid | None
) -> EncoderSpec:
    """The entry of a file that is read like `way`, once the file has been loaded so.

    Raises:
        UnknownName: there is no such architecture.
        WeightsInvalid: the file does not fit.
    """
    name = architecture or way.architecture
    same = network(replace(way, architecture=name)) == network(way)
    options = way.options if same else ()
    blank = _blank(name, options)
    if not same and hasattr(blank, "blocks") != (way.layout != "map"):
        raise WeightsInvalid(f"{way.id} is cut as a '{way.layout}' network, and {name} is none.")
    reader = _reader(way)
    if refusal:
        if reader != "namespace" or not reading.converted_path(file).is_file():
            raise refusal
        reader = "converted"
    weights = WeightFile(
        file=str(file),
        sha256=digest,
        megabytes=round(file.stat().st_size / 1e6, 2),
        reader=reader,
        container=way.weights.container,
        prefix=way.weights.prefix,
        drop=way.weights.drop,
        absent=way.weights.absent,
        keys=way.weights.keys,
    )
    spec = EncoderSpec(
        id=id,
        label=f"{way.label.partition(' · ')[0] if same else name} · {id}",
        regime=way.regime,
        method=way.method,
        architecture=name,
        layout=way.layout,
        pooling=way.pooling,
        target_layer=way.target_layer if same else _target(way, blank),
        feature_dim=int(blank.num_features),
        preprocessing=way.preprocessing,
        weights=weights,
        heads=(),
        pretraining=Pretraining("unknown"),
        licence="unknown",
        paper="your own file",
        source=str(file),
        note=f"Your own file, read like {way.id}. What it learned from is not known here.",
        line=way.line,
        options=options,
    )
    classes = _try(spec)
    own_heads = [head for head in way.heads if head.weights.file == way.weights.file]
    return replace(spec, heads=tuple(head for head in (_head(spec, h, classes) for h in own_heads) if head))


def _target(way: EncoderSpec, blank: architectures.Network) -> str:
    if way.target_layer.startswith("blocks."):
        return f"blocks.{len(blank.blocks) - 1}.{way.target_layer.split('.', 2)[2]}"
    return str(blank.feature_info[-1]["module"])


def _try(spec: EncoderSpec) -> int:
    """Load the file as it will be loaded; the number of classes of the classifier timm found in it, 0 for none."""
    if spec.weights.reader == "timm":
        loaded = timm_files.load(spec)
        return 0 if loaded.classifier is None else len(loaded.classifier[0])
    reading.load_strictly(architectures.build(spec.architecture, spec.options), spec.weights)
    return 0


def _head(spec: EncoderSpec, published: NativeHead, classes: int) -> NativeHead | None:
    """The head of this very file in place of the published one; None when the file has none for its task."""
    expected = len(task(published.task).classes)
    file = replace(
        spec.weights,
        container=published.weights.container,
        prefix=published.weights.prefix,
        keys=published.weights.keys,
    )
    if not published.weight:
        return replace(published, weights=file) if classes == expected else None
    try:
        tensors = reading.state_dict(file)
    except InvariscopeError:
        return None
    weight, bias = tensors.get(published.weight), tensors.get(published.bias)
    fits = (
        weight is not None and weight.ndim == 2 and len(weight) == expected and not weight.shape[1] % spec.feature_dim
    )
    return replace(published, weights=file) if fits and (bias is not None or not published.bias) else None


def _plain(value: Any) -> Any:
    """A value as TOML knows it: no None, no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _write(spec: EncoderSpec) -> None:
    table = asdict(spec) | {"options": dict(spec.options)}
    if spec.published == Published():
        del table["published"]
    del table["id"]
    path = own_folder() / f"{spec.id}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x"):
            pass  # the name is taken from here on
        try:
            write_whole(path, tomli_w.dumps(_plain(table)).encode())
        except OSError:
            path.unlink()
            raise
    except FileExistsError:
        raise InvalidRequest(f"There is an encoder called '{spec.id}' already. Choose another name.") from None
    except OSError as error:
        raise WeightsUnavailable(
            f"The entry {path} could not be written: {error.strerror or error}. Choose --weights-dir."
        ) from error
