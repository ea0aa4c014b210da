"""Whether an entry's preprocessing is the one its network was trained with, told by BatchNorm.

A BatchNorm layer keeps mean and variance of what it saw in training. Photos that are prepared as they were then give
about the same again; others give another variance (a network of ImageNet's normalisation that gets [0, 1] sees a
nineteenth) or another mean. Red and blue swapped change little, so the two orders are held against each other. Only
what a person says of a file of their own needs this: published entries state it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from core import samples
from core.encoders import preprocess
from core.encoders.checked import Check
from core.encoders.encoder import Encoder
from core.encoders.spec import Preprocessing

NAME = "input-statistics"
PHOTOS = ("cat", "coffee", "rocket", "motorcycle", "astronaut", "flower", "temple", "brick", "page", "retina")
"""Samples that were taken with a camera, near enough to what encoders learn from."""
LAYERS = 3
"""The first layers alone: deeper ones depend on what a picture shows more than on how it was prepared."""
SHIFT, RATIO = 0.4, 0.8
"""Means over a layer's channels from which on statistics are others. Of 16 networks of eight kinds that saw Tiny
ImageNet, right preprocessing gave shifts up to 0.22 standard deviations and |log variance ratios| up to 0.24, which is
0.55 of these bounds, and wrong scales 1.95 times the bounds or more. EfficientNet-Lite 0, 1 and 2 as published: right
up to 0.21 and 0.44, wrong from a ratio of 1.39 on."""
NEARER = 1.4
"""So many times nearer must another preprocessing be than the given one to be named: of networks that saw nothing but
flowers the right one is up to 1.6 bounds apart, and the next usual one up to 1.31 times nearer by chance."""
CLEARLY = 3
"""Where none fits, as with pictures unlike photos, another preprocessing must be this many times nearer to be named."""
SWAPPED = 1.8
"""So many times nearer must the other order of red and blue be to count. Trained networks of the packaged family are
2.06 to 3.17 times nearer in their own order, random weights that saw photos or flowers 1.54 to 3.48 times; of those
that saw aerial images, with little red in them, the wrong order is up to 1.64 times nearer by chance."""
TURNED = 1.25
"""The same where the given input does not fit at all, and another must be `NEARER` besides."""
TURN = "turn its first layer's weight in the file (weight[:, [2, 1, 0]]) and "
DEAD = 1e-4
"""Share of a layer's middle variance below which a channel is silent and its statistics say nothing."""

