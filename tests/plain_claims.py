"""The paper's claims put to a study's Parquet files with pandas and SciPy: what `core.results.claims` must agree with.

Nothing of the product is imported. Estimates follow from the definitions; intervals that the product bootstraps are
bootstrapped here anew, from other draws, and the others are computed.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
from plain_study import DRAWS, Figure, Study, bootstrap, independent, normal, student
from scipy import stats

IDENTITY = {"scale": 1.0, "patch-shuffle": 1.0, "jpeg": 100.0}  # of augmentations whose strength 0 is no identity
LEARNED = {
    "crop": {"random-crop", "scale", "translation", "training-recipe"},
    "flip": {"horizontal-flip"},
    "jitter": {"brightness", "contrast", "saturation", "hue"},
    "grey": {"greyscale", "saturation"},
    "blur": {"blur"},
}
KEYS = ["augmentation", "sample_id"]
WAYS = {
    "feature, as it is": ("cosine", "floor_cosine"),
    "feature, centred": ("centred", "floor_centred"),
    "feature, whitened": ("whitened", "floor_whitened"),
    "feature, by rank": ("rank", 0.5),
    "answer kept": ("stays", 0.0),
    "probabilities": ("alike", 0.0),
    "map": ("map_stability", 0.0),
}


def accuracy(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    for protocol in study.manifest["protocols"]:
        by_set = {}
        for id in study.sets:
            table = study.answers(protocol, id, pair)
            unit = ["seed", "episode"] if table["episode"].notna().any() else ["sample_id"]
            shares = table.groupby([*unit, "encoder"], observed=True)["right"].mean().unstack("encoder")
            gap = (shares[pair[1]] - shares[pair[0]]).dropna().to_numpy()
            drawn = (study.drawn(len(gap)) @ gap) / len(gap)
            by_set[id] = normal(gap) if len(unit) == 2 else bootstrap(gap.mean(), drawn)
        for metric in ("accuracy", "chance-corrected accuracy"):
            scaled = {}
            for id, found in by_set.items():
                classes = len(study.sets[id]["classes"])
                scale = 1.0 if metric == "accuracy" else classes / (classes - 1)
                scaled[id] = Figure(*(scale * x for x in found[:3]))
                on = f"on {study.sets[id]['label']}"
                yield {"protocol": protocol, "metric": metric, "on": on, "sets": "every one"}, scaled[id]
            far, near = study.groups["different sets"], [scaled[id] for id in study.groups["similar sets"]]
            for left in (None, *far):
                kept = [scaled[id] for id in far if id != left]
                sets = "every one" if left is None else f"without {study.sets[left]['label']}"
                way = {"protocol": protocol, "metric": metric, "sets": sets}
                yield way | {"on": "different sets"}, independent([kept, []])
                yield way | {"on": "different minus similar"}, independent([kept, near])


def _aurc(weights: np.ndarray, sure: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(draws,) excess area under risk over coverage: answers of one confidence share their errors evenly."""
    order = np.argsort(-sure)
    starts = np.flatnonzero(np.diff(sure[order], prepend=2.0))  # of each distinct confidence
    count, errors = (np.add.reduceat(each[:, order], starts, axis=1) for each in (weights, weights * wrong))
    last, total = count.cumsum(1), errors.cumsum(1)
    harmonic = np.concatenate([[0.0], (1 / np.arange(1, int(last.max()) + 1)).cumsum()])
    rate = np.divide(errors, count, out=np.zeros_like(errors), where=count > 0)
    first = last - count
    steps = harmonic[last.astype(int)] - harmonic[first.astype(int)]
    area = (rate * count + (total - errors - rate * first) * steps).sum(1) / last[:, -1]
    risk = total[:, -1] / last[:, -1]
    right = 1 - risk
    return area - (risk + right * np.log(np.where(right > 0, right, 1)))


