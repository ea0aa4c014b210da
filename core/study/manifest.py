"""What a study says of itself: enough to trace every number and to read it without the encoders or the images."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import core
from core.datasets.spec import ImageSet
from core.encoders.spec import EncoderSpec
from core.results import schema
from core.results.writing import write_bytes
from core.study.cells import Cell
from core.study.plan import Plan, dump, table_of

PACKAGES = ("torch", "timm", "numpy", "pandas", "pyarrow", "pillow")


def encoder_entry(spec: EncoderSpec, sha256: str) -> dict[str, Any]:
    """What a study remembers of an encoder."""
    return {
        "label": spec.label,
        "regime": spec.regime,
        "family": spec.family,
        "method": spec.method,
        "architecture": spec.architecture,
        "feature_dim": spec.feature_dim,
        "weights": sha256,
        "data": spec.pretraining.data,
        "epochs": spec.pretraining.epochs,
        "augmentation": spec.pretraining.augmentation,
        "training_seed": spec.pretraining.seed,
        "input": f"{spec.preprocessing.size} px of a short side of {spec.preprocessing.resize}",
    }


def dataset_entry(images: ImageSet) -> dict[str, Any]:
    """What a study remembers of a data set."""
    spec = images.spec
    return {
        "label": spec.label,
        "domain": spec.domain,
        "metric": spec.metric,
        "classes": list(images.classes),
        "samples": {name: len(part) for name, part in images.parts.items()},
        "split_rule": spec.split_rule,
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
        "note": spec.note,
        "address": images.address,
        "fingerprint": images.fingerprint,
        "checks": images.checks,
    }


def machine() -> dict[str, Any]:
    """Where the numbers were made."""
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def write(
    out: str,
    plan: Plan,
    encoders: Mapping[str, dict[str, Any]],
    datasets: Mapping[str, dict[str, Any]],
    cells: Iterable[tuple[Cell, dict[str, Any]]],
    engine: str,
    unopened: Mapping[str, str] | None = None,
    distances: str = "",
) -> None:
    """Write plan and manifest.

    Args:
        cells: each with its `state` (`done`, `failed`, `waiting`), and `facts` and `sha256` or `reason`.
        unopened: addresses of data sets that could not be opened, with the reason.
        distances: SHA-256 of their file; empty without one.
    """
    table = {
        "schema": schema.VERSION,
        "id": plan.name,
        "title": plan.title or plan.name,
        "updated": datetime.now(UTC).isoformat(timespec="microseconds"),
        "engine": engine,
        "seeds": plan.seeds,
        "protocols": list(plan.protocols),
        "options": plan.options,
        "versions": {"invariscope": core.__version__, "python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "machine": machine(),
        "encoders": dict(encoders),
        "datasets": dict(datasets),
        "unopened": dict(unopened or {}),
        "distances": distances,
        "plan": table_of(plan),
        "cells": {cell.id: {name: getattr(cell, name) for name in Cell.__slots__} | state for cell, state in cells},
    }
    write_bytes(f"{out}/study.toml", dump(plan))
    write_bytes(f"{out}/manifest.json", json.dumps(schema.sealed(table), indent=1, allow_nan=False).encode())
