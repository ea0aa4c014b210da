"""The whole picture with a frame around what encoders read of it, and a map where it belongs."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
NEARLY = 0.98  # share of both sides from which a frame would say nothing


def is_part(box: Box, width: int, height: int) -> bool:
    """Whether a box (left, top, right, bottom) leaves out enough of a picture to be drawn."""
    return box[2] - box[0] < NEARLY * width or box[3] - box[1] < NEARLY * height


def with_frames(picture: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.uint8]:
    """(H, W, 3) the picture with a frame along each box, light within dark, so that it shows on any picture."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width = max(1, round(max(image.size) / 240))
    for left, top, right, bottom in boxes:
        for inset, colour in ((0, "black"), (width, "white")):
            corners = (left + inset, top + inset, right - 1 - inset, bottom - 1 - inset)
            if corners[0] < corners[2] and corners[1] < corners[3]:
                draw.rectangle(corners, outline=colour, width=width)
    return np.asarray(image)


def placed(picture: NDArray[np.uint8], box: Box, square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) the picture with a square, such as a map over the crop, where the box is, and a frame around it."""
    left, top, right, bottom = (round(edge) for edge in box)
    out = picture.copy()
    size = (max(1, right - left), max(1, bottom - top))
    patch = np.asarray(Image.fromarray(square).resize(size, Image.Resampling.BICUBIC))
    inside = out[top : top + size[1], left : left + size[0]]
    inside[:] = patch[: inside.shape[0], : inside.shape[1]]
    return with_frames(out, [box])
