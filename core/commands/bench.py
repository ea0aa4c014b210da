"""`invariscope bench`: what a person waits for, measured beside a bare forward pass and other tools."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.common import Commands, add_command, say, tell
from core.encoders.registry import encoder_spec
from core.errors import HeadUnavailable

if TYPE_CHECKING:
    import torch

    from core.bench import Row
    from core.readout import Contender

TASK = "tiny-imagenet"
SHOWN = ("name", "value", "unit", "bar", "met", "detail")


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "bench", run, "measure speed against a bare forward pass and other tools")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, packaged encoders only")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure.

    Attributes:
        repetitions: of everything that is timed.
        large: whether to measure a ResNet-50 at 224 px, and not the packaged encoders alone.
        settled: uploads after which memory should grow no more.
        uploads: uploads after which memory is read again.
    """

    repetitions: int = 9
    large: bool = True
    settled: int = 50
    uploads: int = 500


FULL = Effort()
QUICK = Effort(repetitions=5, large=False, uploads=150)


def machine(device: torch.device) -> dict[str, str | int]:
    """What the numbers belong to: processor, cores, threads, device, torch and day."""
    import torch

    from core import pipeline

    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": pipeline.device_label(device),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }


def packaged(device: torch.device) -> list[Contender]:
    """The first two packaged encoders with their heads; one when there is no second.

    Raises:
        HeadUnavailable: there is none.
    """
    from core.commands.given import open_contenders
    from core.heads import store

    ids = [id for id in store.encoders_for(TASK) if encoder_spec(id).weights.packaged][:2]
    if not ids:
        raise HeadUnavailable(f"No packaged encoder has a head for {TASK}: install Invariscope again.")
    return open_contenders(ids, TASK, device)


def measure(effort: Effort, device: torch.device) -> Iterator[Row]:
    """The rows one by one."""
    from core import bench

    small = packaged(device)
    # First: memory that larger work leaves behind and gives back late would hide a leak.
    yield bench.memory_row(small[0], effort.settled, effort.uploads)
    if effort.large:
        large = bench.untrained_resnet50(device)
        yield from bench.readout_rows(large, 8, effort.repetitions)
        yield bench.sweep_row(large, 8, effort.repetitions)
    else:
        yield from bench.readout_rows(small[0], 32, effort.repetitions)
    for contender in small:
        yield bench.sweep_row(contender, 32, effort.repetitions)
    yield bench.upload_row(small, 1, 1.5, effort.repetitions)
    yield bench.upload_row(small, 12, None, effort.repetitions)


def _measured(row: Row) -> str:
    return "–" if row.value is None else f"{row.value:.3g} {row.unit}"


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    words = {True: "yes", False: "NO", None: "–"}
    cells = [("name", "measured", "bar", "met", "detail")]
    for row in rows:
        cells.append((row.name, _measured(row), row.bar or "–", words[row.met], row.detail))
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:4], widths, strict=True)), line[4]])
        for line in cells
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 when a bar is missed."""
    from core import devices

    device = devices.pick(arguments.device)
    rows = []
    for row in measure(QUICK if arguments.quick else FULL, device):
        say(f"{row.name}: {_measured(row)}")
        rows.append(row)
    facts = machine(device)
    told = {"machine": facts, "rows": [{name: getattr(row, name) for name in SHOWN} for row in rows]}
    where = f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads; {facts['device']}; "
    lines = [table(rows), f"{where}torch {facts['torch']}; {facts['date']}"]
    return tell(arguments, told, lines, any(row.met is False for row in rows))
