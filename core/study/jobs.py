"""Studies that run in the background, in processes of their own: they outlive the tab and the server.

A job is what its study's folder says: `asked.toml` (the plan), `job.json` (its process), `progress.json` (the last
event) and `log.txt`. A process is known by its id and by what it was told to run, since ids are used again; when it
began would change with the machine's clock.
"""

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from core.errors import InvalidRequest
from core.paths import ROOT, result_roots
from core.results import store
from core.study import plan as plans
from core.study import sealed
from core.study.plan import Plan

# A process in between, which ends at once, leaves the study without a parent that would have to wait for it.
DETACH = """
import subprocess, sys
with open(sys.argv[1], "wb") as log:
    process = subprocess.Popen(
        sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
print(process.pid)
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A study that was started from a page.

    Attributes:
        folder: of the study.
        running: whether its process is at work.
        progress: the last event, as `invariscope study --progress` stores it; empty before the first.
        started: when, as ISO text.
        cancelled: whether somebody asked it to stop.
        owner: a secret of the session that may stop it and go on with it; empty when all may.
        log: the last lines that it printed.
        number: of all jobs, the later the larger, whatever the clock said.
    """

    folder: Path
    running: bool
    progress: dict[str, Any]
    started: str
    cancelled: bool
    owner: str
    log: str
    number: int

    @property
    def ended(self) -> bool:
        """Whether it ran to its end."""
        return self.progress.get("kind") == "end"


def own_root() -> Path:
    """The folder that studies started from a page are written to.

    Raises:
        InvalidRequest: the first root of INVARISCOPE_RESULTS is no folder of this machine.
    """
    root = result_roots()[1]
    if "://" in root:
        raise InvalidRequest(f"Studies started here need a folder; the first of INVARISCOPE_RESULTS is {root}.")
    return Path(root)


def is_taken(name: str) -> bool:
    """Whether a study of that name is there, or its folder is; running it again goes on with it."""
    return name in store.studies() or (own_root() / name).exists()


def unused_name(name: str) -> str:
    """`name`, or the first of `name-2`, `name-3`, … that no study has."""
    return next(found for i in count(1) if not is_taken(found := name if i == 1 else f"{name}-{i}"))


def _process(folder: Path, facts: dict[str, Any]) -> psutil.Process | None:
    """The process of a study's job; None when it has ended."""
    # Gone between two questions, or never noted: either way it does not run.
    with contextlib.suppress(psutil.Error, KeyError):
        process = psutil.Process(int(facts["pid"]))
        if str(folder / "asked.toml") in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def start(plan: Plan, data: Path, owner: str = "") -> Path:
    """Start a study in a process of its own; returns its folder.

    A study of that name that is there is gone on with, and grows by what the plan adds.

    Args:
        plan: what to do, and the study's name.

    Raises:
        InvalidRequest: the plan is no good, a study is running already, or the one of that name is another owner's.
    """
    plan.check().check_options()
    root = own_root()
    folder = root / plan.name
    store.free_name(plan.name, str(folder))
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".starting.lock", timeout=10):  # of two visitors at once, one is told to wait
            known = jobs()
            busy = next((job for job in known if job.running), None)
            if busy is not None:
                raise InvalidRequest(f"The study '{busy.folder.name}' is running: wait for its end, or cancel it.")
            before = job_of(folder)
            if owner and folder.exists() and (before is None or before.owner != owner):
                raise InvalidRequest(f"The study '{plan.name}' is somebody else's: take another name.")
            number = 1 + max((job.number for job in known), default=0)
            _spawn(plan, folder, data, {"owner": owner, "number": number})
    except (OSError, subprocess.CalledProcessError, Timeout) as error:
        raise InvalidRequest(f"The study could not be started in {folder}: {error}.") from error
    return folder


def _spawn(plan: Plan, folder: Path, data: Path, facts: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "progress.json").unlink(missing_ok=True)
    (folder / "asked.toml").write_bytes(plans.dump(plan))
    started = subprocess.run(
        [
            *(sys.executable, "-c", DETACH, str(folder / "log.txt")),
            *(sys.executable, "-m", "core.cli", "study", str(folder / "asked.toml"), "--out", str(folder)),
            *("--data", str(data), "--progress", str(folder / "progress.json")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _store(folder, facts | {"pid": int(started.stdout), "started": now, "cancelled": False})


def _store(folder: Path, facts: dict[str, Any]) -> None:
    sealed.write(str(folder / "job.json"), json.dumps(facts).encode())


def _read(path: Path) -> dict[str, Any]:
    """What was stored; empty when it is not there, or damaged: one bad folder must not hide the other jobs."""
    with contextlib.suppress(OSError):
        return dict(json.loads(sealed.read(str(path)) or "{}"))
    return {}


def job_of(folder: Path) -> Job | None:
    """The job of a study's folder; None for a study that no page started."""
    facts = _read(folder / "job.json")
    if not facts:
        return None
    log = folder / "log.txt"
    return Job(
        folder=folder,
        running=_process(folder, facts) is not None,
        progress=_read(folder / "progress.json"),
        started=str(facts["started"]),
        cancelled=bool(facts["cancelled"]),
        owner=str(facts.get("owner", "")),
        log=log.read_text(encoding="utf-8", errors="replace")[-4000:] if log.is_file() else "",
        number=int(facts.get("number", 0)),
    )


def jobs() -> list[Job]:
    """The jobs of all studies, the latest first."""
    root = own_root()
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    found = [job for folder in folders if (job := job_of(folder)) is not None]
    return sorted(found, key=lambda job: (job.number, job.started), reverse=True)


def cancel(folder: Path) -> None:
    """Ask a job to stop; what is done stays done, and starting the study again goes on with it."""
    facts = _read(folder / "job.json")
    process = _process(folder, facts)
    if process is not None:
        _store(folder, facts | {"cancelled": True})
        with contextlib.suppress(psutil.Error):  # it ended by itself meanwhile
            process.terminate()
