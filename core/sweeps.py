"""What a sweep of some images comes to: curves with intervals, and who differs at one strength."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.metrics import invariance as metrics
from core.metrics.interval import Interval, student_interval

RANGES = {"cosine": (0.0, 1.0), "kept": (0.0, 1.0), "flipped": (0.0, 1.0), "map_stability": (-1.0, 1.0)}
"""What a curve is drawn of, and between which values."""
OF_A_HEAD = {
    "prediction": "Int64",
    "flipped": "boolean",
    "confidence": "float64",
    "kept": "float64",
    "drift_bits": "float64",
    "map_stability": "float64",
}
"""Columns of `pipeline.points_table` that only a head gives, with a kind that may be empty."""
CURVE = ("encoder", "strength", "measure", "mean", "low", "high", "images", "seeds")


def without_answers(points: pd.DataFrame) -> pd.DataFrame:
    """Rows of `pipeline.points_table` of an encoder without a head: what a head would say is empty."""
    # Of kinds that know of an empty value, so that rows with and without a head share one column.
    return points.assign(**dict.fromkeys(OF_A_HEAD)).astype(OF_A_HEAD)


def curve(points: pd.DataFrame, floors: Mapping[str, float], corrected: bool = False) -> pd.DataFrame:
    """Mean and 95 % interval of each measure at each strength, over images and seeds.

    Intervals are Student's, nan where there is a single value. Seeds of one image are not independent, so with several
    images the interval is that of the image means; with one image it spans its seeds and says nothing of other images.

    Args:
        points: rows of `pipeline.points_table`, of one augmentation.
        floors: cosine between different images, by encoder id.
        corrected: rescale the cosine so that 0 is "no more alike than strangers".

    Returns:
        Columns encoder, strength, measure, mean, low, high, images, seeds.
    """
    data = points.copy()
    if corrected:
        for id, floor in floors.items():
            mine = data["encoder"] == id
            data.loc[mine, "cosine"] = metrics.chance_corrected(data.loc[mine, "cosine"].to_numpy(), floor)
    rows = []
    for (encoder, strength), group in data.groupby(["encoder", "strength"], sort=False):
        images, seeds = group["image"].nunique(), group["seed"].nunique()
        for measure, (least, most) in RANGES.items():
            values = group.groupby("image")[measure].mean() if images > 1 else group[measure]
            found = student_interval(values.astype(float).dropna())
            # A share cannot leave its range; a chance-corrected cosine has no lower end.
            low = found.low if measure == "cosine" else float(np.maximum(found.low, least))
            high = float(np.minimum(found.high, most))
            rows.append((encoder, strength, measure, found.estimate, low, high, images, seeds))
    return pd.DataFrame(rows, columns=list(CURVE))


@dataclass(frozen=True, slots=True, eq=False)
class AtStrength:
    """What a sweep comes to at one strength.

    Attributes:
        strength: in the augmentation's unit.
        images: how many were swept.
        kept: mean chance-corrected cosine by encoder, the largest first.
        apart: the two trained encoders that are furthest apart, the steadier first; empty without two, or of one
            image.
        gap: their difference image by image, with its 95 % Student interval; None without them, as one image gives
            values and no claim about a difference.
    """

    strength: float
    images: int
    kept: dict[str, float]
    apart: tuple[str, ...] = ()
    gap: Interval | None = None


def at_strength(
    points: pd.DataFrame, floors: Mapping[str, float], strength: float, untrained: Sequence[str] = ()
) -> AtStrength:
    """How alike images and their views are at one strength, and whether two encoders differ in that.

    Args:
        points: rows of `pipeline.points_table`.
        floors: cosine between different images, by encoder id.
        strength: one of those measured.
        untrained: ids that are a floor and no contender.
    """
    at = points[points["strength"] == strength]
    by_image = at.groupby(["encoder", "image"], sort=False)["cosine"].mean()
    kept = {
        str(id): pd.Series(metrics.chance_corrected(by_image[id].to_numpy(), floors[id]), by_image[id].index)
        for id in at["encoder"].unique()
    }
    order = sorted(kept, key=lambda id: -kept[id].mean())
    images, trained = at["image"].nunique(), [id for id in order if id not in untrained]
    found = AtStrength(strength, images, {id: float(kept[id].mean()) for id in order})
    if images == 1 or len(trained) < 2:
        return found
    apart = (trained[0], trained[-1])
    return replace(found, apart=apart, gap=student_interval((kept[apart[0]] - kept[apart[1]]).dropna()))


def multiples(points: pd.DataFrame, floors: Mapping[str, float]) -> pd.DataFrame:
    """Every augmentation in one line: how alike the views stay, over all its strengths.

    Args:
        points: rows of `pipeline.points_table`, of any augmentations.
        floors: cosine between different images, by encoder id.

    Returns:
        One row an augmentation, in the order of the points: augmentation, and by encoder id a list of the mean
        chance-corrected cosine at each strength.
    """
    rows = []
    for augmentation, part in points.groupby("augmentation", sort=False):
        found = part.groupby(["encoder", "strength"], sort=False)["cosine"].mean()
        kept = {id: metrics.chance_corrected(found[id].to_numpy(), floors[id]).tolist() for id in floors}
        rows.append({"augmentation": augmentation} | kept)
    return pd.DataFrame(rows, columns=["augmentation", *floors])
