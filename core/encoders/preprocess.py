"""From a checked image to the model's input, and to the crop a person should be shown."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.encoders.spec import Preprocessing
from core.errors import InvalidRequest

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def _resized(width: int, height: int, recipe: Preprocessing) -> tuple[int, int, int, int]:
    """Width and height after the short side was resized, and left and top of the crop there: as torchvision rounds."""
    short = min(width, height)
    wide, high = (int(recipe.resize * side / short) for side in (width, height))
    return wide, high, round((wide - recipe.size) / 2), round((high - recipe.size) / 2)


def seen_box(width: int, height: int, recipe: Preprocessing) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, in pixels of the original, of the square that reaches the model.

    Sides differ by less than a pixel of the model's where the resized long side is no whole number.
    """
    wide, high, left, top = _resized(width, height, recipe)
    across, down = width / wide, height / high
    return left * across, top * down, (left + recipe.size) * across, (top + recipe.size) * down


def model_crop(rgb: NDArray[np.uint8], recipe: Preprocessing) -> NDArray[np.uint8]:
    """The (size, size, 3) uint8 pixels that the model reads: short side resized, centre cropped, as torchvision does.

    Resampling the seen box alone would be the same up to rounding; to the level it is not, and published answers are
    those of torchvision's pixels.
    """
    wide, high, left, top = _resized(rgb.shape[1], rgb.shape[0], recipe)
    image = Image.fromarray(rgb).resize((wide, high), FILTERS[recipe.interpolation])
    return np.asarray(image.crop((left, top, left + recipe.size, top + recipe.size)))


def model_crops(pictures: Iterable[NDArray[np.uint8]], recipe: Preprocessing) -> NDArray[np.uint8]:
    """The (B, size, size, 3) uint8 crops of several pictures."""
    return np.stack([model_crop(rgb, recipe) for rgb in pictures])


def display_crop(rgb: NDArray[np.uint8], recipe: Preprocessing, side: int = 448) -> NDArray[np.uint8]:
    """The same square for people, (side, side, 3) uint8, at display instead of model resolution."""
    box = seen_box(rgb.shape[1], rgb.shape[0], recipe)
    return np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC, box=box))


def to_unit(crops: NDArray[np.uint8]) -> Tensor:
    """(B, 3, S, S) float32 in [0, 1] of (B, S, S, 3) uint8 crops: where augmentations act."""
    return torch.from_numpy(np.array(crops)).permute(0, 3, 1, 2).float().div_(255)


def normalise(unit: Tensor, recipe: Preprocessing) -> Tensor:
    """(B, 3, S, S) in [0, 1] with the encoder's mean and deviation, channels last in memory."""
    mean = torch.tensor(recipe.mean, device=unit.device, dtype=unit.dtype).view(1, 3, 1, 1)
    std = torch.tensor(recipe.std, device=unit.device, dtype=unit.dtype).view(1, 3, 1, 1)
    # One pass over the pixels instead of three: a sweep of a small encoder notices.
    out = torch.empty(unit.shape, device=unit.device, dtype=unit.dtype, memory_format=torch.channels_last)
    return torch.addcmul(-mean / std, unit, 1 / std, out=out)


def three(text: str, called: str) -> list[float] | None:
    """The numbers of three channels that a person typed with commas between them; None for nothing.

    Args:
        text: such as `0.5, 0.5, 0.5`.
        called: what they are, for the message.

    Raises:
        InvalidRequest: it is something else.
    """
    if not text.strip():
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise InvalidRequest(f"{called} takes three numbers with commas between them, R,G,B, not '{text.strip()}'.")
    return values


def changed(usual: Preprocessing | None, given: Mapping[str, Any]) -> Preprocessing:
    """A recipe with what a person says otherwise.

    Args:
        usual: of the network's own configuration; None where nobody has written it down.
        given: fields of `Preprocessing`, and `crop`, the share of the short side that the centre crop keeps; None says
            nothing.

    Raises:
        InvalidRequest: no size is known, or the numbers do not go together.
    """
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if v is not None}
    crop = fields.pop("crop", None)
    if usual is None:
        if "size" not in fields:
            raise InvalidRequest("Nobody has written down this network's input. Say --size, in pixels.")
        usual = Preprocessing(size=fields["size"], resize=fields["size"])
    if "size" in fields and "resize" not in fields and crop is None:
        crop = usual.size / usual.resize
    found = replace(usual, **fields)
    if crop is not None:
        if not 0 < crop <= 1:
            raise InvalidRequest(f"The crop keeps a share of the short side, above 0 and up to 1, not {crop}.")
        found = replace(found, resize=math.floor(found.size / crop))
    if not 16 <= found.size <= found.resize <= 4096:
        raise InvalidRequest(
            f"An input of {found.size} px cropped from a short side of {found.resize} px does not go: 16 px or more, "
            "and no more than the short side."
        )
    if min(found.std) <= 0:
        raise InvalidRequest("Each channel is divided by its standard deviation, which must be above 0.")
    return found
