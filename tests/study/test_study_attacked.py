"""A study of every protocol and measure is flipped, killed, damaged and starved: told of, or its tables as unbroken.

`FLIPS=1000 KILLS=20` asks for more than a run of all tests has time for.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_runs import everything, flip, tables

from core import pipeline
from core.errors import DataUnavailable, InvalidRequest, WeightsInvalid
from core.heads import store as kept_heads
from core.paths import ROOT
from core.results import claims, export, origin, reading, schema, store
from core.results.info import StudyInfo
from core.study import features, plan
from core.study import run as running
from core.tasks import task, tasks

FLIPS, KILLS = int(os.environ.get("FLIPS", "60")), int(os.environ.get("KILLS", "3"))
PAIR = ("supervised", "simclr")
PROGRESS = re.compile(r"images read|top-1|measured|distances between")
CLAIMS = "claims.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with images, a plan, and the study as a run that nobody disturbs leaves it, with its cache."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # here as in every other run: sums depend on the order of threads
        (root / "plan.toml").write_bytes(plan.dump(everything(root).plan))
        assert command(root, root).wait() == 0
        yield root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy of the study and its cache, to be attacked."""
    for name in ("results", "cache"):
        shutil.copytree(whole / name, tmp_path / name)
    return tmp_path


def command(whole: Path, root: Path, **more: Any) -> subprocess.Popen:
    """The command that runs the study below a folder, or goes on with it."""
    places = ["--out", root / "results/toy", "--cache", root / "cache", "--data", whole / "data", "--device", "cpu"]
    called = [sys.executable, "-m", "core.cli", "study", whole / "plan.toml", *places]
    environment = os.environ | {"INVARISCOPE_CACHE": str(whole / "notes")}
    return subprocess.Popen(list(map(str, called)), cwd=ROOT, env=environment, text=True, **more)


def ended_as(whole: Path, root: Path) -> None:
    """The command, given once more, ends in the tables of the unbroken run, and leaves nothing half-written."""
    assert command(whole, root).wait() == 0
    expected, found = (tables(str(place / "results/toy")) for place in (whole, root))
    assert found.keys() == expected.keys()
    assert [name for name, table in expected.items() if not same([table], [found[name]])] == []
    assert not list(root.rglob("*.partial"))


def told(info: StudyInfo) -> list[Any]:
    """Everything that is read of a study."""
    with reading.Results(info, tables=tuple(schema.TABLES)) as results:
        views = ("rows", *list(schema.TABLES)[1:], "distances")
        read = [results.frame(f"SELECT * FROM {view}").drop(columns="filename", errors="ignore") for view in views]
    facts = [info.encoders, info.datasets, info.cells, info.title, origin.plan_file(info), origin.provenance(info)]
    kept = claims.kept(info, *PAIR)
    return [*read, *map(str, facts), *([] if kept is None else [claims.table(kept.values())])]


