"""`invariscope models`: the catalog and what of it is on this machine."""

import argparse
import re
from pathlib import Path
from typing import Any

from core.commands.common import fetch_progress, print_json, say
from core.encoders import own
from core.encoders.files import licences, weights
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
        "non_commercial": spec.non_commercial,
        "source": spec.source,
    }


def run(arguments: argparse.Namespace) -> int:
    """List every encoder, fetch one with its heads, add one, accept a licence, or write the catalog again."""
    if arguments.action:
        return ACTIONS[arguments.action](arguments)
    if arguments.fetch:
        spec = encoder_spec(arguments.fetch)
        for file in spec.files:
            say(f"{file.file}: {weights.fetch(file, fetch_progress(file.file))}")
    rows = [row(spec) for spec in encoders().values()]
    if arguments.json:
        print_json(rows)
        return 0
    width = max(len(r["id"]) for r in rows)
    for r in rows:
        where = "packaged" if r["packaged"] else "here" if r["available"] else "to fetch"
        heads = ", ".join(r["task_heads"]) or "no heads"
        mark = "  (non-commercial)" if r["non_commercial"] else ""
        print(f"{r['id']:{width}}  {r['regime']:26} {where:9} {r['label']}  [{heads}]{mark}")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    name = arguments.id or re.sub(r"[^a-z0-9.]+", "-", Path(arguments.file).name.split(".")[0].lower()).strip("-")
    spec = own.add(arguments.file, name, like=arguments.like, architecture=arguments.arch)
    if arguments.json:
        print_json(row(spec))
    else:
        print(f"{spec.id}: {spec.label}, read like {arguments.like}. It can be chosen on every page now.")
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    terms = licences.terms(arguments.licence)
    say(f"{terms.name} ({terms.version}): {terms.summary} Forbidden: {terms.forbidden}. {terms.url}")
    print(f"Accepted; recorded in {licences.accept(terms.id)}")
    return 0


def _refresh(_: argparse.Namespace) -> int:
    from core.encoders import page, timm_catalog

    found, unknown = timm_catalog.refresh()
    timm_catalog.write(found)
    page.PAGE.write_text(page.written(), encoding="utf-8")
    print(f"{len(found)} encoders of timm; the list of all is {page.PAGE}")
    for name in unknown:
        print(f"What is {name}? Its name looks self-supervised, and no rule of catalog/timm_rules.toml knows it.")
    return 1 if unknown else 0


ACTIONS = {"add": _add, "accept": _accept, "refresh": _refresh}
