"""Weights come by `core.encoders.files.weights` alone: no library downloads, and no repository's code runs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.paths import ROOT

SOURCES = sorted((ROOT / "core").rglob("*.py"))
DOWNLOADERS = {
    "load_state_dict_from_url",
    "load_state_dict_from_hf",
    "load_pretrained",
    "download_url_to_file",
    "download_cached_file",
    "hf_hub_download",
    "snapshot_download",
    "urlretrieve",
}
LOCAL = {"checkpoint_path", "pretrained_cfg_overlay", "pretrained_cfg"}


def violations(source: str) -> Iterator[str]:
    """Lines that could let a library download weights or run code of a repository."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = {f"{module}.{alias.name}".lstrip(".") for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names = {ast.unparse(node)}
        else:
            names = {node.id} if isinstance(node, ast.Name) else set()
        if any(
            (name + ".").startswith("torch.hub.") or name.rpartition(".")[2] in DOWNLOADERS or name.endswith("_Weights")
            for name in names
        ):
            yield f"{node.lineno}: {', '.join(sorted(names))}"
        if isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            pretrained = given.get("pretrained", ast.Constant(False))
            off = isinstance(pretrained, ast.Constant) and pretrained.value is False
            if not off and not LOCAL & given.keys():
                yield f"{node.lineno}: pretrained"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_trap_9_14_no_library_downloads_weights_or_runs_a_repository(path: Path) -> None:
    assert list(violations(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import torch\ntorch.hub.load('facebookresearch/dino:main', 'dino_resnet50')",
        "from torch import hub",
        "import torch.hub as h",
        "from torch.hub import load_state_dict_from_url",
        "from timm.models import load_state_dict_from_hf as f",
        "timm.create_model('resnet50', pretrained=True)",
        "timm.create_model('resnet50', pretrained=chosen)",
        "from torchvision.models import ResNet50_Weights",
        "huggingface_hub.hf_hub_download('a/b', 'c')",
    ],
)
def test_trap_9_14_would_be_found(line: str) -> None:
    assert list(violations(line))


@pytest.mark.parametrize(
    "line",
    [
        "timm.create_model('resnet50', pretrained=False)",
        "timm.create_model('resnet50', pretrained=True, pretrained_cfg_overlay={'file': path})",
        "torch.load(path, weights_only=True)",
        "hub.load(path)",
    ],
)
def test_what_is_local_is_allowed(line: str) -> None:
    assert not list(violations(line))


def unsafe_loads(source: str) -> Iterator[int]:
    """Lines with a `torch.load` that does not say `weights_only=True`, or anything that unpickles by itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if given.get("weights_only") != "True":
                yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_trap_9_4_every_load_says_weights_only(path: Path) -> None:
    assert list(unsafe_loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("options", ["", ", weights_only=False", ", weights_only=safe"])
def test_trap_9_4_would_be_found(options: str) -> None:
    assert list(unsafe_loads(f"torch.load(path{options})")) == [1]
