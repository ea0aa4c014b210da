"""What the catalog knows of an encoder; no weights, no network, no torch."""

from dataclasses import dataclass
from typing import Literal, get_args

Regime = Literal["supervised", "self-supervised", "semi-supervised", "weakly-supervised", "vision-language", "random"]
Family = Literal["SSL", "SL", "random", "other"]
REGIMES: tuple[str, ...] = get_args(Regime)


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
        packaged: whether it ships with the app.
        sha256: of the file, or the first characters of it that the publisher states; empty when unknown.
        megabytes: approximate size, to tell a person before the download; 0 when unknown.
        container: keys that lead to the state dict inside the file.
        prefix: what every wanted key starts with; it is cut off.
        drop: keys with these beginnings, after the cut, are expected and not used.
    """

    file: str
    url: str = ""
    packaged: bool = False
    sha256: str = ""
    megabytes: float = 0.0
    container: tuple[str, ...] = ()
    prefix: str = ""
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NativeHead:
    """A classifier that was published with the encoder.

    Attributes:
        task: the label space it speaks.
        weights: the file it is in (often the encoder's own).
        weight: key of its (C, D) matrix.
        bias: key of its (C,) offset.
        pooling: what of the encoder it reads; a key of the layout's pooling recipes.
    """

    task: str
    weights: WeightFile
    weight: str
    bias: str
    pooling: str


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What an encoder learned from: data set, epochs, and the augmentation in words."""

    data: str
    epochs: int | None
    augmentation: str = "unknown"


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """One catalog entry.

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
        pretraining: data, epochs, augmentation.
        licence: of the weights.
        paper: short reference.
        source: page of the weights.
        note: what a reader must know before comparing; may be empty.
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

    @property
    def family(self) -> Family:
        """The side of the comparison an encoder stands on."""
        sides: dict[str, Family] = {"self-supervised": "SSL", "supervised": "SL", "random": "random"}
        return sides.get(self.regime, "other")
