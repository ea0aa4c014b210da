"""Own sets with masks beside them: pictures of a bright rectangle, which the mask marks."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from study_runs import FEW, toy_setup

from core.results import store
from core.results.info import StudyInfo
from core.study import run as running

WIDE, HIGH = 60, 36


def draw(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def photographed(top: Path, pictures: str, masks: str = "masks/", ending: str = "jpg") -> dict[str, np.ndarray]:
    """A set of two classes whose pictures show a bright rectangle; its masks by the paths that ids have."""
    rng, found = np.random.default_rng(0), {}
    for part, count in (("train", 6), ("test", 5)):
        for label, name in enumerate(("cat", "dog")):
            for i in range(count):
                left, above = rng.integers(14, 26), rng.integers(4, 16)
                mask = np.zeros((HIGH, WIDE), bool)
                mask[above : above + 16, left : left + 22] = True
                colour = np.array([[230, 60, 40], [40, 90, 230]])[label]
                pixels = np.where(mask[:, :, None], colour, 20) + rng.integers(0, 20, (HIGH, WIDE, 3))
                draw(top / f"{pictures}{part}/{name}/{i}.{ending}", pixels)
                if part == "test" and i:  # the first one has none
                    draw(top / f"{masks}{part}/{name}/{i}.png", mask * 255)
                    found[f"test/{name}/{i}.{ending}"] = mask
    return found


def studied(root: Path, pair: tuple[str, str]) -> StudyInfo:
    """A study of two such sets, in `root/results`: `near` has masks, `far` has none."""
    for name in ("near", "far"):
        photographed(root / "data" / name, "")
    shutil.rmtree(root / "data/far/masks")
    options = {"attribution": FEW["attribution"]}
    setup = toy_setup(root, encoders=pair, measures=("answers", "attribution"), options=options, seeds=1)
    assert not [event.reason for event in running.study(setup) if event.kind == "failed"]
    return store.study("toy", [str(root / "results")])
