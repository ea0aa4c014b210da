"""Invariance of features, answers and maps under every augmentation, image by image, strength by strength.

A mean over images would hide what the paper's explanation is about: whether the images that an encoder gets right are
those on which it is invariant. So rows are kept for every image, and of every image also how much of each augmentation
its answer withstands.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core import invariance
from core.augmentations import AUGMENTATIONS
from core.augmentations.spec import Augmentation
from core.encoders.preprocess import to_unit
from core.errors import InvalidRequest, UnknownName
from core.invariance import Clean, Views
from core.metrics import invariance as metrics
from core.metrics.invariance import Whitener
from core.readout import Contender
from core.results import schema
from core.study.features import by_hash
from core.study.measures.base import Chosen, Found, Measure, choose, contender
from core.study.protocols.base import Material
from core.study.settings import Settings

BLOCK = 256
"""Images whose pixels are in memory at once."""
BANK = 5000
"""Training features that the whitener is fitted on, at most."""
SAMPLES, STRENGTHS = 200, 6
"""Images of a set and strengths of an augmentation, unless a plan says otherwise."""
DRAWS = 8
"""Random draws that images share: each image takes one by its hash. Views of one draw are made together, which for a
rotation is far cheaper, and eight of them are enough for the sense of a turn to differ between images."""
HALVINGS = 4
"""Steps of the search for the strength that flips an answer: a sixteenth of the gap between two strengths."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The settings of a plan, or the defaults."""

    samples: int
    seeds: int
    strengths: int
    shrinkage: float
    augmentations: list[Augmentation]


def asked(options: Mapping[str, Any]) -> Asked:
    """What a plan asks for.

    Raises:
        InvalidRequest: an option is out of range.
        UnknownName: there is no such augmentation.
    """
    given = Settings("measure invariance", options, INVARIANCE.options)
    names = options.get("augmentations", list(AUGMENTATIONS))
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidRequest("Option 'augmentations' of measure invariance must be a list of names.")
    for name in names:
        if name not in AUGMENTATIONS:
            raise UnknownName("augmentation", name, AUGMENTATIONS)
    return Asked(
        samples=given.whole("samples", SAMPLES, 10, 5000),
        seeds=given.whole("seeds", 1, 1, invariance.MAX_SEEDS),
        strengths=given.whole("strengths", STRENGTHS, 2, 32),
        shrinkage=given.real("shrinkage", 0.1, 0, 1),
        augmentations=[AUGMENTATIONS[name] for name in dict.fromkeys(names)],
    )


def run(material: Material) -> Found:
    """Rows as `schema.INVARIANCE` and `schema.CRITICAL` say, and the floors that similarities are read against.

    Raises:
        InvalidRequest: an option is out of range.
        UnknownName: there is no such augmentation.
        DataUnavailable: images cannot be read.
    """
    given = asked(material.options)
    who, chosen = contender(material), choose(material, given.samples)
    bank = material.train.values[by_hash(material.train.ids, BANK)]
    space = Space(bank, _clean_features(who, chosen), given.shrinkage)
    found: dict[str, list[pa.Table]] = {"critical": [], "invariance": []}
    for start in range(0, len(chosen.ids), BLOCK):
        block = slice(start, start + BLOCK)
        reference = invariance.clean(who, to_unit(chosen.crops[block]))
        for augmentation in given.augmentations:
            work = Curve(who, reference, augmentation, chosen.ids[block], space, start)
            rows, tipping = work.measure(strengths_of(augmentation, given.strengths), given.seeds)
            found["invariance"].append(rows)
            found["critical"].append(tipping)
    facts = {
        "samples": len(chosen.ids),
        "augmentations": [augmentation.id for augmentation in given.augmentations],
        "seeds": given.seeds,
        "shrinkage": given.shrinkage,
        "head": who.head.sha256,
        **{f"floor_{name}": round(value, 6) for name, value in space.floors.items()},
    }
    return Found({name: pa.concat_tables(tables).unify_dictionaries() for name, tables in found.items()}, facts)


def _views(options: Mapping[str, Any], test: int, halvings: float) -> float:
    """Views of a plan; half of the answers flip somewhere, and `halvings` are spent on each of these."""
    given = asked(options)
    views = (
        len(strengths_of(a, given.strengths)) * invariance.seeds_for(a, given.seeds) + halvings / 2
        for a in given.augmentations
    )
    return min(given.samples, test) * (2 + sum(views))


def strengths_of(augmentation: Augmentation, steps: int) -> list[float]:
    """Up to `steps` strengths of an augmentation's own grid beside its identity, evenly taken, the strongest always."""
    grid = [float(s) for s in augmentation.strengths if s != augmentation.identity]
    places = np.unique(np.linspace(0, len(grid) - 1, min(steps + 1, len(grid) + 1))[1:].round().astype(int))
    return [grid[i] for i in places] if len(grid) > 1 else grid


def draw_of(sample_id: str, seed: int) -> int:
    """The random draw of an image under a seed: one of `DRAWS` that belong to the seed."""
    digest = hashlib.blake2b(sample_id.encode(), digest_size=8, salt=b"draw").digest()
    return seed * DRAWS + int.from_bytes(digest, "big") % DRAWS


def _clean_features(who: Contender, chosen: Chosen) -> NDArray[np.float32]:
    """(N, D) features of the images as they are, in the precision of the views."""
    parts = []
    for start in range(0, len(chosen.ids), BLOCK):
        parts.append(invariance.clean(who, to_unit(chosen.crops[start : start + BLOCK])).pooled)
    return np.concatenate(parts)