def heads() -> dict[tuple[str, str], tuple[Any, str, bytes]]:
    """What pages load of the study's own heads: by task and encoder, the question, and the head that answers it."""
    found = {}
    for id in (id for id in tasks() if "/" in id):
        for encoder in kept_heads.encoders_for(id):
            head = kept_heads.load(pipeline.load(encoder, "tiny-imagenet", "cpu").encoder, id)
            assert head.familiarity is not None
            found[id, encoder] = task(id), head.sha256, head.familiarity.bank.numpy().tobytes()
    return found


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether the same is told; claims that count as absent are worked out again."""
    pairs = zip(one, other, strict=False)
    return all(plain(a).equals(plain(b)) if isinstance(a, pd.DataFrame) else a == b for a, b in pairs)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """With bytes in place of arrays, whose equality is an array."""
    return table.map(lambda value: value.tobytes() if isinstance(value, np.ndarray) else value)


def test_a_flipped_bit_anywhere_is_harmless_or_told_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(root / "results"))
    info, folder = store.study("toy", [str(root / "results")]), root / "results/toy"
    export.write(info, f"{info.address}/{CLAIMS}", "parquet", "claims", "linear", *PAIR)
    before, rng, found = told(info), random.Random(13), Counter[str]()
    asked = heads()
    assert set(asked) == {(id, encoder) for id in ("toy/near", "toy/far") for encoder in PAIR}
    assert isinstance(before[-1], pd.DataFrame), "claims are kept"
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            files.setdefault(path.relative_to(folder).parts[0], []).append(path)
    assert set(files) == {*schema.TABLES, "heads", "tasks", "distances.parquet", CLAIMS, "manifest.json", "study.toml"}
    for number in range(FLIPS):
        kind = list(files)[number % len(files)]
        path, place, bit = rng.choice(files[kind]), rng.random(), rng.randrange(8)
        data = flip(path, place, bit)
        known, troubles = store.survey([str(root / "results")])
        try:
            if troubles:
                raise DataUnavailable(troubles[0].reason)
            if kind in schema.TABLES:  # whoever reads this table alone is told too
                reading.Results(known["toy"], tables=(kind,)).close()
            if kind == "study.toml":
                running.stored_plan(str(folder))
            if kind in ("heads", "tasks"):
                loaded = heads()
                assert loaded.items() <= asked.items(), f"{path.name} {place} {bit}"
                found[f"{kind}: {'harmless' if len(loaded) == len(asked) else 'not offered'}"] += 1
                continue
            now = told(known["toy"])
            assert same(now, before), f"{path.name} {place} {bit}"
            found[f"{kind}: {'harmless' if len(now) == len(before) else 'made again'}"] += 1
        except (DataUnavailable, InvalidRequest, WeightsInvalid):
            found[f"{kind}: told of"] += 1
        finally:
            path.write_bytes(data)
    print(f"{FLIPS} flips: {dict(sorted(found.items()))}")
    assert sum(found.values()) == FLIPS
    for kind in (*schema.TABLES, "heads", "distances.parquet", "manifest.json"):
        assert not found[f"{kind}: harmless"]


def test_kill_9_at_random_moments_ends_in_the_unbroken_tables(whole: Path, tmp_path: Path) -> None:
    rng, left, after = random.Random(13), KILLS, []
    while left:
        process = command(whole, tmp_path, stderr=subprocess.PIPE)
        assert process.stderr is not None
        wanted, line = rng.randrange(4), ""  # of none it is the start that is cut off
        for line in process.stderr:
            wanted -= bool(PROGRESS.search(line))
            if wanted <= 0:
                break
        time.sleep(rng.uniform(0, 1.5))
        process.kill()
        if process.wait() < 0:
            left, after = left - 1, [*after, line.strip()]
        else:  # it had ended
            shutil.rmtree(tmp_path / "results")
            shutil.rmtree(tmp_path / "cache")
        process.stderr.close()
    print(*(f"killed after {line}" for line in after), sep="\n")
    ended_as(whole, tmp_path)


def test_damaged_caches_end_in_the_unbroken_tables(whole: Path, root: Path) -> None:
    """Features cut short, shards, checkpoints, results of fine-tuning and probes flipped, all at once."""
    cache = root / "cache"
    shutil.rmtree(root / "results")
    shutil.rmtree(cache / "checkpoints")
    process = command(whole, root, stderr=subprocess.DEVNULL)
    while not list(cache.glob("checkpoints/*/result.npz")) or not list(cache.glob("checkpoints/*/state.pt")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    shutil.rmtree(root / "results")
    places = sorted(cache.glob("features/*"))
    assert len(places) == 8, "two encoders, two sets, two parts"
    for place in places[:4]:
        os.truncate(place / "values.npy", 200)
    for place in places[4:]:
        found = features.load(str(place))
        shard = features.Shard(0, len(found))
        features.write_shard(str(place), shard, np.array(found.values), list(range(len(found))), [])
        flip(Path(f"{place}.shards", shard.name), 0.5, 6)
        shutil.rmtree(place)
    for kind in ("probes/*.safetensors", "checkpoints/*/result.npz", "checkpoints/*/state.pt"):
        assert list(cache.glob(kind))
        for path in cache.glob(kind):
            flip(path, 0.6, 6)
    ended_as(whole, root)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_ends_in_the_unbroken_tables(whole: Path, tmp_path: Path) -> None:
    """It fills up again and again, wherever the study then is, and is made larger each time."""
    disk, size, told = tmp_path / "disk", 128, 0
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=False).returncode:
        pytest.skip("nothing is mounted here")
    try:
        while True:
            process = command(whole, disk, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            said = process.communicate()[1]
            if process.returncode == 0:
                break
            assert process.returncode in (1, 2)
            assert "Traceback" not in said
            assert "No space left on device" in said
            told, size = told + 1, size * 4
            subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
        print(f"{told} full disks, the last of {size // 4} KiB")
        assert told >= 3
        ended_as(whole, disk)
    finally:
        subprocess.run(["umount", disk], check=True)
