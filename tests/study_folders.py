"""Small labelled folders whose classes an untrained encoder tells apart: each has a colour."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}


def picture(colour: tuple[int, int, int], seed: int, side: int = 24) -> bytes:
    """A noisy square of a colour, as PNG."""
    rng = np.random.default_rng([*colour, seed])
    pixels = np.clip(np.array(colour) + rng.normal(0, 90, (side, side, 3)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def folder(root: Path, name: str, train: int = 12, test: int = 6, classes: int = 3) -> Path:
    """`root/name` with `train/` and `test/` of coloured pictures; returns it."""
    for part, count in (("train", train), ("test", test)):
        for label, (word, colour) in enumerate(list(COLOURS.items())[:classes]):
            place = root / name / part / word
            place.mkdir(parents=True)
            for i in range(count):
                seed = 1000 * label + i + (500 if part == "test" else 0) + sum(name.encode())
                (place / f"{i:03d}.png").write_bytes(picture(colour, seed))
    return root / name
