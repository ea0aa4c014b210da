import ast
import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core import metrics
from core.metrics import _checks as check
from core.metrics import invariance, representation
from core.paths import ROOT

FILES = sorted(Path(metrics.__file__).parent.glob("*.py"))


@pytest.mark.parametrize(
    "value",
    [
        [[0.25, 0.75]],
        ((0.25, 0.75),),
        np.array([[0.25, 0.75]], dtype=np.float16),
        torch.tensor([[0.25, 0.75]]),
        pd.DataFrame({"cat": [0.25], "dog": [0.75]}),
    ],
)
def test_whatever_numpy_takes_is_taken(value: object) -> None:
    found = check.distributions("p", value)
    assert found.dtype == np.float64
    assert found.tolist() == [[0.25, 0.75]]


def test_rounding_past_the_ends_of_a_range_is_clipped() -> None:
    assert check.units("p", np.float32([1.0000001, 0.5]), "(N,)").tolist() == [1.0, 0.5]


def test_a_half_precision_softmax_passes_for_a_distribution() -> None:
    logits = torch.randn(50, 1000, generator=torch.Generator().manual_seed(0))
    assert check.distributions("p", logits.half().softmax(dim=1)).shape == (50, 1000)


@pytest.mark.parametrize("value", [[True, False], [1, 0], [1.0, 0.0], torch.tensor([True, False])])
def test_flags_are_bool_or_zero_and_one(value: object) -> None:
    found = check.flags("correct", value)
    assert found.dtype == np.bool_
    assert found.tolist() == [True, False]


def test_arguments_are_left_as_they_were() -> None:
    features, original = np.random.default_rng(0).normal(size=(2, 20, 4))
    features, other = features.copy(), original.copy()
    before = features.copy()
    for call in (
        representation.linear_cka,
        representation.mutual_knn,
        representation.alignment,
        invariance.cosine_invariance,
    ):
        call(features, other)
    invariance.Whitener.fit(features, 0.1).transform(features)
    np.testing.assert_array_equal(features, before)
    np.testing.assert_array_equal(other, original)


def public(file: Path) -> dict[str, ast.AST]:
    """The public functions and classes of a file."""
    found = ast.parse(file.read_text(encoding="utf-8")).body
    kinds = ast.FunctionDef | ast.ClassDef
    return {node.name: node for node in found if isinstance(node, kinds) and not node.name.startswith("_")}


DEFINED = {(file.stem, name): node for file in FILES if file.stem != "_checks" for name, node in public(file).items()}


def mentioned(tree: ast.AST) -> set[str]:
    """Every name that code loads, as a name or as an attribute of a module."""
    nodes = list(ast.walk(tree))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def used(file: Path) -> set[tuple[str, str]]:
    """The metrics that a file outside of `core.metrics` takes from its modules."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found, modules = set(), {}
    for node in imports:
        for alias in node.names:
            if node.module == "core.metrics":
                modules[alias.asname or alias.name] = alias.name
            elif (node.module or "").startswith("core.metrics."):
                found.add(((node.module or "").rpartition(".")[2], alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found.add((modules[node.value.id], node.attr))
    return found


def test_every_metric_has_a_caller() -> None:
    outside = [f for folder in ("core", "pages") for f in (ROOT / folder).rglob("*.py") if f not in FILES]
    found = set().union(*(used(file) for file in outside)) & DEFINED.keys()
    while True:  # what a metric in use is made of is in use
        names = set().union(*(mentioned(DEFINED[key]) for key in found))
        more = {key for key in DEFINED if key[1] in names} - found
        if not more:
            break
        found |= more
    assert not {name for _, name in DEFINED.keys() - found}


def test_everything_public_is_documented_and_named_by_its_module_alone() -> None:
    assert all(ast.get_docstring(node) for node in DEFINED.values())
    assert not {name for _, name in DEFINED} & vars(metrics).keys()


def test_results_are_frozen_and_slotted() -> None:
    kinds = [
        getattr(importlib.import_module(f"core.metrics.{module}"), name)
        for (module, name), node in DEFINED.items()
        if isinstance(node, ast.ClassDef)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
        assert named_tuple or (dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen)
        assert hasattr(kind, "__slots__")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_metrics_know_neither_models_nor_pages_nor_files(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = {"collections", "core", "dataclasses", "itertools", "math", "numpy", "scipy", "sklearn", "typing"}
    assert {name.split(".")[0] for name in imported} <= allowed
    assert all(name.startswith("core.metrics") for name in imported if name.startswith("core"))


BAD = [
    (lambda: check.floats("x", [None, 1.0], "(N,)"), "x: expected numbers, got dtype object"),
    (
        lambda: check.floats("x", [[1.0], [1.0, 2.0]], "(N, D)"),
        r"x: expected an array of shape \(N, D\), got what is no",
    ),
    (lambda: check.floats("x", 1.0, "(N, …)"), r"x: expected shape \(N, …\), got shape \(\)"),
    (lambda: check.labels("y", [True, False]), "y: expected integers, got dtype bool"),
    (lambda: check.flags("c", [[1, 0]], (2,)), r"c: expected shape \(2,\), got shape \(1, 2\)"),
    (lambda: check.number("t", np.inf), r"t: expected a number in \(-inf, inf\), got inf"),
    (lambda: check.whole("k", 2.0, 1), "k: expected a whole number of at least 1, got 2.0"),
    (lambda: check.ascending("s", [3, 2]), r"s: expected strictly ascending values, got \[3. 2.\]"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
