"""The rules of the design that a machine can check."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit
from navigation import page_paths

from core import cli
from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.datasets import DATASETS
from core.paths import ROOT
from core.study.engines import ENGINES
from core.study.protocols import PROTOCOLS
from core.tasks import tasks


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


CORE, PAGES, TESTS = sources("core"), sources("pages"), sources("tests")
each_of_core = pytest.mark.parametrize("path", CORE, ids=named)
each_of_pages = pytest.mark.parametrize("path", [ROOT / "app.py", *PAGES], ids=named)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_there_is_something_to_check() -> None:
    assert len(CORE) > 50
    assert len(TESTS) > 20


@each_of_core
def test_core_does_not_import_streamlit_or_pages(path: Path) -> None:
    assert not imported(path) & {"streamlit", "pages", "app"}


IMPORT_EVERYTHING = """
import importlib, socket, sys

def refuse(*arguments, **options):
    raise AssertionError("the network was used at import")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
print(sorted({"streamlit", "pages"} & set(sys.modules)))
"""


def test_importing_core_loads_no_streamlit_and_uses_no_network() -> None:
    modules = [named(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in CORE]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@each_of_pages
def test_pages_compute_nothing(path: Path) -> None:
    assert not imported(path) & {"torch", "torchvision", "timm", "captum"}


@each_of_pages
def test_only_resources_cache_and_only_the_router_configures(path: Path) -> None:
    used = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    if named(path) != "pages/ui/resources.py":
        assert not {name for name in used if name.startswith("cache_") and hasattr(streamlit, name)}
    if named(path) != "pages/router.py":
        assert "set_page_config" not in used


@pytest.mark.parametrize("path", [*CORE, *PAGES, *TESTS], ids=named)
def test_file_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield prefix + child.name, child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{child.name}.")


@each_of_core
def test_everything_public_says_what_it_gives(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module) or not module.body, "the file has no docstring"
    assert not [name for name, node in public(module) if not ast.get_docstring(node)]


@each_of_core
def test_no_mutable_state_but_the_registries(path: Path) -> None:
    """A module-level list or set, or a dict that starts empty, would be shared by all sessions."""
    found = []
    for node in tree(path).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            value = node.value
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            growing = isinstance(value, ast.List | ast.Set | ast.ListComp | ast.SetComp) or (
                isinstance(value, ast.Dict) and not value.keys
            )
            made = isinstance(value, ast.Call) and ast.unparse(value.func) in {
                "list",
                "set",
                "dict",
                "defaultdict",
                "deque",
            }
            if (growing or made) and ast.unparse(target) != "__all__":
                found.append(ast.unparse(target))
        assert not isinstance(node, ast.Global)
    assert not found


@each_of_core
def test_no_function_rebinds_a_global(path: Path) -> None:
    assert not [node.names for node in ast.walk(tree(path)) if isinstance(node, ast.Global)]


MENTIONED: dict[str, list[str]] = {
    "README.md": [
        *(f"`{id}`" for id in (*AUGMENTATIONS, *METHODS, *PROTOCOLS, *ENGINES, *tasks(), *DATASETS)),
        *(f"invariscope {name}" for name in cli.COMMANDS),
        *(f"| **{title}** |" for title in page_paths()),
    ],
    "tests/benchmarks/README.md": [f"python {named(path)}" for path in sources("tests/benchmarks")],
}


@pytest.mark.parametrize("page", MENTIONED)
def test_every_entry_is_listed(page: str) -> None:
    """Ids in backticks, commands as they are typed; encoders have a page of their own (`test_catalog`)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [entry for entry in MENTIONED[page] if not re.search(re.escape(entry) + r"(?![\w-])", text)] == []


LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")


def test_the_front_door_is_short_and_leads_somewhere() -> None:
    """Its picture and pages exist; the two commands that people and `.ci/run` copy are there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert len(text.encode()) <= 18_000
    assert [place for place in LINK.findall(text) if not (ROOT / place).is_file()] == []
    assert len(re.findall("^python3 -m venv ", text, re.MULTILINE)) == 2


def test_every_command_has_its_file() -> None:
    """And whatever describes a sub-command's options is one of them."""
    found = {named(path) for path in sources("core/commands") if "\ndef add_parser(commands" in path.read_text()}
    assert found == {f"core/commands/{name.replace('-', '_')}.py" for name in cli.COMMANDS}
