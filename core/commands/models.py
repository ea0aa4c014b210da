"""`invariscope models`: the catalog and what of it is on this machine."""

import argparse
from typing import Any

from core.commands.common import fetch_progress, print_json, say
from core.encoders import weights
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import EncoderSpec
from core.heads import store


def row(spec: EncoderSpec) -> dict[str, Any]:
    """One encoder as plain values."""
    return {
        "id": spec.id,
        "label": spec.label,
        "regime": spec.regime,
        "method": spec.method,
        "architecture": spec.architecture,
        "task_heads": store.tasks_of(spec),
        "packaged": spec.weights.packaged,
        "available": weights.is_here(spec.weights),
        "licence": spec.licence,
        "source": spec.source,
    }


def run(arguments: argparse.Namespace) -> int:
    """List every encoder, or fetch one with its heads."""
    if arguments.fetch:
        spec = encoder_spec(arguments.fetch)
        files = {file.file: file for file in (spec.weights, *(head.weights for head in spec.heads))}
        for file in files.values():
            say(f"{file.file}: {weights.fetch(file, fetch_progress(file.file))}")
    rows = [row(spec) for spec in encoders().values()]
    if arguments.json:
        print_json(rows)
        return 0
    width = max(len(r["id"]) for r in rows)
    for r in rows:
        where = "packaged" if r["packaged"] else "here" if r["available"] else "to fetch"
        print(
            f"{r['id']:{width}}  {r['regime']:16} {where:9} {r['label']}  [{', '.join(r['task_heads']) or 'no heads'}]"
        )
    return 0
