"""The Parquet files of a study, and intervals of what they hold, with pandas and SciPy alone."""

import json
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

DRAWS = 500


class Figure(NamedTuple):
    """An estimate with its 95 % limits, and the draws that these come from, if any."""

    value: float
    low: float
    high: float
    draws: np.ndarray | None = None


def normal(values: np.ndarray) -> Figure:
    half = 1.96 * stats.sem(values)
    return Figure(values.mean(), values.mean() - half, values.mean() + half)


def student(values: pd.Series) -> Figure:
    values = values.dropna().astype(float)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return Figure(values.mean(), low, high)


def bootstrap(value: float, draws: np.ndarray, basic: bool = False) -> Figure:
    low, high = np.quantile(draws, [0.025, 0.975])
    ends = sorted((2 * value - high, 2 * value - low)) if basic else [low, high]
    return Figure(value, min(ends[0], value) if basic else ends[0], max(ends[1], value) if basic else ends[1], draws)


def independent(sides: list[list[Figure]]) -> Figure:
    """Mean of the first sets minus that of the second, variances read off the intervals' widths and added."""
    means = [np.mean([one.value for one in side]) if side else 0.0 for side in sides]
    variance = sum(sum(((one.high - one.low) / 3.92) ** 2 for one in side) / max(1, len(side)) ** 2 for side in sides)
    value, half = means[0] - means[1], 1.96 * variance**0.5
    return Figure(value, value - half, value + half)


Combine = Callable[[list[Figure]], Figure]


class Study:
    """The files of a study folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.sets = {id: about for id, about in self.manifest["datasets"].items() if about["domain"] != "source"}
        assert {about["metric"] for about in self.sets.values()} == {"top-1"}
        self.weights: dict[int, np.ndarray] = {}

    def read(self, table: str, pattern: str) -> pd.DataFrame:
        return pd.concat([pd.read_parquet(path) for path in sorted((self.folder / table).glob(pattern))])

    def drawn(self, units: int) -> np.ndarray:
        """(DRAWS, units) how often each unit is drawn."""
        if units not in self.weights:
            rng = np.random.default_rng(units)
            self.weights[units] = rng.multinomial(units, np.full(units, 1 / units), DRAWS).astype(float)
        return self.weights[units]

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The sets of each side, and each set by itself."""
        sides = {"different sets": ("different",), "all sets": ("different", "similar"), "similar sets": ("similar",)}
        found = {name: [id for id in self.sets if self.sets[id]["domain"] in of] for name, of in sides.items()}
        return found | {f"on {about['label']}": [id] for id, about in self.sets.items()}

    def over(
        self, by_set: dict[str, Figure], combine: Callable[[list[Figure]], Figure]
    ) -> Iterator[tuple[str, Figure]]:
        for on, ids in self.groups.items():
            if of := [by_set[id] for id in ids if id in by_set]:
                yield on, combine(of)

    @cache  # noqa: B019 - there is one study a test run
    def answers(self, protocol: str, dataset: str, pair: tuple[str, str]) -> pd.DataFrame:
        parts = [self.read("cells", f"{dataset}.{protocol}.{encoder}.*.parquet") for encoder in pair]
        table = pd.concat(parts, ignore_index=True)
        table["right"] = (table["prediction"] == table["label"]).astype(float)
        episodic = table["episode"].notna()
        table["unit"] = (
            table["sample_id"]
            .astype(str)
            .where(~episodic, table["seed"].astype(str) + "/" + table["episode"].astype(str))
        )
        return table

    def runs(self, encoder: str) -> list[str]:
        """Other encoders that only a training seed tells from this one."""

        def recipe(id: str) -> str:
            about = self.manifest["encoders"][id]
            return json.dumps({k: v for k, v in about.items() if k not in ("label", "weights", "training_seed")})

        trained = [id for id, about in self.manifest["encoders"].items() if about["family"] != "random"]
        return [id for id in trained if id != encoder and encoder in trained and recipe(id) == recipe(encoder)]
