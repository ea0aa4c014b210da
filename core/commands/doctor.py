"""`invariscope doctor`: is everything here that should be?"""

import argparse
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import core
from core.commands.common import Commands, add_command, say, tell
from core.encoders.registry import encoders
from core.errors import InvariscopeError

PACKAGES = ("streamlit", "torch", "torchvision", "timm", "captum", "plotly", "pandas")


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    add_command(commands, "doctor", run, "check the installation")


def examine(device_name: str) -> dict[str, Any]:
    """Versions, device, packaged encoders with their state, the weights folder and free space."""
    import psutil
    import torch

    from core import devices, pipeline
    from core.encoders.files import weights
    from core.heads import store

    device = devices.pick(device_name)
    packaged, problems = {}, []
    for id, spec in encoders().items():
        if not spec.weights.packaged:
            continue
        try:
            weights.verify(spec.weights)
            for task_id in store.tasks_of(spec):
                pipeline.load(id, task_id, device.type)
            packaged[id] = "ok"
        except InvariscopeError as error:
            packaged[id] = str(error)
            problems.append(str(error))
    if not packaged:
        problems.append("No packaged encoder was found: install Invariscope again.")
    folder = weights.weights_folder()
    fetched = [id for id, spec in encoders().items() if not spec.weights.packaged and weights.is_here(spec.weights)]
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    return {
        "invariscope": core.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "device": pipeline.device_label(device),
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "fast_bf16": devices.has_fast_bf16(device),
        "threads": torch.get_num_threads(),
        "packaged": packaged,
        "weights_folder": str(folder),
        "fetched": fetched,
        "free_memory_gb": psutil.virtual_memory().available / 1e9,
        "free_disk_gb": shutil.disk_usage(existing).free / 1e9,
        "problems": problems,
    }


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 when something is wrong."""
    found = examine(arguments.device)
    code = tell(arguments, found, _lines(found), bool(found["problems"]))
    if found["problems"]:
        say("invariscope: " + " ".join(found["problems"]))
    return code


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {state}" for name, state in value.items())
        elif isinstance(value, list):
            value = ", ".join(value) or "none"
        elif isinstance(value, float):
            value = f"{value:.1f}"
        yield f"{key.replace('_', ' '):16} {value}"
