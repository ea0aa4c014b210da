"""Studies are run once, and stored whole."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toys
from study_folders import folder, picture
from study_runs import DATASETS, cells_on_disk, opened, toy_folders, toy_setup

from core.datasets import splits
from core.encoders.files import weights
from core.encoders.resident import residents
from core.errors import DataUnavailable, InvalidRequest, UnknownName
from core.results import distances as results_distances
from core.results import schema, store, summary
from core.study import encoding
from core.study import run as running
from core.study.engines.base import Setup
from core.study.plan import Plan


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    toy_folders(tmp_path)
    return lambda **changed: toy_setup(tmp_path, **changed)


def test_study_holds_one_row_a_sample_and_cell(setup) -> None:
    made = setup()
    events = list(running.study(made))
    assert events[-1].kind == "end"
    assert [e.done for e in events if e.kind == "cell"] == list(range(1, 7))
    assert all(0 <= (e.top1 or 0) <= 1 for e in events if e.kind == "cell")
    assert events[-1].remaining == 0
    assert cells_on_disk(made) == {
        f"{d}.{p}.random.{s}": 18 for d in ("near", "far") for p, s in (("knn", 0), ("linear", 0), ("linear", 1))
    }
    with opened(made) as results:
        counted = results.frame(
            "SELECT count(*) AS n, count(DISTINCT (dataset, protocol, seed, sample_id)) AS different FROM rows"
        )
        assert counted.iloc[0].tolist() == [108, 108]
        assert results.frame("SELECT * FROM rows LIMIT 1").columns.tolist() == schema.ROWS.names
        assert results.frame("SELECT len(logits) AS c FROM logits")["c"].unique().tolist() == [3]
        right = results.frame("SELECT avg((label = prediction)::INT) AS top1 FROM rows WHERE protocol = 'linear'")
        assert right["top1"][0] > 0.9, "colours are easy"


def test_distances_from_the_source_set_are_measured_once(tmp_path: Path) -> None:
    for name in ("near", "far"):
        folder(tmp_path / "data", name, train=4, test=16)
    plan = Plan("toy", ("random",), DATASETS, ("knn",))
    made = Setup(plan, str(tmp_path / "results" / "toy"), tmp_path / "cache", tmp_path / "data", "cpu")
    assert [e.kind for e in running.study(made)][-2:] == ["distances", "end"]
    with opened(made) as results:
        table = results.frame("SELECT * FROM distances")
    assert set(table["dataset"]) == {"near", "far"}, "the source with itself is the floor"
    assert set(table["measure"]) == {"frechet", "auroc", "knn"}
    assert [e.kind for e in running.study(made)] == ["opened", "opened", "kept", "end"]


def test_without_a_source_set_distances_are_from_what_ships_with_the_encoder(tmp_path: Path) -> None:
    folder(tmp_path / "data", "mine", train=4, test=16)
    plan = Plan("toy", ("random", "supervised"), ("folder:mine",), ("knn",))
    made = Setup(plan, str(tmp_path / "results" / "toy"), tmp_path / "cache", tmp_path / "data", "cpu")
    assert [e.kind for e in running.study(made)][-3:] == ["distances", "distances", "end"]
    table = results_distances.distances(store.study("toy", [str(tmp_path / "results")]))
    assert set(table["reference"]) == {"tiny-imagenet"}
    assert set(table["encoder"]) == {"random", "supervised"}
    assert table["samples"].unique().tolist() == [256, 48]  # half of what ships, and all of the set
    for id in ("random", "supervised"):
        value = table[table["encoder"] == id].set_index(["dataset", "measure"])["value"]
        assert value["mine", "frechet"] > 2 * value["tiny-imagenet", "frechet"]  # noisy squares are no photographs
        assert value["mine", "auroc"] > 0.95
        assert value["tiny-imagenet", "auroc"] == pytest.approx(0.5, abs=0.1)
        assert results_distances.floor_of(table, id, "knn") == value["tiny-imagenet", "knn"]
    before = (tmp_path / "results" / "toy" / "distances.parquet").read_bytes()
    assert "distances" not in [e.kind for e in running.study(made)]
    assert (tmp_path / "results" / "toy" / "distances.parquet").read_bytes() == before


def test_distances_are_measured_anew_when_an_encoder_of_the_same_id_has_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_folders(tmp_path)
    made = toy_setup(tmp_path, protocols=("knn",), seeds=1)
    list(running.study(made))
    residents().keep(0)
    monkeypatch.setattr(weights, "verify", lambda file: "1" * 64)
    kinds = [e.kind for e in running.study(made)]
    residents().keep(0)
    assert "distances" in kinds


def test_manifest_traces_every_number(setup) -> None:
    made = setup()
    list(running.study(made))
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.datasets["near"]["classes"] == ["blue", "green", "red"]
    assert info.datasets["near"]["samples"] == {"train": 36, "test": 18}
    assert info.encoders["random"]["family"] == "random"
    assert len(info.encoders["random"]["weights"]) == 64
    cell = info.cells["near.linear.random.0"]
    assert cell["state"] == "done"
    assert cell["facts"]["C"] > 0
    assert cell["facts"]["validation_samples"] == 3
    assert {"python", "torch", "invariscope"} <= set(info.manifest["versions"])


def test_second_run_does_nothing_and_a_larger_plan_adds(setup) -> None:
    made = setup(protocols=("linear",))
    list(running.study(made))
    before = {p.name: p.stat().st_mtime_ns for p in Path(made.out).glob("cells/*")}
    again = list(running.study(made))
    assert [e.kind for e in again] == ["opened", "opened", "kept", "end"]
    grown = list(running.study(setup(protocols=("knn",), datasets=DATASETS[:1])))
    assert sum(e.kind == "cell" for e in grown) == 2, "knn on both sets: the study keeps what it had"
    assert not [e for e in grown if e.kind == "features"], "features are read from the cache"
    after = {p.name: p.stat().st_mtime_ns for p in Path(made.out).glob("cells/*")}
    assert before.items() <= after.items()
    assert len(after) == 6
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.manifest["protocols"] == ["linear", "knn"]


def test_changed_images_are_read_again(setup, tmp_path: Path) -> None:
    made = setup(protocols=("knn",), seeds=1)
    list(running.study(made))
    (tmp_path / "data/far/test/red/new.png").write_bytes(picture((200, 50, 40), 999))
    events = list(running.study(made))
    assert [e.what for e in events if e.kind == "cell"] == ["far.knn.random.0"]
    assert cells_on_disk(made) == {"near.knn.random.0": 18, "far.knn.random.0": 19}


def test_options_are_joined_one_by_one(setup) -> None:
    old = setup(options={"few-shot": {"ways": 3}}).plan
    new = setup(options={"few-shot": {"shots": 1}}).plan
    assert running.merged(old, new).options == {"few-shot": {"ways": 3, "shots": 1}}


def test_same_plan_gives_the_same_numbers(setup, tmp_path: Path) -> None:
    made = setup()
    list(running.study(made))
    other = Setup(made.plan, str(tmp_path / "again" / "toy"), tmp_path / "other cache", made.data, "cpu")
    list(running.study(other))
    for path in sorted(Path(made.out).glob("cells/*.parquet")):
        assert pq.read_table(path).equals(pq.read_table(Path(other.out) / "cells" / path.name))


def test_seeds_choose_the_validation_split() -> None:
    ids, labels = [f"train/{i}" for i in range(40)], [0] * 40
    first, second = (splits.held_out(ids, np.array(labels), salt=f"validation-{seed}") for seed in (0, 1))
    assert first.sum() == second.sum() == 4
    assert (first != second).any()


def test_a_protocol_may_take_fewer_seeds_and_more_later(setup) -> None:
    made = setup(datasets=DATASETS[:1], options={"linear": {"seeds": 1}})
    list(running.study(made))
    assert set(cells_on_disk(made)) == {"near.linear.random.0", "near.knn.random.0"}
    more = setup(datasets=DATASETS[:1], options={"linear": {"seeds": 2}})
    run = [event.what for event in running.study(more) if event.kind == "cell"]
    assert len(run) == 1, "how often a protocol is asked is no part of what its cells were made from"
    assert set(cells_on_disk(made)) == {"near.linear.random.0", "near.linear.random.1", "near.knn.random.0"}


def test_a_set_with_its_own_validation_part_needs_one_seed(setup, tmp_path: Path) -> None:
    val = tmp_path / "data/near/val"
    for word, colour in (("blue", (40, 60, 200)), ("green", (40, 180, 60)), ("red", (200, 50, 40))):
        (val / word).mkdir(parents=True)
        (val / word / "0.png").write_bytes(picture(colour, 77))
    made = setup(datasets=DATASETS[:1])
    list(running.study(made))
    assert set(cells_on_disk(made)) == {"near.linear.random.0", "near.knn.random.0"}
    info = store.study("toy", [str(Path(made.out).parent)])
    assert info.cells["near.knn.random.0"]["facts"]["validation_samples"] == 3


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"encoders": ("nobody",)}, UnknownName, "no encoder called 'nobody'"),
        ({"protocols": ("magic",)}, UnknownName, "no protocol called 'magic'"),
        ({"seeds": 0}, InvalidRequest, "1 to 32 seeds"),
        ({"options": {"linear": {"C": 1}}}, InvalidRequest, "linear has no option C"),
        ({"options": {"linear": {"seeds": 0}}}, InvalidRequest, "'seeds' of protocol linear must be a whole number"),
        ({"encoders": ()}, InvalidRequest, "at least one encoder"),
        ({"encoders": ("random", "random")}, InvalidRequest, "repeats one"),
        ({"datasets": ("folder:near", "folder:far?id=near")}, InvalidRequest, "called 'near'"),
        ({"datasets": ("folder:nowhere",)}, DataUnavailable, "nowhere"),
    ],
)
def test_plans_that_cannot_run_say_why(setup, changed, error, message) -> None:
    made = setup(**changed)
    with pytest.raises(error, match=message):
        list(running.study(made))
    assert not cells_on_disk(made)


def test_reading_rows_agrees_with_the_facts_of_the_run(setup) -> None:
    made = setup(seeds=1)
    list(running.study(made))
    info = store.study("toy", [str(Path(made.out).parent)])
    table = summary.accuracy(info, "linear").set_index("dataset")
    for dataset in ("near", "far"):
        assert table.loc[dataset, "accuracy"] == pytest.approx(
            info.cells[f"{dataset}.linear.random.0"]["facts"]["top1"]
        )
    json.dumps(info.manifest)


def test_a_gpu_without_room_for_a_batch_gets_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    contender = toys.literal()
    whole = encoding._encode(contender.encoder, np.full((6, 8, 8, 3), 100, np.uint8))
    seen = []

    def cramped(inputs: torch.Tensor):
        seen.append(len(inputs))
        if len(inputs) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return toys.TwoChannels().forward_features(inputs)

    monkeypatch.setattr(contender.encoder.network, "forward_features", cramped)
    monkeypatch.setitem(encoding.BATCH, "cpu", 6)
    np.testing.assert_array_equal(encoding._encode(contender.encoder, np.full((6, 8, 8, 3), 100, np.uint8)), whole)
    assert seen == [6, 3, 1, 1, 1, 1, 1, 1]
