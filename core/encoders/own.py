"""A person's own file of weights as an entry: any network that timm or the catalog knows.

Nothing is copied. The entry is a table in the weights folder that names the file, and says of its training what the
person said: nothing is taken over from a neighbour in silence. Where in the file the weights are is found by rule
(`opening.finding`), and the entry's note says what was taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from core import public
from core.encoders import encoder, own_entries, own_namings, preprocess, skeletons, timm_files, trial
from core.encoders.files.hashes import sha256_of
from core.encoders.opening import converting, finding, kinds, reading
from core.encoders.opening.keymaps import BUILT
from core.encoders.own_networks import is_known, like_which, named_inside
from core.encoders.own_spelling import patch_of, usual_name, with_patches
from core.encoders.partners import network
from core.encoders.registry import encoder_spec, untagged
from core.encoders.spec import REGIMES, EncoderSpec, NativeHead, Pretraining, WeightFile
from core.errors import InvalidRequest, UnknownName, WeightsInvalid, WeightsUnavailable
from core.paths import expanded
from core.tasks import task

PERMISSION = "INVARISCOPE_ALLOW_PATHS"
"""The environment variable with which a server's owner lets visitors name files on it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a file of weights; what is left empty is found, taken from `like`, or stays unknown.

    Attributes:
        architecture: the network, as timm calls it or as the catalog does; without it, and without `like`, the file's
            own word for it counts.
        like: an entry of the catalog, or a method, whose network, regime, method and preprocessing it shares.
        regime: how it was pre-trained, one of `REGIMES`.
        method: the training method's name.
        container: keys that lead to the weights inside the file, joined by dots; None leaves it to the rule.
        prefix: what their names begin with; None leaves it to the rule.
        drop: beginnings of names, after the prefix, that are not to be used.
        preprocessing: fields of `Preprocessing` that differ from what the architecture's own configuration says, and
            `crop`, the share of the short side that the centre crop keeps.
    """

    architecture: str = ""
    like: str = ""
    regime: str = ""
    method: str = ""
    container: str | None = None
    prefix: str | None = None
    drop: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


def allowed() -> bool:
    """Whether visitors of this server may name files on it; strangers never may."""
    return public.switched_on(PERMISSION) and not public.is_public()


def add(path: str | Path, id: str, said: Said) -> EncoderSpec:
    """The new entry for a file of weights on this machine; it stays where it is and is loaded once, as a trial.

    Args:
        path: the file.
        id: what the encoder will be called.
        said: what is known of it.

    Returns:
        The entry; its note says which tensors were taken, and what was left out.

    Raises:
        InvalidRequest: the id is taken or no good name, nothing says the network, or `like` stands for several.
        UnknownName: there is no such `like`, regime or architecture.
        WeightsUnavailable: there is no such file, or the entry could not be written.
        WeightsInvalid: the file is no checkpoint, does not fit, or gives no features.
    """
    own_entries.check_id(id)
    file = expanded(str(path), "The file").absolute()
    if file.is_dir():
        raise WeightsUnavailable(f"{file} is a folder. Give the path of the file of weights in it.")
    if not file.is_file():
        raise WeightsUnavailable(f"There is no file {file} on this machine. Give the path of the file of weights.")
    like = like_which(said.like, said.architecture) if said.like else None
    if said.regime and said.regime not in REGIMES:
        raise UnknownName("regime", said.regime, REGIMES)
    name, inside, opened = said.architecture or (like.architecture if like else ""), "", None
    if not name:
        opened = _opened(file)
        name, inside = named_inside(opened[1])
    elif not is_known(name):
        opened = _opened(file)
        name = usual_name(name, finding.every_tensor(opened[1]))
    if not name:
        raise InvalidRequest("Say which network it is: --arch NAME, as timm calls it, or --like ID of the catalog.")
    spec = _described(file, id, name, like, said)
    spec, places = _placed(spec, *(opened or _opened(file)), said)
    loaded, classes = _loaded(spec)
    trial.require_features(loaded)
    spec = replace(spec, heads=_heads(spec, classes))
    own_entries.write(replace(spec, note=_note(spec, places, like, inside, said)))
    return encoder_spec(id)


def _is_of(like: EncoderSpec, name: str) -> bool:
    """Whether an entry's network is the one called so; only then input and cut are the same."""
    return network(replace(like, architecture=name)) == network(like)


