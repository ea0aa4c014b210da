"""What the paper claims of self-supervised representations, each asked of a study in every way that is open to choice.

A claim is judged by its default way of asking; beside it stand all the others (metric, normalisation, protocol, sets),
as a specification curve (Simonsohn, Simmons & Nelson 2020): what holds only when one asks in one way is no finding.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.metrics.interval import Interval
from core.results import attribution, claim_ways, invariance, training_noise
from core.results.claim_ways import LIMITS, Way
from core.results.info import ANSWERS, StudyInfo
from core.results.writing import FACTS, digest_of

AGREED = 0.9
"""Share of the ways that have to speak one way before a claim is said to hold, or to fail, however it is asked."""
HOLDS, FAILS, MIXED, NOTHING, UNKNOWN = "holds", "fails", "mixed", "nothing", "unknown"
FIGURES = (*LIMITS, "noise", "says")


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about the second of two contenders, as against the first.

    Attributes:
        id: key.
        sentence: of the claim, with the contenders' names in it.
        unit: of an estimate; above 0 it speaks for the claim.
        choices: what is open to choice, `on` (which sets) among it.
        ways: (study, first, second) to the ways of asking, each a choice of all of these, and what it gives.
        default: the choices by which the claim is judged; of a choice left out, the first in the table.
        measures: what a study has to hold for it.
    """

    id: str
    sentence: str
    unit: str
    choices: tuple[str, ...]
    ways: Callable[[StudyInfo, str, str], Iterator[Way]]
    default: dict[str, str]
    measures: tuple[str, ...]

    def asked(self, info: StudyInfo, first: str, second: str) -> pd.DataFrame:
        """One row a way of asking: `choices`, estimate, low, high (95 %).

        Raises:
            DataUnavailable: a file is missing or damaged.
        """
        rows = [(*chosen, *interval) for chosen, interval in self.ways(info, first, second)]
        return pd.DataFrame(rows, columns=[*self.choices, *LIMITS])


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A claim put to a study.

    Attributes:
        claim: it.
        ways: one row a way of asking: its choices, estimate, low, high, noise (how far two training runs of one
            recipe lie apart when asked so, nan where there is one run of each) and `says`: 1 where the interval leaves
            0 out on the side of the claim and the estimate exceeds the noise, −1 on the other side, else 0.
        sets: the same columns, by the default way on each single data set.
        default: place of the default in `ways`.
    """

    claim: Claim
    ways: pd.DataFrame
    sets: pd.DataFrame
    default: int

    @property
    def choices(self) -> list[str]:
        """The columns that hold choices."""
        return [str(name) for name in self.ways if name not in FIGURES]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Ways that speak for the claim, against it, and in all."""
        says = self.ways["says"]
        return int((says > 0).sum()), int((says < 0).sum()), len(says)

    @property
    def verdict(self) -> str:
        """`HOLDS`, `FAILS` or `NOTHING` when the default and `AGREED` of all ways say so, else `MIXED`."""
        pro, contra, total = self.counts
        if not total:
            return UNKNOWN
        says = int(self.ways["says"].iloc[self.default])
        agreeing = {1: pro, -1: contra, 0: total - pro - contra}[says]
        return {1: HOLDS, -1: FAILS, 0: NOTHING}[says] if agreeing >= AGREED * total else MIXED

    @property
    def estimate(self) -> Interval:
        """By the default way."""
        return Interval(*map(float, self.ways[list(LIMITS)].iloc[self.default]))


def judge(info: StudyInfo, id: str, first: str, second: str) -> Judged:
    """Put one of `CLAIMS` to a study in every way.

    Returns:
        A `Judged` without ways where the study lacks what the claim needs.

    Raises:
        DataUnavailable: a file is missing or damaged.
    """
    claim = CLAIMS[id]
    there = all(info.measured(measure, (first, second)) for measure in claim.measures)
    ways = claim.asked(info, first, second).dropna(subset=["estimate"]).reset_index(drop=True) if there else None
    if ways is None or ways.empty:
        nothing = pd.DataFrame(columns=list(FIGURES))
        return Judged(claim, nothing, nothing, 0)
    choices = list(claim.choices)
    ways["noise"] = np.nan
    for run in (first, second):
        for other in (id for id in training_noise.runs_of(info, run) if id != run):
            again = claim.asked(info, run, other)[[*choices, "estimate"]]
            apart = ways[choices].merge(again, how="left", on=choices)["estimate"].abs()
            ways["noise"] = np.fmax(ways["noise"], apart)
    known = ~(ways["estimate"].abs() <= ways["noise"])
    ways["says"] = (known & (ways["low"] > 0)).astype(int) - (known & (ways["high"] < 0)).astype(int)
    single = ways["on"].str.startswith(claim_ways.ON)
    first_of = {name: ways[name].iloc[0] for name in choices if name != "on"} | claim.default
    asked = np.logical_and.reduce([ways[name] == value for name, value in first_of.items() if name != "on"])
    every = ways[~single].reset_index(drop=True)
    default = (asked & (ways["on"] == first_of["on"]).to_numpy())[~single.to_numpy()]
    return Judged(claim, every, ways[single & asked].reset_index(drop=True), int(np.argmax(default)))