Numbers = tuple[float, float, float]
USUAL: dict[str, tuple[Numbers, Numbers]] = {
    "ImageNet's mean and deviation": (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
    "0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "0 to 255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "0 to 255 less ImageNet's mean": (IMAGENET_DEFAULT_MEAN, (1 / 255, 1 / 255, 1 / 255)),
    "0 to 255 less ImageNet's mean, blue's first": (IMAGENET_DEFAULT_MEAN[::-1], (1 / 255, 1 / 255, 1 / 255)),
    (CIFAR := "CIFAR's mean and deviation"): ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
"""Mean and deviation, of channels in [0, 1], by the words for them."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How far statistics of photos are from those of training, at the layer where they are furthest.

    Attributes:
        shift: mean over channels of the difference of means, in standard deviations of training.
        ratio: mean over channels of |log(variance of photos / variance of training)|.
        means: root mean square over channels of that difference of means, summed over the layers.
    """

    shift: float
    ratio: float
    means: float

    @property
    def far(self) -> float:
        """1 and less for statistics that agree."""
        return max(self.shift / SHIFT, self.ratio / RATIO)

    @property
    def words(self) -> str:
        """The two numbers for people."""
        return f"mean {self.shift:.2f} deviations and log variance {self.ratio:.2f} apart"


def of_input(encoder: Encoder) -> list[Check]:
    """Whether photos under the entry's preprocessing give the statistics that BatchNorm kept of training.

    Args:
        encoder: on the CPU, in evaluation mode.

    Returns:
        One check; none where there is no BatchNorm near the input, or it is folded away or as it began.
    """
    given = encoder.spec.preprocessing
    crops = preprocess.model_crops((samples.image(id).rgb for id in PHOTOS), given)
    photos = {False: preprocess.to_unit(crops), True: preprocess.to_unit(crops[..., ::-1])}
    found, other = (_apart(encoder, photos[turned], given) for turned in (False, True))
    if found is None or other is None:
        return []
    what = f"Photos give the statistics of training's first BatchNorm layers: {found.words}."
    if found.far <= 1:
        if other.far > 1 or other.means * SWAPPED > found.means:
            return [Check(NAME, True, what)]
        flags = _flags(given.mean[::-1], given.std[::-1])
        what = "Photos with red and blue swapped give the means of training's first BatchNorm layers more nearly"
        apart = f"{other.means:.2f} deviations apart, not {found.means:.2f}"
        return [Check(NAME, False, f"{what}: {apart}. It reads blue first (BGR): {TURN}{flags}.")]
    others: dict[tuple[str, bool, Numbers, Numbers], Apart] = {}
    for words, (mean, std) in USUAL.items():
        plain = _apart(encoder, photos[False], replace(given, mean=mean, std=std))
        # Blue first with red's numbers first, as OpenCV's photos often get, or with blue's.
        for numbers in ((mean, std), (mean[::-1], std[::-1])):
            turned = _apart(encoder, photos[True], replace(given, mean=numbers[0], std=numbers[1]))
            if plain is not None and turned is not None:
                is_turned = max(turned.far / plain.far, turned.means / plain.means) < 1 / TURNED
                others[words, is_turned, *(numbers if is_turned else (mean, std))] = turned if is_turned else plain
    # CIFAR's numbers are ImageNet's but for a tenth, which hardly shows.
    best = min(others, key=lambda choice: others[choice].far * (NEARER if choice[0] == CIFAR else 1))
    unlike = f"Photos give other statistics than training's first BatchNorm layers hold: {found.words}"
    if others[best].far > min(max(1, found.far / CLEARLY), found.far / NEARER):
        return [
            Check(
                NAME,
                True,
                f"{unlike}. No usual preprocessing is clearly nearer, so it was trained on pictures unlike photos or "
                "with an input of its own: not judged.",
            )
        ]
    words, is_turned, mean, std = best
    if is_turned:
        mean, std = mean[::-1], std[::-1]
    return [
        Check(
            NAME,
            False,
            f"{unlike}. Input of {words}{' with blue first (BGR)' if is_turned else ''} would fit better "
            f"({others[best].words}): {TURN if is_turned else ''}{_flags(mean, std)}.",
        )
    ]


def _flags(mean: Numbers, std: Numbers) -> str:
    said = (",".join(f"{value:.4g}" for value in numbers) for numbers in (mean, std))
    return "add the file again with --mean {} --std {}".format(*said)


def _apart(encoder: Encoder, photos: Tensor, recipe: Preprocessing) -> Apart | None:
    """The layer of the first that agrees least, for (N, 3, S, S) photos in [0, 1]; None where none can tell."""
    inputs = preprocess.normalise(photos, recipe)
    with torch.inference_mode(), _watched(encoder) as seen, suppress(_Enough):
        encoder.trunk(inputs)
    layers = [_compared(layer, values) for layer, values in seen]
    if not layers:
        return None
    return replace(max(layers, key=lambda layer: layer.far), means=sum(layer.means for layer in layers))


class _Enough(Exception):
    """Ends a forward pass behind the last layer that is asked."""


@contextmanager
def _watched(encoder: Encoder) -> Iterator[list[tuple[_BatchNorm, Tensor]]]:
    """What the first trained BatchNorm layers of a pass read, in the order in which they are reached."""
    seen: list[tuple[_BatchNorm, Tensor]] = []

    def look(layer: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if isinstance(layer, _BatchNorm) and arguments[0].ndim == 4:
            seen.append((layer, arguments[0]))
            if len(seen) == LAYERS:
                raise _Enough

    hooks = [layer.register_forward_pre_hook(look) for layer in encoder.network.modules() if _is_trained(layer)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _is_trained(layer: torch.nn.Module) -> bool:
    """Whether a layer is BatchNorm that has seen data; what was folded into a convolution is as it began."""
    if not isinstance(layer, _BatchNorm) or layer.running_mean is None or layer.running_var is None:
        return False
    return not bool((layer.running_mean == 0).all() or (layer.running_var == 1).all())


def _compared(layer: _BatchNorm, values: Tensor) -> Apart:
    """Statistics of (N, C, H, W) values beside those of training, C channels of which count that are not silent."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    kept, mean = layer.running_var.double(), layer.running_mean.double()
    alive = kept > DEAD * kept.median()
    flat = values.double().transpose(0, 1).flatten(1)
    shift = (flat.mean(dim=1) - mean).abs() / (kept + layer.eps).sqrt()
    ratio = ((flat.var(dim=1) + layer.eps) / (kept + layer.eps)).log().abs()
    shift = shift[alive]
    return Apart(shift.mean().item(), ratio[alive].mean().item(), shift.square().mean().sqrt().item())