def _described(file: Path, id: str, name: str, like: EncoderSpec | None, said: Said) -> EncoderSpec:
    """The entry as far as it follows from the network and from what was said; where the weights are is still open."""
    # It takes seconds to import, and only who adds a file needs it.
    from core.encoders import timm_catalog

    twin = like if like is not None and _is_of(like, name) else None
    options = twin.options if twin else ()
    if untagged(name) not in timm_catalog.names():
        raise UnknownName("architecture in the catalog or in timm", name, timm_catalog.names())
    blank = skeletons.blank(name, options)
    facts = timm_catalog.facts_of_network(name, blank)
    if twin:
        facts |= {"layout": twin.layout, "pooling": twin.pooling, "target_layer": twin.target_layer}
    usual = twin.preprocessing if twin else timm_catalog.preprocessing_of(blank)
    return EncoderSpec(
        id=id,
        label=f"{twin.label.partition(' · ')[0] if twin else name} · {id}",
        regime=said.regime or (like.regime if like else "unknown"),  # type: ignore[arg-type]  # of REGIMES
        method=said.method or (like.method if like else "unknown"),
        architecture=name,
        preprocessing=preprocess.changed(usual, said.preprocessing),
        weights=WeightFile(
            file=str(file),
            sha256=sha256_of(file),
            megabytes=round(file.stat().st_size / 1e6, 2),
            absent=twin.weights.absent if twin else (),
        ),
        heads=(),
        pretraining=Pretraining("unknown"),
        licence="unknown",
        paper="your own file",
        source=str(file),
        options=options,
        **facts,
    )


def _opened(file: Path) -> tuple[str, object]:
    """The reader that opens a file, and what it holds; a conversion beside it stands for what cannot be read."""
    if clause := kinds.other_kind(file):
        raise WeightsInvalid(f"{file} was not read: {clause}.")
    reader = "zip" if kinds.is_packed(file) else "namespace"
    try:
        converting.rehearse(file, reader)
    except WeightsInvalid:
        if not reading.converted_path(file).is_file():
            raise
        reader = "converted"
    return reader, reading.opened(file, reader)


def _placed(spec: EncoderSpec, reader: str, content: object, said: Said) -> tuple[EncoderSpec, list[finding.Place]]:
    """The entry with the place of its weights, and every place that fits, the one that was taken first."""
    blank = skeletons.blank(spec.architecture, spec.options)
    wanted = blank.state_dict()
    namings = own_namings.namings(blank, said.drop)
    found, nearest = finding.places(content, wanted, namings, spec.weights.absent)
    fitting = [place for place in found if _is_asked(place, said)]
    file = spec.weights.file
    if not fitting:
        if found:
            places = "; ".join(place.words for place in found)
            raise WeightsInvalid(f"{file} has no weights of {spec.architecture} there. They are in {places}.")
        if nearest is None and isinstance(content, list | tuple):
            raise WeightsInvalid(
                f"{file} holds a list of {len(content)} and not one network. Save one of them: "
                "torch.save(torch.load(FILE)[0], NEW)."
            )
        if nearest is None:
            raise WeightsInvalid(f"{file} holds no named tensors, so no network can be filled from it.")
        other = _better(spec.architecture, content) or ("for another network" if nearest.is_another else "")
        raise WeightsInvalid(
            f"{file} does not fit {spec.architecture}: {nearest.listing}. Probably {nearest.guess}."
            + (f" Say --arch {other}." if other else "")
        )
    taken = fitting[0]
    by_timm = taken.keys.endswith(own_namings.BY_TIMM)
    weights = replace(
        spec.weights,
        # timm's loader does the naming; a conversion, an archive or a container is opened on the way to it alike.
        reader="timm" if by_timm else reader,
        container=taken.container,
        prefix=taken.prefix,
        drop=(*said.drop, *taken.drop),
        keys=taken.keys.removesuffix(own_namings.BY_TIMM).strip(),
    )
    if by_timm and not {"head.", "fc."} & {*taken.drop}:
        # timm's loader would look for a classifier.
        spec = replace(spec, options=(*spec.options, ("num_classes", 0)))
    return replace(spec, weights=weights, options=(*spec.options, *BUILT.get(taken.keys, ()))), fitting