def _log_likelihood(each: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(1 + draws,) sums; where a label was held impossible all hangs on whether it is drawn, and draws say nothing."""
    if (true > 0).all():
        return each @ np.log(true)
    return np.append(-np.inf, np.full(len(each) - 1, np.nan))


def _confidence_figures(table: pd.DataFrame, weights: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    """(1 + draws,) of each figure: of the answers as they are, then of each resample."""
    sure, true = (table[f"{prefix}{name}"].to_numpy(float) for name in ("confidence", "true_probability"))
    right = table["right"].to_numpy()
    each = np.concatenate([np.ones((1, len(table))), weights[:, table["unit"].to_numpy()]])
    total, hits = each.sum(1), each @ right
    member = np.zeros((len(table), 15))
    member[np.arange(len(table)), np.clip(np.ceil(sure * 15).astype(int) - 1, 0, 14)] = 1
    gap = np.abs((each * right) @ member - (each * sure) @ member).sum(1) / total
    return {
        "Mean confidence": each @ sure / total,
        "Confidence when right": each @ (sure * right) / hits,
        "Confidence when wrong": each @ (sure * (1 - right)) / np.where(total > hits, total - hits, np.nan),
        "ECE": -gap,
        "Brier score": -(each @ table[f"{prefix}brier"].to_numpy(float)) / total,
        "NLL": _log_likelihood(each, true) / total,
        "Excess AURC": -_aurc(each, sure, 1 - right),
    }


def confidence(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    states = {"as given": "", "after temperature": "calibrated_"}
    for protocol in study.manifest["protocols"]:
        gaps: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        for id in study.sets:
            table = study.answers(protocol, id, pair)
            unit, units = pd.factorize(table["unit"])
            table, weights = table.assign(unit=unit), study.drawn(len(units))
            for state, prefix in states.items():
                if table[f"{prefix}confidence"].isna().any():
                    continue
                sides = {
                    encoder: pd.DataFrame(
                        [_confidence_figures(part, weights, prefix) for _, part in mine.groupby("seed")]
                    )
                    for encoder, mine in table.groupby("encoder", observed=True)
                }
                for name in sides[pair[0]]:
                    one, two = (np.mean(np.stack(list(sides[encoder][name])), 0) for encoder in pair)
                    with np.errstate(invalid="ignore"):  # both may hold a label impossible
                        gaps.setdefault((name, state), {})[id] = two - one
        for (name, state), by_set in gaps.items():
            known = {id: Figure(gap[0], 0, 0, gap[1:]) for id, gap in by_set.items()}
            for on, found in study.over(known, lambda of: _mean_drawn(of, basic=True)):
                yield {"protocol": protocol, "figure": name, "probabilities": state, "on": on}, found


def _mean_drawn(of: list[Figure], basic: bool = False) -> Figure:
    draws = np.mean([one.draws for one in of if one.draws is not None], 0)
    value = float(np.mean([one.value for one in of]))
    tail = np.isnan(draws).mean() > 0.025
    return Figure(value, np.nan, np.nan) if tail else bootstrap(value, draws[~np.isnan(draws)], basic)


def concentrated(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    maps = {id: study.read("attribution", f"{id}.attribution.*.parquet") for id in study.sets}
    for role, (name, column, sign) in product(
        ("predicted", "true"), (("Gini", "gini", 1), ("cells in use", "effective", -1))
    ):
        by_set = {}
        for id, table in maps.items():
            wide = table[table["role"] == role].pivot(index="sample_id", columns="encoder", values=column)
            by_set[id] = student(sign * (wide[pair[1]].astype(float) - wide[pair[0]].astype(float)))
        for on, found in study.over(by_set, lambda of: independent([of, []])):
            yield {"figure": name, "map": f"of the {role} class", "on": on}, found


def _alike(one: np.ndarray, two: np.ndarray) -> dict[str, np.ndarray]:
    """How far the maps of two contenders agree, (images, cells) each: by rank, by the top fifth, by mass."""
    ranks = [stats.rankdata(maps, axis=1) for maps in (one, two)]
    centred = [each - each.mean(1, keepdims=True) for each in ranks]
    scale = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    size = round(one.shape[1] / 5)
    top, mass = [], []
    for maps in (one, two):
        last = np.sort(maps, 1)[:, -size, None]
        tied, above = maps == last, maps > last
        top.append(above + tied * ((size - above.sum(1)) / tied.sum(1))[:, None])
        positive = np.maximum(maps, 0)
        total = positive.sum(1, keepdims=True)
        mass.append(positive / np.where(total > 0, total, np.nan))
    common = (top[0] * top[1]).sum(1)
    return {
        "Spearman": (centred[0] * centred[1]).sum(1) / np.where(scale > 0, scale, np.nan),
        "top fifth (IoU)": common / (2 * size - common),
        "mass": np.minimum(*mass).sum(1),
    }


def elsewhere(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    for run in pair:
        for other in study.runs(run):
            by_set: dict[str, dict[str, Figure]] = {}
            for id in study.sets:
                table = study.read("attribution", f"{id}.attribution.*.parquet")
                wide = table[table["role"] == "true"].pivot(index="sample_id", columns="encoder", values="map")
                wide = wide[[*{*pair, run, other}]].dropna()
                maps = {encoder: np.stack([*wide[encoder]]).astype(float) for encoder in wide}
                again, apart = _alike(maps[run], maps[other]), _alike(maps[pair[0]], maps[pair[1]])
                for name, values in again.items():
                    by_set.setdefault(name, {})[id] = student(pd.Series(values - apart[name]))
            label = study.manifest["encoders"][run]["label"]
            for name, known in by_set.items():
                for on, found in study.over(known, lambda of: independent([of, []])):
                    yield {"agreement": name, "less": f"than two runs of {label}", "on": on}, found


@cache
def points(study: Study, encoder: str, dataset: str) -> pd.DataFrame:
    """What is kept of each image at each distance from the identity."""
    table = study.read("invariance", f"{dataset}.invariance.{encoder}.*.parquet")
    table = table.assign(stays=1.0 - table["flipped"], alike=1.0 - table["drift"].astype(float))
    table[KEYS] = table[KEYS].astype(str)
    start = table["augmentation"].map(IDENTITY).fillna(0.0)
    table["away"] = (table["strength"].astype(float) - start).abs()
    columns = [column for column, _ in WAYS.values()]
    table[columns] = table[columns].astype(float)
    return table.groupby([*KEYS, "away"])[columns].mean().reset_index()


@cache
def areas(study: Study, way: str, encoder: str, dataset: str) -> pd.DataFrame:
    """The chance-corrected area under each image's curve, from 1 at the identity: (images, augmentations)."""
    column, floor = WAYS[way]
    curve = points(study, encoder, dataset).dropna(subset=column)
    before = curve.groupby(KEYS)[["away", column]].shift()
    part = (curve["away"] - before["away"].fillna(0)) * (curve[column] + before[column].fillna(1)) / 2
    found = curve.assign(part=part).groupby(KEYS).agg(part=("part", "sum"), reach=("away", "max"))
    if isinstance(floor, str):
        cells = study.manifest["cells"].values()
        mine = [c for c in cells if (c["measure"], c["encoder"], c["dataset"]) == ("invariance", encoder, dataset)]
        floor = mine[0]["facts"][floor]
    return ((found["part"] / found["reach"] - floor) / (1 - floor)).unstack("augmentation")


def learned(study: Study, pair: tuple[str, str]) -> set[str]:
    said = " ".join(study.manifest["encoders"][id]["augmentation"] for id in pair)
    return set().union(*(names for word, names in LEARNED.items() if word in said))


def invariant(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    taught = learned(study, pair)
    for way, (sort, left) in product(WAYS, {"all": set(), "without those of pre-training": taught}.items()):
        by_set = {}
        for id in study.sets:
            one, two = (areas(study, way, encoder, id).drop(columns=[*left]).mean(axis=1) for encoder in pair)
            gap = (two - one).dropna().to_numpy()
            by_set[id] = Figure(gap.mean(), 0, 0, study.drawn(len(gap)) @ gap / len(gap))
        for on, found in study.over(by_set, _mean_drawn):
            yield {"of what": way, "augmentations": sort, "on": on}, found


def _explains(table: pd.DataFrame, rng: np.random.Generator) -> dict[str, Figure]:
    """AUROC above ½ of an advantage, and of what both confidences and their difference leave of its ranks."""
    table = table.dropna()
    ranks = [stats.rankdata(x) for x in (table["sure_1"], table["sure_2"], table["sure_2"] - table["sure_1"])]
    design, target = np.stack([np.ones(len(table)), *ranks], 1), stats.rankdata(table["gain"])
    left = np.round(target - design @ np.linalg.lstsq(design, target, rcond=None)[0], 6)
    decided = (table["right_1"] != table["right_2"]).to_numpy()
    second = table["right_2"].to_numpy(bool)[decided]
    if min(second.sum(), (~second).sum()) < 5:
        return {}
    pick = rng.integers(len(second), size=(DRAWS, len(second)))
    found = {}
    for name, values in (("as it is", table["gain"].to_numpy()), ("beyond clean confidence", left)):
        values = values[decided]
        u = stats.mannwhitneyu(values[second], values[~second]).statistic
        chosen, many = stats.rankdata(values[pick], axis=1), second[pick].sum(1)
        pairs = (many * (len(second) - many)).astype(float)
        draws = ((chosen * second[pick]).sum(1) - many * (many + 1) / 2) / np.where(pairs > 0, pairs, np.nan)
        value = u / (second.sum() * (~second).sum())
        found[name] = Figure(*(x - 0.5 for x in bootstrap(value, draws[~np.isnan(draws)])[:3]))
    return found


def explained(study: Study, pair: tuple[str, str]) -> Iterator[tuple[dict[str, str], Figure]]:
    taught, rng = learned(study, pair), np.random.default_rng(0)
    labels = {
        "invariance": "invariance of the feature, all augmentations",
        "untrained": "invariance, without what either was trained to ignore",
        "maps": "stability of the map",
        "gini": "concentration of the map",
    }
    features = [way for way in WAYS if way.startswith("feature")]
    asked = [*product(("invariance", "untrained"), features), ("maps", "map"), ("gini", "map")]
    by_set: dict[tuple[str, str, str], dict[str, Figure]] = {}
    for id in study.sets:
        answers = study.answers("linear", id, pair)
        first = answers[answers["seed"] == 0].pivot(
            index="sample_id", columns="encoder", values=["right", "confidence"]
        )
        maps = study.read("attribution", f"{id}.attribution.*.parquet")
        gini = maps[maps["role"] == "predicted"].pivot(index="sample_id", columns="encoder", values="gini")
        for kind, way in asked:
            left = [*taught] if kind == "untrained" else []
            if kind == "gini":
                held = [gini[encoder].astype(float) for encoder in pair]
            else:
                held = [areas(study, way, encoder, id).drop(columns=left).mean(axis=1) for encoder in pair]
            columns = {"gain": held[1] - held[0]}
            for place, encoder in enumerate(pair, 1):
                columns |= {f"right_{place}": first["right", encoder], f"sure_{place}": first["confidence", encoder]}
            for test, found in _explains(pd.DataFrame(columns), rng).items():
                by_set.setdefault((labels[kind], way, test), {})[id] = found
    for (kind, way, test), known in by_set.items():
        for on, found in study.over(known, lambda of: independent([of, []])):
            yield {"property": kind, "of what": way, "test": test, "on": on}, found
