"""Distances of sets from a source whose answer is known, and the file they are kept in."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.errors import DataUnavailable
from core.metrics import domain
from core.results import schema, writing
from core.study import distances
from core.study.features import Features


def features(name: str, samples: int, shift: float = 0.0, width: int = 6, seed: int = 0) -> Features:
    """Gaussian features around `shift`; ids are those of images of `name`."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    values = np.random.default_rng([key, seed]).normal(loc=1 + shift, size=(samples, width)).astype(np.float32)
    return Features(values, np.zeros(samples, np.int64), tuple(f"test/{name}/{i:05d}.png" for i in range(samples)))


SOURCE = ("source", features("source", 1200))
TARGETS = {"near": features("near", 700, 0.3), "far": features("far", 2000, 1.0), "same": features("same", 650)}


def figures(table) -> pd.DataFrame:
    assert table.schema.equals(schema.DISTANCES)
    return table.to_pandas().astype({"dataset": str}).pivot(index="dataset", columns="measure", values="value")


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return figures(distances.measure("net", SOURCE, TARGETS))


def test_every_set_and_the_reference_itself_has_every_measure(found):
    assert set(found.index) == {"near", "far", "same", "source"}
    assert set(found.columns) == {"frechet", "auroc", "knn"}
    assert found.notna().all().all()


def test_a_set_that_is_farther_measures_farther(found):
    for measure in ("frechet", "auroc"):
        assert found.at["far", measure] > found.at["near", measure] > found.at["source", measure]


def test_a_set_of_the_source_s_distribution_is_at_the_floor(found):
    assert found.at["same", "auroc"] == pytest.approx(found.at["source", "auroc"], abs=0.06)
    assert found.at["source", "auroc"] == pytest.approx(0.5, abs=0.06)
    assert found.at["same", "frechet"] < found.at["near", "frechet"] / 5
    assert found.at["same", "knn"] == pytest.approx(found.at["source", "knn"], rel=0.1)


def test_all_sets_are_compared_by_the_same_number_of_images_but_tiny_ones():
    table = distances.measure("net", SOURCE, TARGETS | {"tiny": features("tiny", 150)}).to_pandas()
    assert table.groupby("dataset", observed=True)["samples"].unique().map(list).to_dict() == {
        "near": [600],  # half of the source
        "far": [600],
        "same": [600],
        "source": [600],
        "tiny": [150],
    }
    smaller = distances.measure("net", SOURCE, TARGETS | {"small": features("small", 250)}).to_pandas()
    assert set(smaller["samples"]) == {250}


def test_the_figure_is_that_of_the_images_chosen_by_hash():
    """With one piece on either side, worked without the code that chooses."""

    def ordered(these: Features) -> np.ndarray:
        return these.values[np.argsort([hashlib.blake2b(id.encode(), digest_size=8).hexdigest() for id in these.ids])]

    target = features("near", 600, 0.3)
    table = figures(distances.measure("net", SOURCE, {"near": target}))
    first = ordered(SOURCE[1])[:600]
    assert table.at["near", "frechet"] == pytest.approx(domain.frechet_distance(ordered(target), first))
    assert table.at["near", "knn"] == pytest.approx(domain.knn_distance(ordered(target), first, 10).mean())
    assert table.at["source", "knn"] == pytest.approx(domain.knn_distance(ordered(SOURCE[1])[600:], first, 10).mean())


def test_the_order_of_samples_does_not_matter_and_the_seed_moves_the_classifier_alone():
    values = TARGETS["near"]
    mixed = np.random.default_rng(0).permutation(len(values))
    turned = Features(values.values[mixed], values.labels, tuple(values.ids[i] for i in mixed))
    once = figures(distances.measure("net", SOURCE, {"near": values}))
    pd.testing.assert_frame_equal(figures(distances.measure("net", SOURCE, {"near": turned})), once)
    again = figures(distances.measure("net", SOURCE, {"near": values}, seed=9))
    pd.testing.assert_frame_equal(again[["frechet", "knn"]], once[["frechet", "knn"]])
    assert again.at["near", "auroc"] != once.at["near", "auroc"]


def test_a_maximum_bounds_what_is_read(monkeypatch):
    monkeypatch.setattr(distances, "MAX_SAMPLES", 250)
    table = distances.measure("net", SOURCE, TARGETS)
    assert set(table["samples"].to_pylist()) == {250}


def test_pieces_are_averaged(monkeypatch):
    monkeypatch.setattr(distances, "MAX_SAMPLES", 300)
    both = figures(distances.measure("net", SOURCE, {"near": features("near", 600, 0.3)}))
    monkeypatch.setattr(distances, "REPEATS", 1)
    single = figures(distances.measure("net", SOURCE, {"near": features("near", 600, 0.3)}))
    assert both.at["near", "frechet"] != single.at["near", "frechet"]
    assert both.at["near", "frechet"] == pytest.approx(single.at["near", "frechet"], rel=0.5)


def test_the_source_among_the_targets_is_not_measured_against_itself_in_whole():
    table = distances.measure("net", SOURCE, {**TARGETS, "source": SOURCE[1]})
    assert figures(table).at["source", "knn"] > 0.1  # against itself every image would find itself


def test_too_few_images_have_no_figures():
    table = distances.measure("net", SOURCE, {"near": TARGETS["near"], "few": features("few", distances.LEAST - 1)})
    assert set(table["dataset"].to_pylist()) == {"near", "source"}
    nothing = distances.measure("net", ("source", features("source", 2 * distances.LEAST - 1)), TARGETS)
    assert len(nothing) == 0
    assert nothing.schema.equals(schema.DISTANCES)


def test_features_without_direction_are_left_out_of_the_neighbours_alone():
    dead = features("near", 700, 0.3)
    dead.values[::3] = 0
    table = figures(distances.measure("net", SOURCE, {"near": dead}))
    assert np.isfinite(table.at["near", "knn"])
    dead.values[:] = 0
    rows = distances.measure("net", SOURCE, {"near": dead}).to_pandas()
    assert set(rows.loc[rows["dataset"] == "near", "measure"]) == {"frechet", "auroc"}


def test_bad_features_are_refused_in_words():
    broken = features("near", 700)
    broken.values[3] = np.nan
    with pytest.raises(DataUnavailable, match="'near' by 'net' are not finite"):
        distances.measure("net", SOURCE, {"near": broken})
    with pytest.raises(DataUnavailable, match="differ in width"):
        distances.measure("net", SOURCE, {"near": features("near", 700, width=5)})


def test_the_file_holds_all_encoders_and_goes_when_nothing_was_measured(tmp_path: Path):
    tables = [distances.measure(id, SOURCE, {"near": TARGETS["near"]}) for id in ("one", "two")]
    distances.write(str(tmp_path), tables, "made of this")
    path = tmp_path / "distances.parquet"
    stored = pq.read_table(path)
    assert stored.schema.equals(schema.DISTANCES)
    assert stored.to_pandas().groupby("encoder", observed=True).size().to_dict() == {"one": 6, "two": 6}
    facts, _ = writing.stored(str(path))
    assert (facts["key"], facts["version"], facts["neighbour"]) == ("made of this", distances.VERSION, 10)
    distances.write(str(tmp_path), [tables[0].slice(0, 0)], "tried")
    assert len(pq.read_table(path)) == 0
    assert writing.stored(str(path))[0]["key"] == "tried"
    distances.write(str(tmp_path), [])
    assert not path.exists()
    distances.write(str(tmp_path), [])
    assert list(tmp_path.iterdir()) == []
