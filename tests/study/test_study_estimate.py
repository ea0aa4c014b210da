"""What a study is said to cost: sums by hand, and the images that measures really read."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_study_measures import FEW, SIDE, Shares, toy_encoder, toy_material
from torch import nn
from toys import spec

from core.encoders.encoder import freeze
from core.study import estimate
from core.study.cells import Cell
from core.study.estimate import FIT, ROW, Pace, cost
from core.study.measures import MEASURES
from core.study.plan import Plan
from core.study.protocols import PROTOCOLS
from core.study.protocols.base import Material

DEFAULTS = {
    "invariance": {"samples": 20, "strengths": 2, "augmentations": ["hue", "horizontal-flip", "rotation", "blur"]},
    "attribution": {"samples": 20, "paths": 8},
    "geometry": {"samples": 20, "bank": 20},
}


def plan(**changed: object) -> Plan:
    facts: dict = {"encoders": ("a", "b"), "datasets": ("folder:x",), "protocols": ("linear",)}
    return Plan("p", **(facts | changed))


def test_cost_of_answers_by_hand() -> None:
    sets = [{"train": 60, "test": 40}, {"train": 30, "val": 10, "test": 20}]
    found = cost(plan(seeds=3), sets, {"a": 10.0, "b": 5.0})
    # Three fits where the seed draws the validation split, one where the set brings its own.
    reading = 100 / 10 + 100 / 5 + 60 / 10 + 60 / 5
    assert found.seconds == pytest.approx(reading + 2 * (3 + 1) * FIT)
    assert found.megabytes == pytest.approx(2 * ROW * (3 * 40 + 1 * 20) / 1e6)
    assert found.untold == ()


def test_a_split_of_many_images_is_drawn_once() -> None:
    many = {"train": 50_000, "test": 10}
    assert [PROTOCOLS[id].seeds(many, 3) for id in ("linear", "knn", "few-shot", "fine-tune")] == [1, 1, 3, 3]
    few = many | {"train": 49_999}
    assert [PROTOCOLS[id].seeds(few, 3) for id in ("linear", "knn", "few-shot", "fine-tune")] == [3, 1, 3, 3]


def test_cost_of_a_measure_by_hand() -> None:
    sets = [{"train": 60, "test": 40}]
    given = {"attribution": {"samples": 30, "paths": 10}, "geometry": {"samples": 500, "bank": 20}}
    asked = plan(encoders=("a",), measures=("attribution", "geometry"), options=given)
    # Three passes an image, and nine points there and back of three orders; two views of the 40 images that there are.
    read = 100 + (3 * 30 + 10 * 9 * 2 * 3) + 2 * 40
    found = cost(asked, sets, {"a": 8.0})
    assert found.seconds == pytest.approx(read / 8)
    assert found.megabytes == pytest.approx((500 * 30 + 1200 * 40) / 1e6)


def test_invariance_counts_views_seeds_and_half_of_the_searches() -> None:
    given = {"invariance": {"samples": 30, "strengths": 2, "seeds": 3, "augmentations": ["hue", "horizontal-flip"]}}
    found = cost(plan(encoders=("a",), measures=("invariance",), options=given), [{"train": 5, "test": 40}], {"a": 1.0})
    # Two clean passes; hue at two strengths under three seeds, the flip once; four halvings for half of the answers.
    assert found.seconds == pytest.approx(45 + 30 * (2 + 2 * 3 + 4 / 2 + 1 + 4 / 2))


def test_what_cannot_be_told_is_named() -> None:
    asked = plan(protocols=("fine-tune", "knn", "few-shot"), encoders=("a",))
    found = cost(asked, [{"train": 60, "test": 40}], {"a": 10.0})
    assert found.untold == ("fine-tune", "few-shot")
    assert found.seconds == pytest.approx(100 / 10 + FIT)


def test_costs_of_sets_and_encoders_add_up() -> None:
    sets = [{"train": 60, "test": 40}, {"train": 7, "test": 9}]
    speeds = {"a": 10.0, "b": 3.0}
    both = cost(plan(measures=("answers", *MEASURES)), sets, speeds)
    parts = [
        cost(plan(encoders=(id,), measures=("answers", *MEASURES)), [one], speeds) for id in speeds for one in sets
    ]
    assert both.seconds == pytest.approx(sum(part.seconds for part in parts))
    assert both.megabytes == pytest.approx(sum(part.megabytes for part in parts))


def test_images_per_second_is_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first batch warms up; of the others the median counts."""
    clock = iter(np.cumsum([0, 9, 0, 1, 0, 2, 0, 4.0]).tolist())
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert estimate.images_per_second(toy_encoder(Shares())) == pytest.approx(32 / 2)


class Clock:
    """Time that goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def cell(encoder: str, dataset: str, measure: str = "answers", protocol: str = "linear", seed: int = 0) -> Cell:
    return Cell(encoder, dataset, protocol, seed, measure)


def test_pace_says_nothing_before_a_cell_is_done(clock: Clock) -> None:
    pace = Pace({"x": 100})
    clock.now += 50
    assert pace.remaining([cell("a", "x")]) is None


def test_pace_by_hand(clock: Clock) -> None:
    pace = Pace({"x": 100, "y": 300})
    clock.now += 30  # of which cells take 10 + 4 + 6: the other 10 went into reading the 100 images of x
    pace.told(cell("a", "x", "invariance"), 10)
    pace.told(cell("a", "x"), 4)
    pace.told(cell("a", "x", seed=1), 6)
    same = [cell("a", "x", seed=2), cell("a", "x", "invariance")]
    assert pace.remaining(same) == pytest.approx(5 + 10)
    assert pace.remaining([cell("a", "x", "geometry")]) == pytest.approx(10), "an unknown kind is as the slowest"
    assert pace.remaining([cell("a", "x", protocol="knn")]) == pytest.approx(10), "and so is another protocol"
    # y is still to be read by a, and x by b; each once, however many cells wait for it.
    unread = [cell("a", "y"), cell("a", "y", seed=1), cell("b", "x", "invariance")]
    assert pace.remaining(unread) == pytest.approx(5 + 5 + 10 + 0.1 * (300 + 100))
    assert pace.remaining([]) == 0


def test_pace_never_reads_backwards(clock: Clock) -> None:
    """Cells that ran beside each other take more seconds than have gone by."""
    pace = Pace({"x": 100, "y": 100})
    clock.now += 5
    for seed in range(4):
        pace.told(cell("a", "x", seed=seed), 5)
    assert pace.remaining([cell("a", "y")]) == pytest.approx(5)


class Counting(Shares):
    """The toy network, counting the images it is given."""

    seen = 0

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        type(self).seen += len(x)
        return super().forward_features(x)


def material_of(network: nn.Module) -> Material:
    """The toy's material as another network reads it: features of the same numbers."""
    encoder = freeze(spec("toy", dim=3, size=SIDE), network, torch.device("cpu"), "0" * 64)
    return replace(toy_material(Shares()), encoder=lambda: encoder)


@pytest.mark.parametrize("given", [FEW, DEFAULTS], ids=["few", "more"])
@pytest.mark.parametrize("id", MEASURES)
def test_measures_read_about_as_many_images_as_they_say(id: str, given: dict) -> None:
    material = replace(material_of(Counting()), options=given[id])
    Counting.seen = 0
    MEASURES[id].run(material)
    said = MEASURES[id].passes(given[id], len(material.test))
    assert Counting.seen > 0
    assert said / 1.5 <= Counting.seen <= said * 1.5, (said, Counting.seen)
