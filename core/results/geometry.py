"""How a study's contenders use their feature spaces, and how alike these are."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.metrics import representation as metrics
from core.metrics.interval import Z
from core.results.info import StudyInfo
from core.results.reading import Results

MEASURE = "geometry"
FIGURES: dict[str, str] = {
    "rank_me": "RankMe: effective rank of the features (Garrido et al. 2023)",
    "participation": "participation ratio: dimensions that carry the variance",
    "alignment": "alignment: squared distance of two views of an image, lower is nearer (Wang & Isola 2020)",
    "uniformity": "uniformity: lower is more evenly spread over the sphere (Wang & Isola 2020)",
    "collapse": "collapse: spread of each dimension at unit length; 1/√D is healthy (Chen & He 2021)",
    "dimensions": "dimensions of the feature",
}
NEIGHBOURS = 10
FOLDS = 20
"""Parts of the images that a jackknife leaves out one by one."""
KINDRED = 2000
"""Images that spaces are compared on, at most: what it costs grows as their square."""


def figures(info: StudyInfo) -> pd.DataFrame:
    """Columns dataset, encoder, figure, value, samples.

    Raises:
        DataUnavailable: nothing of this was measured, or a file is missing or damaged.
    """
    with Results(info, tables=("geometry",)) as results:
        return results.frame("SELECT dataset, encoder, figure, value, samples FROM geometry")


Spaces = dict[str, NDArray[np.float32]]
Matrices = NDArray[np.float64]


def features(info: StudyInfo, dataset: str) -> tuple[tuple[str, ...], NDArray[np.int64], Spaces]:
    """The kept features of a data set: sample ids, labels, and (N, D) by encoder, of the same images in one order.

    Raises:
        DataUnavailable: as `figures`.
    """
    with Results(info, datasets=(dataset,), tables=("features",)) as results:
        table = results.frame("SELECT encoder, sample_id, label, feature FROM features ORDER BY encoder, sample_id")
    parts = {str(id): part for id, part in table.groupby("encoder", observed=True)}
    shared = sorted(set.intersection(*(set(part["sample_id"]) for part in parts.values())))
    labels: NDArray[np.int64] = np.empty(0, np.int64)
    found = {}
    for id in (id for id in info.encoders if id in parts):
        part = parts[id].set_index("sample_id").loc[shared]
        found[id] = np.stack(part["feature"].to_list()).astype(np.float32)
        labels = part["label"].to_numpy(np.int64)
    return tuple(shared), labels, found


def kinship(info: StudyInfo, dataset: str) -> pd.DataFrame:
    """How alike each two encoders' spaces are: debiased linear CKA, and shared nearest neighbours.

    Returns:
        Columns first, second, measure (`cka`, `neighbours`), value, low, high, chance, images. Intervals are ± 1.96
        standard errors of a jackknife over `FOLDS` parts of the images: a bootstrap would draw an image twice, which
        is its own neighbour. Chance is 0 for CKA. Of more than `KINDRED` kept images, evenly spaced ones are compared.

    Raises:
        DataUnavailable: as `figures`.
    """
    ids, _, found = features(info, dataset)
    # Ids sort by class as a rule: every so many-th is of all of them.
    every = max(1, -(-len(ids) // KINDRED))
    everybody = [values[::every].astype(np.float64) for values in found.values()]
    alive = np.all([values.any(axis=1) for values in everybody], axis=0)
    spaces, part = [values[alive] for values in everybody], (np.arange(len(alive)) % FOLDS)[alive]
    count = len(part)
    k = min(NEIGHBOURS, count - count // FOLDS - 2)
    # Of each two images once: a fold that is left out takes its rows and columns away.
    kinds: dict[str, tuple[Matrices, Callable[[Matrices], Matrices], float]] = {
        "cka": (metrics.grams(*spaces), metrics.linear_cka_of, 0.0),
        "neighbours": (metrics.cosines(*spaces), lambda some: metrics.mutual_knn_of(some, k).score, k / (count - 1)),
    }
    compared = {}
    for name, (matrices, measure, chance) in kinds.items():
        value = measure(matrices)
        kept = [np.flatnonzero(part != fold) for fold in range(FOLDS)]
        left = np.stack([measure(matrices[:, some[:, None], some]) for some in kept])
        half = Z * np.sqrt((FOLDS - 1) / FOLDS * np.sum((left - left.mean(axis=0)) ** 2, axis=0))
        compared[name] = value, value - half, value + half, np.full(value.shape, chance)
    rows = [
        (first, second, name, *(matrix[i, j] for matrix in found_of), count)
        for (i, first), (j, second) in combinations(enumerate(found), 2)
        for name, found_of in compared.items()
    ]
    columns = ["first", "second", "measure", "value", "low", "high", "chance", "images"]
    return pd.DataFrame(rows, columns=columns)


def projection(info: StudyInfo, dataset: str, encoder: str, kind: str) -> pd.DataFrame:
    """Two coordinates of each kept image: `pca`, or `tsne` (van der Maaten & Hinton 2008, from scikit-learn, seed 0).

    Returns:
        Columns sample_id, label, x, y. Distances between clusters of t-SNE mean nothing.

    Raises:
        DataUnavailable: as `figures`.
    """
    ids, labels, found = features(info, dataset)
    values = found[encoder] - found[encoder].mean(axis=0)
    if kind == "tsne":
        from sklearn.manifold import TSNE  # a second that the plane alone should not wait for

        perplexity = min(30.0, (len(values) - 1) / 3)
        places = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(_principal(values, 50))
    else:
        places = _principal(values, 2)
    return pd.DataFrame({"sample_id": ids, "label": labels, "x": places[:, 0], "y": places[:, 1]})


def _principal(centred: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """(N, count) or fewer principal components, each of the sign that makes its largest entry positive."""
    _, _, directions = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    directions = directions[:count]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return np.asarray(centred @ (directions * np.sign(largest)).T)


def chosen_figures(table: pd.DataFrame, dataset: str, encoders: Sequence[str]) -> pd.DataFrame:
    """The figures of one data set, a row a figure and a column an encoder."""
    mine = table[table["dataset"] == dataset].pivot_table(
        index="figure", columns="encoder", values="value", observed=True
    )
    shown = [id for id in encoders if id in mine]
    return mine.reindex([name for name in FIGURES if name in mine.index])[shown].reset_index()


def neighbours(info: StudyInfo, dataset: str, encoder: str, sample_id: str, count: int) -> list[str]:
    """Ids of the kept images nearest to one of them, by cosine, the nearest first; empty when it is not kept.

    Raises:
        DataUnavailable: as `figures`.
    """
    ids, _, found = features(info, dataset)
    if sample_id not in ids or encoder not in found:
        return []
    values = found[encoder].astype(np.float64)
    units = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)
    place = ids.index(sample_id)
    order = np.argsort(-(units @ units[place]), kind="stable")
    return [ids[i] for i in order if i != place][:count]


def nearest(info: StudyInfo, dataset: str, encoder: str, feature: ArrayLike, count: int) -> pd.DataFrame:
    """The kept images nearest to a picture that is none of them, by cosine of the features as they are.

    Args:
        feature: (D,) of the picture, by the weights that the study measured.
        count: of images, at most.

    Returns:
        Columns sample_id, label, similarity, the nearest first; usual (mean similarity to all kept images) and images
        (how many these are) are the same in every row.

    Raises:
        DataUnavailable: as `figures`.
    """
    with Results(info, encoders=(encoder,), datasets=(dataset,), tables=("features",)) as results:
        # Where the files lie: a large set's features are gone through, and never in memory at once.
        return results.frame(
            """
            WITH alike AS (
                SELECT sample_id, label, list_cosine_similarity(feature::DOUBLE[], $feature::DOUBLE[]) AS similarity
                FROM features
            )
            SELECT *, avg(similarity) OVER () AS usual, count(*) OVER () AS images
            FROM alike WHERE NOT isnan(similarity) ORDER BY similarity DESC, sample_id LIMIT $count
            """,
            {"feature": np.asarray(feature, np.float64).tolist(), "count": count},
        )


def shared(first: pd.DataFrame, second: pd.DataFrame) -> metrics.SharedNeighbours:
    """Of the nearest that two contenders name, those that both do, against chance.

    Args:
        first: of `nearest`, not empty.
        second: likewise, of the same images.
    """
    return metrics.shared_neighbours(list(first["sample_id"]), list(second["sample_id"]), int(first["images"].iloc[0]))


def who_is_right(info: StudyInfo, dataset: str, first: str, second: str) -> dict[str, str]:
    """Which linear probe of two contenders answers a sample right (`both`, `first`, `second`, `none`), by id, seed 0.

    Raises:
        DataUnavailable: there are no such answers, or a file is missing or damaged.
    """
    with Results(info, "linear", (first, second), (dataset,), tables=("cells",)) as results:
        table = results.frame(
            "SELECT sample_id, bool_or(encoder = $first AND prediction = label) AS one, "
            "bool_or(encoder = $second AND prediction = label) AS two FROM rows WHERE seed = 0 GROUP BY sample_id",
            {"first": first, "second": second},
        )
    words = {(True, True): "both", (True, False): "first", (False, True): "second", (False, False): "none"}
    return {id: words[bool(one), bool(two)] for id, one, two in table.itertuples(index=False)}
