"""Studies in the background: started, watched, stopped and gone on with, in processes of their own."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import psutil
import pytest
from study_folders import folder

from core.errors import InvalidRequest, UnknownName
from core.results import store
from core.study import jobs, sealed
from core.study.plan import Plan


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    for name in ("near", "far"):
        folder(tmp_path / "data", name)


PLAN = Plan("toy", ("random",), ("folder:near", "folder:far"), ("linear", "knn"), 2)


def wait(folder: Path, until: Callable[[jobs.Job], bool], seconds: float = 120) -> jobs.Job:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = jobs.job_of(folder)
        if job is not None and until(job):
            return job
        time.sleep(0.05)
    raise AssertionError(f"nothing came of it: {job}")


def test_a_job_runs_to_its_end_and_its_study_can_be_read(tmp_path: Path) -> None:
    where = jobs.start(PLAN, tmp_path / "data")
    assert where == tmp_path / "results" / "toy"
    with pytest.raises(InvalidRequest, match="'toy' is running"):
        jobs.start(PLAN, tmp_path / "data")
    job = wait(where, lambda job: not job.running)
    assert job.ended, job.log
    assert job.progress["done"] == job.progress["total"] == 6
    assert "6 cells done, 0 failed" in job.log
    assert [found.folder for found in jobs.jobs()] == [where]
    assert set(store.studies([str(tmp_path / "results")])["toy"].datasets) == {"near", "far"}


def test_a_cancelled_job_stops_soon_and_goes_on_when_started_again(tmp_path: Path) -> None:
    where = jobs.start(PLAN, tmp_path / "data")
    wait(where, lambda job: job.progress.get("kind") in ("features", "cell"))
    jobs.cancel(where)
    job = wait(where, lambda job: not job.running, seconds=30)
    assert job.cancelled
    assert not job.ended
    assert "goes on" in job.log or "go on" in job.log
    jobs.start(PLAN, tmp_path / "data")
    job = wait(where, lambda job: not job.running)
    assert job.ended
    assert not job.cancelled
    assert len(list(where.glob("cells/*.parquet"))) == 6


def test_a_job_that_cannot_run_says_why(tmp_path: Path) -> None:
    where = jobs.start(Plan("lost", ("random",), ("folder:nowhere",), ("knn",)), tmp_path / "data")
    job = wait(where, lambda job: not job.running)
    assert not job.ended
    assert "nowhere" in job.log.strip().splitlines()[-1]


def test_bad_plans_start_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        jobs.start(Plan("toy", ("nobody",), ("folder:near",)), tmp_path / "data")
    with pytest.raises(InvalidRequest, match="cannot be called"):
        jobs.start(Plan("../toy", ("random",), ("folder:near",)), tmp_path / "data")
    assert jobs.jobs() == []


def test_a_name_that_another_root_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="a study called 'family'"):
        jobs.start(Plan("family", ("random",), ("folder:near",)), tmp_path / "data")


def test_studies_are_not_started_into_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_RESULTS", "s3://bucket/results")
    with pytest.raises(InvalidRequest, match="need a folder"):
        jobs.own_root()


def test_a_process_is_not_taken_for_another_with_its_number(tmp_path: Path) -> None:
    where = jobs.start(PLAN, tmp_path / "data")
    wait(where, lambda job: not job.running)
    facts = json.loads(sealed.read(str(where / "job.json")) or b"")
    sealed.write(str(where / "job.json"), json.dumps(facts | {"pid": os.getpid()}).encode())
    found = jobs.job_of(where)
    assert found is not None
    assert not found.running
    jobs.cancel(where)  # and this process goes on


def test_a_clock_that_jumps_back_changes_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systems say of a process's start moves with the clock; of two jobs the later stays the later."""

    class Earlier(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:
            return datetime.now(zone) - timedelta(hours=1)

    first = jobs.start(replace(PLAN, name="first"), tmp_path / "data")
    wait(first, lambda job: not job.running)
    where = jobs.start(PLAN, tmp_path / "data")
    made = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: made(self) - 3600)
    monkeypatch.setattr(jobs, "datetime", Earlier)
    assert wait(where, lambda job: True).running
    with pytest.raises(InvalidRequest, match="'toy' is running"):
        jobs.start(replace(PLAN, name="other"), tmp_path / "data")
    jobs.cancel(where)
    assert wait(where, lambda job: not job.running, seconds=30).cancelled
    last = jobs.start(replace(PLAN, name="last"), tmp_path / "data")
    assert [job.folder for job in jobs.jobs()] == [last, where, first]
    jobs.cancel(last)
    wait(last, lambda job: not job.running, seconds=30)