class Space:
    """The features of all chosen images, and the ways in which two features are compared.

    Attributes:
        floors: mean similarity of different images, by way of comparing: `cosine`, `centred` and `whitened`.
    """

    def __init__(self, bank: NDArray[np.float32], clean: NDArray[np.float32], shrinkage: float) -> None:
        """Compare with the (N, D) features of N images; the mean and the covariance are those of (M, D) of a bank."""
        self.whitener, self.clean = Whitener.fit(bank, shrinkage), clean.astype(np.float64)
        self.white = self.whitener.transform(self.clean)
        ways = {"cosine": self.clean, "centred": self.clean - self.whitener.mean, "whitened": self.white}
        self.floors = {name: metrics.different_image_floor(values) for name, values in ways.items()}

    def compare(self, views: NDArray[np.float32], owner: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """(V,) of each way: cosine about the mean, cosine after whitening, and share of other images that are less
        like the view than its own image is."""
        values = views.astype(np.float64)
        mean = self.whitener.mean
        return {
            "centred": metrics.cosine_invariance(self.clean[owner] - mean, values - mean),
            "whitened": metrics.cosine_invariance(self.white[owner], self.whitener.transform(values)),
            "rank": metrics.rank_invariance(self.clean, values, owner),
        }


class Curve:
    """One augmentation of a block of images."""

    def __init__(
        self,
        who: Contender,
        reference: Clean,
        augmentation: Augmentation,
        ids: Sequence[str],
        space: Space,
        start: int,
    ) -> None:
        """Measure N images, which are `start` and those that follow in the space."""
        self.who, self.reference, self.augmentation = who, reference, augmentation
        self.ids, self.space, self.start = ids, space, start

    def measure(self, strengths: Sequence[float], seeds: int) -> tuple[pa.Table, pa.Table]:
        """Rows of all strengths and seeds, and of where each image's answer flips under seed 0."""
        tables, flips = [], []
        for seed in range(invariance.seeds_for(self.augmentation, seeds)):
            numbers = np.array([draw_of(id, seed) if self.augmentation.seeded else 0 for id in self.ids], np.int64)
            for strength in strengths:
                at = np.full(len(self.ids), strength)
                found = self._views(np.arange(len(self.ids)), at, numbers)
                tables.append(self._rows(strength, seed, found))
                if seed == 0:
                    flips.append(found.flipped)
        numbers = np.array([draw_of(id, 0) if self.augmentation.seeded else 0 for id in self.ids], np.int64)
        return pa.concat_tables(tables), self._tipping(list(strengths), np.stack(flips, axis=1), numbers)

    def _views(self, owner: NDArray[np.int64], strengths: NDArray[np.float64], numbers: NDArray[np.int64]) -> Views:
        """The views in the order asked for, read draw by draw where that is cheaper."""
        if self.who.encoder.device.type != "cpu":
            return invariance.view(self.who, self.reference, self.augmentation, owner, strengths, numbers)
        order = np.argsort(numbers, kind="stable")
        pieces = [
            invariance.view(self.who, self.reference, self.augmentation, owner[run], strengths[run], numbers[run])
            for run in _runs(order, numbers)
        ]
        back = np.argsort(order, kind="stable")
        joined = {f.name: np.concatenate([getattr(p, f.name) for p in pieces])[back] for f in fields(Views)}
        return Views(**joined)

    def _rows(self, strength: float, seed: int, found: Views) -> pa.Table:
        count = len(self.ids)
        columns = {
            "augmentation": [self.augmentation.id] * count,
            "strength": np.full(count, strength, np.float32),
            "seed": np.full(count, seed, np.int16),
            "sample_id": list(self.ids),
            "cosine": found.cosine,
            **self.space.compare(found.pooled, self.start + np.arange(count)),
            "kept": found.kept,
            "flipped": found.flipped,
            "drift": found.drift,
            "map_stability": found.map_stability,
        }
        return schema.table(columns, schema.INVARIANCE)

    def _tipping(self, strengths: list[float], flips: NDArray[np.bool_], numbers: NDArray[np.int64]) -> pa.Table:
        """Where each image's answer flips first: found on the grid, then narrowed by halving the gap before it."""
        # The grid may descend (a scale below 1): distance from the identity grows, and that is what is searched.
        grid = np.array([self.augmentation.identity, *strengths])
        first = metrics.critical_strength(np.arange(1, len(strengths) + 1), flips)
        place = first.strength.astype(int)
        low, high = grid[place - 1], grid[place]
        open_ = np.flatnonzero(~first.censored)
        for _ in range(HALVINGS):
            if not len(open_):
                break
            middle = (low[open_] + high[open_]) / 2
            flipped = self._views(open_, middle, numbers[open_]).flipped
            high[open_[flipped]] = middle[flipped]
            low[open_[~flipped]] = middle[~flipped]
        columns = {
            "augmentation": [self.augmentation.id] * len(self.ids),
            "sample_id": list(self.ids),
            "withstood": np.where(first.censored, grid[-1], low),
            "strength": np.where(first.censored, grid[-1], high),
            "censored": first.censored,
        }
        return schema.table(columns, schema.CRITICAL)


def _runs(order: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The positions in `order`, split where the draw changes."""
    ends = np.flatnonzero(np.diff(numbers[order])) + 1
    yield from np.split(order, ends)


INVARIANCE = Measure(
    id="invariance",
    label="Invariance",
    description="Every test image under every augmentation and strength: similarity of features (as they are, centred, "
    "whitened, by rank), answers, probability and maps, and the strength that flips the answer.",
    version=1,
    tables=("critical", "invariance"),
    options=("samples", "seeds", "strengths", "shrinkage", "augmentations"),
    check=asked,
    run=run,
    passes=lambda options, test: _views(options, test, HALVINGS),
    size=lambda options, test: 16 * _views(options, test, 0),
)
