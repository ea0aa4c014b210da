"""A study with every measure on two sets of faint, noisy patterns: hard enough that contenders disagree."""

from pathlib import Path

import numpy as np
from PIL import Image

from core.results import store
from core.results.info import StudyInfo
from core.study import run as running
from core.study.engines.base import Setup
from core.study.plan import Plan

NAME = "measured"
PAIR = ("supervised", "simclr")
SETS = {"near": "similar", "mid": "similar", "far": "different", "off": "different"}
"""Domains by data set; `far` has the most images, the others too few to tell who is right image by image."""
LARGE = "far"
AUGMENTATIONS = ("hue", "scale", "blur")
"""One with draws, one whose strengths descend, and one that no contender was trained with."""
OPTIONS = {
    "invariance": {"samples": 100, "strengths": 2, "seeds": 2, "augmentations": list(AUGMENTATIONS)},
    "attribution": {"samples": 100, "paths": 2},
    "geometry": {"samples": 100, "bank": 100},
}
CLASSES = ("flat", "slanted", "steep")
SIDE = 24


def draw(root: Path, name: str, contrast: float, seed: int, train: int, val: int, test: int) -> None:
    """`root/name` with stripes of three directions below colours and noise that say nothing."""
    down, right = np.indices((SIDE, SIDE))
    rng = np.random.default_rng(seed)
    for part, count in (("train", train), ("test", test), ("val", val)):
        for number, word in enumerate(CLASSES):
            place = root / name / part / word
            place.mkdir(parents=True)
            turn = np.pi * number / len(CLASSES)
            for i in range(count):
                wave = np.sin((np.cos(turn) * down + np.sin(turn) * right) * 1.1 + rng.uniform(0, 6.3))
                pixels = rng.uniform(70, 185, 3) + contrast * wave[:, :, None] + rng.normal(0, 30, (SIDE, SIDE, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{i:03d}.png")


def build(root: Path, measures: tuple[str, ...] = ("answers", "invariance", "attribution", "geometry")) -> StudyInfo:
    """Draw the sets below a folder, run the study, and open it in `root/results`."""
    draw(root / "data", LARGE, 4, 308, train=10, val=6, test=10)
    for number, name in enumerate(name for name in SETS if name != LARGE):
        draw(root / "data", name, 14, number, train=4, val=2, test=3)
    addresses = tuple(f"folder:{name}?domain={domain}" for name, domain in SETS.items())
    options = {id: given for id, given in OPTIONS.items() if id in measures}
    plan = Plan(NAME, (*PAIR, "random"), addresses, ("linear",), 1, measures=measures, options=options)
    setup = Setup(plan, str(root / "results" / NAME), root / "cache", root / "data", "cpu")
    events = list(running.study(setup))
    assert not [event.reason for event in events if event.kind == "failed"]
    return opened(root)


def opened(root: Path) -> StudyInfo:
    """What `build` made there."""
    return store.study(NAME, [str(root / "results")])
