"""The benchmark's plumbing: what it prints and when it fails. Nothing here asserts on time."""

from collections.abc import Iterator

import pytest
import torch

from core.commands import bench as command

TINY = command.Effort(repetitions=1, large=False, settled=1, uploads=2)
CPU = torch.device("cpu")


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
