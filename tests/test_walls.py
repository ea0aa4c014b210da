"""The walls of the house: what may import what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.paths import ROOT

LAYERS = (
    "core core.errors",
    "core.paths core.pace core.files core.public core.text core.spreadsheet core.devices core.images core.metrics",
    "core.fetching",
    "core.tasks core.samples core.augmentations core.confidence",
    "core.encoders",
    "core.heads",
    "core.precision",
    "core.readout",
    "core.doubts core.attribution",
    "core.invariance core.sweeps",
    "core.pipeline",
    "core.datasets",
    "core.pretraining",
    "core.results",
    "core.study",
    "core.plots",
    "core.choosing core.export core.warming core.talk",
    "core.bench core.verification",
    "core.commands core.cli",
    "pages.ui",
    "pages app",
)
"""Packages and modules from the ground up: each imports from its own line and those before it, and from no other."""
ONLY_FOR_COMMANDS = ("core.bench", "core.verification")
"""What measures or checks the product is no part of it."""

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names.split()}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in (*ROOT.glob("core/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py")}


def room_of(module: str) -> str | None:
    """The longest name in `LAYERS` that a module belongs to; `core` and `pages` are no room for what has none."""
    while module not in LEVELS:
        module = module.rpartition(".")[0]
        if module in ("", "core"):
            return None
    return module


def imports(source: str) -> Iterator[str]:
    """The modules of the house that a source imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if (found := inner if inner in MODULES else node.module) in MODULES:
                    yield found


def crossed(module: str, source: str) -> list[str]:
    """The walls that a module of this source would cross, in words."""
    own = room_of(module)
    if own is None:
        return [f"{module} has no layer"]
    found = []
    for other in imports(source):
        theirs = room_of(other)
        if theirs is not None and LEVELS[theirs] > LEVELS[own]:
            found.append(f"{module} imports {other}, which is built on top of {own}")
        if theirs in ONLY_FOR_COMMANDS and own not in (theirs, "core.commands"):
            found.append(f"{module} imports {other}, which is for commands alone")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_what_is_built_on_top_of_it(module: str) -> None:
    assert crossed(module, MODULES[module].read_text(encoding="utf-8")) == []


def test_every_layer_exists() -> None:
    assert [name for name in LEVELS if name not in MODULES] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.encoders.resident", "from core.readout import Contender"),
        ("core.encoders.resident", "def late():\n    from core import readout"),
        ("core.metrics.accuracy", "import core.encoders.registry"),
        ("pages.models", "from core.verification import offline"),
        ("core.commands.models", "from pages.ui import resources"),
        ("core.elsewhere", ""),
    ],
)
def test_who_crosses_a_wall_is_told(module: str, source: str) -> None:
    assert len(crossed(module, source)) == 1
