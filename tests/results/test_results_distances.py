"""How far sets are from the source, from stored rows and from invented tables."""

import numpy as np
import pandas as pd
import pytest
from study_rows import invent
from study_tables import MIXED
from toy_studies import toy

from core.results import distances
from core.results.info import StudyInfo
from core.results.store import study


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> StudyInfo:
    root = tmp_path_factory.mktemp("results")
    invent(root, samples=40, seeds=1)
    return study("invented", [str(root)])


def test_distances(info, tmp_path):
    found = distances.distances(info)
    assert list(found.columns) == list(distances.DISTANCES)
    assert list(found["dataset"].drop_duplicates()) == ["flowers", "scenes", "scans"]
    row = found.query("encoder == 'simclr' and dataset == 'scans' and measure == 'frechet'").iloc[0]
    assert (row["value"], row["label"], row["domain"], row["reference"]) == (30.0, "Scans", "different", "birds")
    without = toy(tmp_path, {("a", "x", 0): [0]}, {"x": [0]})
    assert distances.distances(without).empty
    assert list(distances.distances(without).columns) == list(found.columns)


def far(values: dict[str, float], encoder="sl", floor: float | None = 2.0) -> pd.DataFrame:
    known = {**({"birds": floor} if floor is not None else {}), **values}
    return pd.DataFrame(
        {
            "encoder": encoder,
            "dataset": list(known),
            "reference": "birds",
            "measure": "frechet",
            "value": list(known.values()),
            "samples": 500,
        }
    )


DISTANCES = far({"cars": 5.0, "dogs": 4.0, "scans": 20.0})


def test_sets_are_joined_with_their_distance_nearest_first_and_the_source_at_the_floor():
    table = distances.by_distance(MIXED, DISTANCES, "sl", "frechet")
    assert table["dataset"].tolist() == ["birds", "dogs", "cars", "scans"]
    assert table["distance"].tolist() == [2, 4, 5, 20]
    assert table["difference"].tolist() == pytest.approx([-5, 1, -3, 4])
    assert table["is_reference"].tolist() == [True, False, False, False]
    assert set(table["images"]) == {500}
    assert distances.floor_of(DISTANCES, "sl", "frechet") == 2
    assert np.isnan(distances.floor_of(far({"cars": 5.0}, floor=None), "sl", "frechet"))
    assert distances.by_distance(MIXED, DISTANCES, "ssl", "frechet").empty
    assert distances.by_distance(MIXED, DISTANCES, "sl", "knn").empty
