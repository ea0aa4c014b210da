"""Images chosen by what was measured of them: the shipped study, recomputed from its Parquet files with pandas."""

import json

import numpy as np
import pandas as pd
import pytest

from core.augmentations import AUGMENTATIONS
from core.errors import DataUnavailable, UnknownName
from core.paths import ASSETS
from core.results import image_figures, pairs, store
from core.results.image_figures import FIGURES
from core.results.info import StudyInfo

FAMILY = ASSETS / "results/family"
PAIR = ("supervised", "simclr")
SETS = ("cifar10", "tiny-imagenet")
# One that descends, one with a sense of its own, one that is on or off.
UNDER = ("scale", "hue", "greyscale")


@pytest.fixture(scope="module")
def family() -> StudyInfo:
    return store.studies([str(FAMILY.parent)])["family"]


def read(folder: str, dataset: str, encoder: str) -> pd.DataFrame:
    kind = {"critical": "invariance"}.get(folder, folder)
    return pd.read_parquet(FAMILY / folder / f"{dataset}.{kind}.{encoder}.0.parquet")


def by_hand(figure: str, under: str, dataset: str, encoder: str) -> pd.Series:
    """A figure by sample, from the files."""
    if figure in ("effective", "gini"):
        rows = read("attribution", dataset, encoder)
        return rows[rows["role"] == "predicted"].set_index("sample_id")[figure]
    rows = read(FIGURES[figure].table, dataset, encoder)
    rows = rows[rows["augmentation"] == under].astype({"sample_id": str})
    if figure == "withstood":
        return rows.set_index("sample_id")["withstood"]
    if figure == "kept":
        return rows.astype({"kept": float}).groupby("sample_id")["kept"].mean()
    cells = json.loads((FAMILY / "manifest.json").read_text())["cells"]
    floor = cells[f"{dataset}.invariance.{encoder}.0"]["facts"]["floor_whitened"]
    found = {}
    for sample, part in rows.groupby("sample_id"):
        at = (part["strength"].astype(float) - AUGMENTATIONS[under].identity).abs()
        mean = part["whitened"].astype(float).groupby(at).mean()
        area = np.trapezoid([1, *mean], [0, *mean.index]) / mean.index.max()
        found[sample] = (area - floor) / (1 - floor)
    return pd.Series(found)


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize(
    ("figure", "under"),
    [*((f, u) for f in list(FIGURES)[:3] for u in UNDER), *((figure, "") for figure in list(FIGURES)[3:])],
)
def test_the_figures_and_the_images_they_choose_are_those_of_the_files(
    family: StudyInfo, figure: str, under: str, dataset: str
) -> None:
    expected = pd.DataFrame({id: by_hand(figure, under, dataset, id) for id in PAIR}).astype(float)
    found = image_figures.of_pair(family, figure, under, *PAIR, dataset).set_index("sample_id")
    assert len(found) == 200
    np.testing.assert_allclose(found.loc[expected.index], expected, rtol=1e-6, atol=1e-6)
    low, high = np.nanquantile(expected, [0.02, 0.1]).tolist()
    wanted = expected[(expected.ge(low) & expected.le(high)).any(axis=1)]
    chosen = pairs.samples(family, "linear", *PAIR, dataset, measured=(figure, under, low, high), limit=1000)
    assert 0 < len(wanted) < 200
    assert set(chosen["sample_id"]) == set(wanted.index)
    assert chosen["total"].unique().tolist() == [len(wanted)]
    np.testing.assert_allclose(chosen[["first_value", "second_value"]], expected.loc[chosen["sample_id"]], atol=1e-6)


def test_together_with_another_filter_both_hold(family: StudyInfo) -> None:
    expected = by_hand("kept", "hue", "digits", PAIR[0]) >= 0.5
    chosen = pairs.samples(
        family, "linear", *PAIR, "digits", label=3, measured=("kept", "hue", 0.5, np.inf), limit=1000
    )
    assert set(chosen["label"]) == {3}
    only = chosen[chosen["second_value"] < 0.5]["sample_id"]
    assert expected[only].all()


def test_what_was_not_measured_is_said(family: StudyInfo) -> None:
    assert image_figures.augmentations(family, PAIR, "digits") == list(AUGMENTATIONS)
    assert image_figures.augmentations(family, PAIR, "nowhere") == []
    with pytest.raises(DataUnavailable, match="no finished cell"):
        image_figures.of_pair(family, "gini", "", "nobody", "nowhere", "digits")
    with pytest.raises(UnknownName, match="figure"):
        image_figures.of_pair(family, "wonder", "", *PAIR, "digits")
    assert image_figures.name_of("kept", "hue") == "probability kept, Hue"
    assert image_figures.name_of("gini", "") == "Gini of the evidence"
