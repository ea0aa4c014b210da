"""Damage to the files of a study, a bit at a time: harmless or told of on reading, and healed by another run."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import study_manifests
from study_folders import folder
from study_rows import invent
from study_runs import DATASETS, flip, opened, toy_folders, toy_setup
from toy_studies import toy

from core.errors import DataUnavailable, InvalidRequest
from core.results import origin, reading, store, summary
from core.results.info import StudyInfo
from core.study import features, jobs
from core.study import run as running
from core.study.engines.base import Setup

FLIPS = 25  # of each file
SAID = {("a", "x", 0): [0, 1, 0], ("b", "x", 0): [0, 0, 0]}
LABELS = {"x": [0, 1, 1]}


def told(info: StudyInfo) -> list[Any]:
    """Everything that pages draw of a study."""
    with reading.Results(info) as results:
        tables = [results.frame(f"SELECT * FROM {view}") for view in ("rows", "logits", "distances")]
    tables[1] = tables[1].drop(columns="filename")
    return [*tables, summary.accuracy(info, "knn"), info.encoders, info.datasets, info.title, origin.plan_file(info)]


def same(one: list[Any], other: list[Any]) -> bool:
    return all(a.equals(b) if isinstance(a, pd.DataFrame) else a == b for a, b in zip(one, other, strict=True))


def test_a_flipped_bit_is_harmless_or_told_of(tmp_path: Path) -> None:
    """In every file of a study; other studies beside it are read as before."""
    study = invent(tmp_path, samples=12, seeds=1, protocols=("knn",), logits=True)
    toy(tmp_path, SAID, LABELS)
    before = told(store.study("invented", [str(tmp_path)]))
    rng, silent, reported = random.Random(0), [], 0
    files = [path for path in study.rglob("*") if path.is_file()]
    chosen = [path for path in files if path.parent == study or "flowers" in path.name]
    assert {path.parent.name for path in chosen} == {"invented", "cells", "logits"}
    for path in chosen:
        for _ in range(FLIPS):
            place, bit = rng.random(), rng.randrange(8)
            whole = flip(path, place, bit)
            found, troubles = store.survey([str(tmp_path)])
            assert "toy" in found
            assert ("invented" in found) != bool(troubles)
            try:
                if "invented" not in found or not same(told(found["invented"]), before):
                    raise DataUnavailable("" if troubles else f"{path.name} {place} {bit}")
            except DataUnavailable as error:
                reported += 1
                if str(error).startswith(path.name):
                    silent.append(str(error))
            path.write_bytes(whole)
    assert silent == []
    assert reported >= 0.9 * FLIPS * (len(chosen) - 1), "of all but the plan, which the manifest holds too"


def test_a_cell_that_holds_anothers_content_is_told_of(tmp_path: Path) -> None:
    toy(tmp_path, SAID, LABELS)
    cells = tmp_path / "toy" / "cells"
    shutil.copyfile(cells / "x.linear.a.0.parquet", cells / "x.linear.b.0.parquet")
    with pytest.raises(DataUnavailable, match=r"x\.linear\.b\.0\.parquet is damaged.*run the study again"):
        summary.accuracy(store.study("toy", [str(tmp_path)]), "linear")


def test_a_manifest_of_an_older_version_is_read_as_it_was(tmp_path: Path) -> None:
    """It holds no hashes, and has no seal."""
    info = toy(tmp_path, SAID, LABELS)
    old = {key: value for key, value in info.manifest.items() if key not in ("sha256", "plan", "distances")}
    cells = {id: {k: v for k, v in cell.items() if k != "sha256"} for id, cell in info.cells.items()}
    (tmp_path / "toy" / "manifest.json").write_text(json.dumps(old | {"schema": 1, "cells": cells}))
    again = store.study("toy", [str(tmp_path)])
    assert summary.accuracy(again, "linear").equals(summary.accuracy(info, "linear"))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in a manifest, the tables themselves too."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from leaves(item, (*path, key))


@pytest.mark.parametrize("wrong", [None, 7, "words", [], [1], {}, {"a": 1}], ids=repr)
def test_a_manifest_of_wrong_types_takes_no_other_study_down(tmp_path: Path, wrong: Any) -> None:
    """Sealed by whoever wrote it: read, or told of, and what is read can be described."""
    toy(tmp_path, SAID, LABELS)
    invent(tmp_path, "whole", samples=12, seeds=1, protocols=("knn",))
    made = study_manifests.read(tmp_path / "toy")
    for *way, last in list(leaves(made)):
        copy = json.loads(json.dumps(made))
        table = copy
        for key in way:
            table = table[key]
        table[last] = wrong
        (tmp_path / "toy" / "manifest.json").write_text(json.dumps(copy | {"schema": 1}))
        found, troubles = store.survey([str(tmp_path)])
        assert "whole" in found
        assert ("toy" in found) != bool(troubles)
        if "toy" in found:
            info = found["toy"]
            origin.provenance(info)
            origin.unfinished(info)
            assert info.title
            assert info.version
            assert info.by_domain()


def test_a_bottomless_manifest_is_told_of(tmp_path: Path) -> None:
    toy(tmp_path, SAID, LABELS)
    (tmp_path / "toy" / "manifest.json").write_text("[" * 100_000)
    found, (trouble,) = store.survey([str(tmp_path)])
    assert not found
    assert "damaged" in trouble.reason


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    toy_folders(tmp_path)
    return lambda **changed: toy_setup(tmp_path, seeds=1, **changed)


def rows_of(setup: Setup) -> pd.DataFrame:
    with opened(setup) as results:
        return results.frame("SELECT * FROM rows ORDER BY dataset, protocol, sample_id")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_another_run_heals_what_is_damaged(setup, place: float) -> None:
    """Also of a manifest that is damaged itself, when nothing is known of the cells but what their files say."""
    made = setup(protocols=("knn",))
    list(running.study(made))
    before = rows_of(made)
    for path in sorted(Path(made.out).glob("*/*.parquet")):
        flip(path, place, 3)
    events = list(running.study(made))
    assert {event.what for event in events if event.kind == "cell"} == {"near.knn.random.0", "far.knn.random.0"}
    assert rows_of(made).equals(before)
    flip(Path(made.out) / "manifest.json", place, 3)
    assert [event.kind for event in running.study(made)] == ["opened", "opened", "kept", "end"]
    assert rows_of(made).equals(before)


def test_a_damaged_page_is_found_without_a_manifest(setup) -> None:
    """A killed run leaves cells that no manifest knows."""
    made = setup(protocols=("knn",), logits=False)
    list(running.study(made))
    before = rows_of(made)
    (Path(made.out) / "manifest.json").unlink()
    flip(Path(made.out) / "cells" / "far.knn.random.0.parquet", 0.35, 0)
    events = list(running.study(made))
    assert [event.what for event in events if event.kind == "cell"] == ["far.knn.random.0"]
    assert rows_of(made).equals(before)


def test_a_run_adds_hashes_to_a_study_of_an_older_version(setup) -> None:
    made = setup(protocols=("knn",))
    list(running.study(made))
    path = Path(made.out) / "manifest.json"
    table = json.loads(path.read_text())
    hashes = [cell.pop("sha256") for cell in table["cells"].values()]
    old = {key: value for key, value in table.items() if key not in ("sha256", "plan", "distances")}
    path.write_text(json.dumps(old | {"schema": 1}))
    assert [event.kind for event in running.study(made)] == ["opened", "opened", "kept", "end"]
    assert [cell["sha256"] for cell in study_manifests.read(Path(made.out))["cells"].values()] == hashes


def test_a_plan_that_is_not_what_was_run_is_told_of(setup) -> None:
    made = setup(protocols=("knn",))
    list(running.study(made))
    plan = Path(made.out) / "study.toml"
    plan.write_text(plan.read_text().replace("seeds = 1", "seeds = 5"))
    with pytest.raises(InvalidRequest, match=r"study\.toml is not what the last run wrote.*delete it"):
        list(running.study(made))
    plan.unlink()
    assert running.stored_plan(made.out) == made.plan
    assert [event.kind for event in running.study(made)] == ["opened", "opened", "kept", "end"]
    assert plan.is_file()


@pytest.mark.parametrize("name", features.FILES)
@pytest.mark.parametrize("place", [0.0, 0.4, 0.999])
def test_damaged_features_count_as_absent(setup, name: str, place: float) -> None:
    made = setup(protocols=("knn",))
    list(running.study(made))
    before = rows_of(made)
    for path in (made.cache / "features").glob(f"*/{name}"):
        flip(path, place, 2)
    shutil.rmtree(made.out)
    events = list(running.study(made))
    assert [event.what for event in events if event.kind == "features"], "they are computed again"
    assert rows_of(made).equals(before)


def test_a_damaged_shard_is_extracted_again(setup, monkeypatch: pytest.MonkeyPatch) -> None:
    made = setup(protocols=("knn",), datasets=DATASETS[:1])
    list(running.study(made))
    before = rows_of(made)
    write = features.write_shard

    def damaging(place: str, shard: features.Shard, *found: Any) -> None:
        write(place, shard, *found)
        flip(Path(f"{place}.shards", shard.name), 0.5, 1)

    monkeypatch.setattr(features, "write_shard", damaging)
    shutil.rmtree(made.out)
    shutil.rmtree(made.cache)
    list(running.study(made))
    assert rows_of(made).equals(before)


def test_a_bad_job_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    folder(tmp_path / "data", "near")
    bad = tmp_path / "results" / "bad"
    bad.mkdir(parents=True)
    for text in ("[1]", "{}", '{"started": 7}', "7", "", "\x00"):
        (bad / "job.json").write_text(text)
        (bad / "progress.json").write_text(text)
        assert jobs.jobs() == []
        assert jobs.job_of(bad) is None
