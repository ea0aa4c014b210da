"""What the catalog knows of an encoder; no weights, no network, no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Regime = Literal[
    "supervised",
    "self-supervised",
    "self-supervised-fine-tuned",
    "semi-supervised",
    "semi-weakly-supervised",
    "weakly-supervised",
    "vision-language",
    "distilled",
    "unknown",
    "random",
]
"""How an encoder was pre-trained. What is self-supervised by name and saw labels or captions has a regime of its own:
fine-tuned with labels afterwards, taught by a network that saw captions, or distilled from several teachers. Of a
person's own file it is unknown until the person says it."""

Line = Literal["small", "resnet50", "vit", "convnext", "other"]
"""The line of architectures an entry belongs to; within one, encoders are compared like with like."""

Family = Literal["SSL", "SL", "random", "other"]
REGIMES: tuple[str, ...] = get_args(Regime)
LINES: tuple[str, ...] = get_args(Line)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the model's input.

    Attributes:
        size: side of the square input in pixels.
        resize: the image's short side in pixels before the centre crop.
        interpolation: `bilinear` or `bicubic`, both antialiased.
        mean: subtracted from the [0, 1] channels.
        std: divided by, after the mean.
    """

    size: int
    resize: int
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of weights and how its keys become the network's.

    Attributes:
        file: its name in the weights folder, unique over the catalog; for a packaged one, its path below `assets/`.
        url: where it is published; empty for a packaged one.
        mirrors: other addresses of the same bytes, tried in order when the first fails.
        packaged: whether it ships with the app.
        sha256: of the file, or the first characters of it that the publisher states; empty when unknown.
        md5: the first characters that the publisher states; empty when unknown.
        megabytes: approximate size, to tell a person before the download; 0 when unknown.
        reader: how the file is opened, a key of `opening.reading.READERS`.
        container: keys that lead to the state dict inside the file.
        prefix: what every wanted key starts with; it is cut off.
        drop: keys with these beginnings, after the cut, are expected and not used.
        absent: keys of the network with these beginnings are not in the file and keep their first values.
        keys: how the published names become the network's, as `opening.keymaps.keymap` knows it; may be empty.
        terms: the licence to accept before a download, a key of `files.licences.TERMS`; may be empty.
    """

    file: str
    url: str = ""
    mirrors: tuple[str, ...] = ()
    packaged: bool = False
    sha256: str = ""
    md5: str = ""
    megabytes: float = 0.0
    reader: str = "torch"
    container: tuple[str, ...] = ()
    prefix: str = ""
    drop: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    keys: str = ""
    terms: str = ""

    @property
    def own(self) -> bool:
        """Whether it is a person's own, named by its place on this machine: nobody published it."""
        return Path(self.file).is_absolute()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is published, in the order in which it is asked for."""
        return tuple(url for url in (self.url, *self.mirrors) if url)


@dataclass(frozen=True, slots=True)
class NativeHead:
    """A classifier that was published with the encoder.

    Attributes:
        task: the label space it speaks.
        weights: the file it is in (often the encoder's own).
        weight: key of its (C, D) matrix; empty where it is the classifier of the network as timm loads it.
        bias: key of its (C,) offset; empty beside a weight where the file has none worth reading, and it is zero.
        pooling: what of the encoder it reads; a key of the layout's pooling recipes.
    """

    task: str
    weights: WeightFile
    weight: str
    bias: str
    pooling: str


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What an encoder learned from: data set, epochs, the augmentation in words, and the seed where one is known."""

    data: str
    epochs: int | None = None
    augmentation: str = "unknown"
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """ImageNet-1k top-1 in percent as its authors or a named measurement state it; None where nobody did.

    Attributes:
        linear: of a linear probe on frozen features.
        knn: of nearest neighbours on frozen features.
        supervised: of the classifier trained or fine-tuned with labels.
        source: who says so.
    """

    linear: float | None = None
    knn: float | None = None
    supervised: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """One catalog entry.

    Line, layout, pooling, target layer and width follow from the architecture (`catalog/architectures.toml`) where the
    entry does not say otherwise.

    Attributes:
        id: short and readable; it stands in links and file names.
        label: as people read it.
        regime: how it was pre-trained.
        method: the training method's usual name.
        architecture: a key of `core.encoders.architectures`.
        layout: how the network's output is laid out; a key of `core.encoders.layouts.LAYOUTS`.
        pooling: recipe that turns the last map into the feature.
        target_layer: the layer whose map is attributed, in words.
        feature_dim: D of the pooled feature.
        preprocessing: from image to input.
        weights: the file.
        heads: published classifiers.
        pretraining: data, epochs, augmentation, seed.
        licence: of the weights.
        paper: short reference.
        source: page of the weights.
        note: what a reader must know before comparing; may be empty.
        line: the line of architectures it belongs to.
        options: arguments of the architecture that differ from its name's, such as `num_heads`.
        published: accuracies as published.
        covers: its names in the literature's survey that the catalog was checked against.
    """

    id: str
    label: str
    regime: Regime
    method: str
    architecture: str
    layout: str
    pooling: str
    target_layer: str
    feature_dim: int
    preprocessing: Preprocessing
    weights: WeightFile
    heads: tuple[NativeHead, ...]
    pretraining: Pretraining
    licence: str
    paper: str
    source: str
    note: str = ""
    line: Line = "other"
    options: tuple[tuple[str, int | float | str | bool], ...] = ()
    published: Published = Published()
    covers: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """The encoder's own file, and those of its heads, each once."""
        return tuple({file.file: file for file in (self.weights, *(head.weights for head in self.heads))}.values())

    @property
    def non_commercial(self) -> bool:
        """Whether the licence of the weights forbids commercial use."""
        return any(mark in self.licence.upper() for mark in ("-NC", "NONCOMMERCIAL", "SEER"))

    @property
    def family(self) -> Family:
        """The side of the comparison an encoder stands on."""
        sides: dict[str, Family] = {"self-supervised": "SSL", "supervised": "SL", "random": "random"}
        return sides.get(self.regime, "other")
