"""What decides which tests run: a browser is asked for, a GPU is found or not; and what tests side by side share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from filelock import FileLock

if TYPE_CHECKING:
    from core.results.info import StudyInfo

SIDE_BY_SIDE = "PYTEST_XDIST_WORKER" in os.environ
"""Whether this is one of several processes, one a core (`pytest -n auto`)."""
if SIDE_BY_SIDE:
    # Threads of several processes on one core wait for each other.
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> "StudyInfo":
    """The study of `measured_studies`, run once; whoever wants it changed copies it."""
    import measured_studies  # here, so that tests without it load nothing of the app

    # All processes of a run share what is costly to make: the first makes it, the others wait.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if SIDE_BY_SIDE else base
    with FileLock(shared / "measured.lock"):
        if not (done := shared / "measured.done").exists():
            measured_studies.build(shared / "measured")
            done.touch()
    return measured_studies.opened(shared / "measured")


@pytest.fixture(autouse=True)
def places_of_this_test_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user of this machine has measured, fetched or cached is not what a test sees."""
    for name in ("RESULTS", "DATA", "CACHE"):
        monkeypatch.setenv(f"INVARISCOPE_{name}", str(tmp_path / f"own {name.lower()}"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--browser", action="store_true", help="run the journeys in a real browser too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--browser"):
        journeys = [item for item in items if item.get_closest_marker("browser")]
        if journeys:
            config.hook.pytest_deselected(items=journeys)
            items[:] = [item for item in items if item not in journeys]
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="PyTorch finds no CUDA device"))