def table(judged: Iterable[Judged]) -> pd.DataFrame:
    """All ways of some claims as one table: claim, default (bool), set (whether of one), way (JSON), figures."""
    rows = []
    for each in judged:
        for frame, single in ((each.ways, False), (each.sets, True)):
            for place, row in enumerate(frame.to_dict("records")):
                way = json.dumps({name: row[name] for name in each.choices}, ensure_ascii=False)
                figures = (row[name] for name in FIGURES)
                rows.append((each.claim.id, not single and place == each.default, single, way, *figures))
    return pd.DataFrame(rows, columns=["claim", "default", "set", "way", *FIGURES])


def from_table(rows: pd.DataFrame) -> dict[str, Judged]:
    """The claims of a `table`."""
    found = {}
    for claim in CLAIMS.values():
        mine = rows[rows["claim"] == claim.id]
        whole = pd.concat(
            [
                pd.DataFrame([json.loads(way) for way in mine["way"]], index=mine.index),
                mine[[*FIGURES, "default", "set"]],
            ],
            axis=1,
        )
        ways, sets = (whole[whole["set"] == single].reset_index(drop=True) for single in (False, True))
        default = int(np.argmax(ways.pop("default"))) if len(ways) else 0
        found[claim.id] = Judged(claim, ways.drop(columns="set"), sets.drop(columns=["default", "set"]), default)
    return found


def kept(info: StudyInfo, first: str, second: str) -> dict[str, Judged] | None:
    """All claims as an export of them, `claims.parquet` in the study's folder, holds them.

    None unless there is one of the study as it stands and of these contenders, and it is whole.
    """
    try:
        with fsspec.open(f"{info.address}/claims.parquet", "rb") as file:
            read = pq.read_table(file)
        facts = json.loads(read.schema.metadata[FACTS])
        if (facts["updated"], facts["pair"]) != (info.manifest["updated"], [first, second]):
            return None
        rows = read.to_pandas()
        return from_table(rows) if facts["sha256"] == digest_of(rows) else None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None  # what can be made again is no reason to stop


_FIRST = {"on": claim_ways.DIFFERENT}
CLAIMS: dict[str, Claim] = {
    claim.id: claim
    for claim in (
        Claim(
            id="accuracy",
            sentence="{second} generalizes better than {first} to different domains",
            unit="accuracy advantage",
            choices=("protocol", "metric", "on", "sets"),
            ways=claim_ways.accuracy,
            default=_FIRST,
            measures=(ANSWERS,),
        ),
        Claim(
            id="surer",
            sentence="{second} is surer of its answers than {first}",
            unit="difference in confidence",
            choices=("protocol", "figure", "probabilities", "on"),
            ways=claim_ways.surer,
            default=_FIRST | {"figure": "Mean confidence"},
            measures=(ANSWERS,),
        ),
        Claim(
            id="calibrated",
            sentence="{second} is better calibrated than {first}",
            unit="error of the probabilities saved",
            choices=("protocol", "figure", "probabilities", "on"),
            ways=claim_ways.calibrated,
            default=_FIRST | {"figure": "ECE"},
            measures=(ANSWERS,),
        ),
        Claim(
            id="concentrated",
            sentence="{second} looks at less of the image than {first}",
            unit="difference in concentration",
            choices=("figure", "map", "on"),
            ways=claim_ways.concentrated,
            default=_FIRST | {"figure": "Gini"},
            measures=(attribution.MEASURE,),
        ),
        Claim(
            id="elsewhere",
            sentence="{second} looks elsewhere than {first}",
            unit="agreement lost",
            choices=("agreement", "less", "on"),
            ways=claim_ways.elsewhere,
            default=_FIRST,
            measures=(attribution.MEASURE,),
        ),
        Claim(
            id="invariant",
            sentence="{second} is more invariant than {first}",
            unit="difference in what is kept",
            choices=("of what", "augmentations", "on"),
            ways=claim_ways.invariant,
            default=_FIRST | {"of what": invariance.WAYS["whitened"].label},
            measures=(invariance.MEASURE,),
        ),
        Claim(
            id="explained",
            sentence="invariance explains which of the two is right",
            unit="AUROC above ½",
            choices=("property", "of what", "test", "on"),
            ways=claim_ways.explained,
            default={"on": claim_ways.ALL, "of what": invariance.WAYS["whitened"].label},
            measures=(invariance.MEASURE, attribution.MEASURE),
        ),
    )
}
"""The paper's claims, in its order. Of a choice that a default leaves open, the first in the table is judged by."""