def _note(spec: EncoderSpec, places: list[finding.Place], like: EncoderSpec | None, inside: str, said: Said) -> str:
    """What was found in a file and what was taken from elsewhere, as sentences for its card."""
    taken, text = places[0], ""
    for head in spec.heads:
        name = head.weight.removesuffix(".weight") or "its classifier"
        text += f" {name}: 1000 classes, taken for ImageNet-1k's because there are 1,000."
        # What is used is not left out.
        left = tuple(words for words in taken.left if not f"{name} ".startswith(words.partition(" ")[0]))
        taken = replace(taken, left=left)
    text = f"Your own file. {finding.said([taken, *places[1:]])}{text}"
    for name, value in BUILT.get(taken.keys, ()):
        text += f" Built with {name} {value:g}, as there."
    if inside:
        text += f" The file names its network itself: {spec.architecture} ('{inside}')."
    if like is not None:
        over = [f"{what} {getattr(spec, what)}" for what in ("regime", "method") if not getattr(said, what)]
        if _is_of(like, spec.architecture):
            given = any(value is not None for value in said.preprocessing.values())
            over.append("what is not said of the preprocessing" if given else "preprocessing")
        text += f" Taken over from {like.id}: {', '.join(over)}." if over else ""
    return text


def _better(architecture: str, content: object) -> str:
    """The network that differs from the named one in the side of its patches alone, as the file has them."""
    patch = patch_of(finding.every_tensor(content))
    other = with_patches(architecture, patch) if patch else architecture
    return other if other != architecture and is_known(other) else ""


def _is_asked(place: finding.Place, said: Said) -> bool:
    """Whether a place is the one that was named, or nobody named one."""
    in_container = said.container is None or said.container == ".".join(place.container)
    return in_container and (said.prefix is None or said.prefix == place.prefix)


def _loaded(spec: EncoderSpec) -> tuple[encoder.Encoder, int]:
    """The file loaded as it will be, and the number of classes of the classifier that timm found in it, 0 for none."""
    cpu, digest = torch.device("cpu"), spec.weights.sha256
    if spec.weights.reader == "timm":
        built, classifier = timm_files.load(spec)
        classes = 0 if classifier is None else len(classifier[0])
        return encoder.freeze(spec, built, cpu, digest, classifier), classes
    built = skeletons.build(spec)
    reading.load_strictly(built, spec.weights)
    return encoder.freeze(spec, built, cpu, digest), 0


def _heads(spec: EncoderSpec, classes: int) -> tuple[NativeHead, ...]:
    """A classifier of ImageNet-1k's 1,000 classes that lies in the file beside the network, as its head."""
    count = len(task("imagenet-1k").classes)
    if spec.weights.reader == "timm":
        return (NativeHead("imagenet-1k", spec.weights, "", "", spec.pooling),) if classes == count else ()
    tensors = reading.state_dict(spec.weights)
    for weight, tensor in tensors.items():
        bias = weight.removesuffix("weight") + "bias"
        is_classifier = weight.endswith(".weight") and weight.startswith(spec.weights.drop or ("\0",))
        if is_classifier and tensor.ndim == 2 and tensor.shape == (count, spec.feature_dim) and bias in tensors:
            return (NativeHead("imagenet-1k", spec.weights, weight, bias, spec.pooling),)
    return ()
