"""`invariscope datasets`: the sets that can be asked for by id, and what of them is on this machine."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from core.commands.common import Commands, add_command, fetch_progress, say, tell
from core.errors import InvalidRequest
from core.paths import data_folder, expanded


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(
        commands,
        "datasets",
        run,
        "list the data sets, fetch one, or say how a study would read one",
        device=False,
        weights=False,
    )
    parser.add_argument("address", nargs="?", metavar="ID|folder:PATH", help="open this set and say what is in it")
    parser.add_argument("--fetch", metavar="ID", help="download a data set; 'pathmnist?size=224' names a size")
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets (also INVARISCOPE_DATA)")


def described(address: str, root: Path) -> dict[str, Any]:
    """What a study would read at an address, as plain values."""
    from core.datasets.address import open_address

    images = open_address(address, root)
    return {
        "id": images.spec.id,
        "address": images.address,
        "classes": list(images.classes),
        "samples": {name: len(part) for name, part in images.parts.items()},
        "split_rule": images.spec.split_rule,
        "note": images.spec.note,
        "checks": images.checks,
    }


def run(arguments: argparse.Namespace) -> int:
    """List every set, or fetch or open one."""
    from core.datasets import DATASETS
    from core.datasets.address import adapter_of, parse

    root = expanded(arguments.data, "--data") if arguments.data else data_folder()
    if arguments.fetch:
        address = parse(arguments.fetch)
        if address.kind == "folder":
            raise InvalidRequest("A folder of your own is not fetched: name it in a study as it is.")
        adapter = adapter_of(address)
        adapter.fetch(root, fetch_progress(adapter.spec.id))
        say(f"{adapter.spec.label} is in {root}")
    if arguments.address:
        found = described(arguments.address, root)
        counts = ", ".join(f"{count:,} {name}" for name, count in found["samples"].items())
        held = f"{found['id']}: {len(found['classes'])} classes, {counts} images"
        note = found["note"] or "Nothing was left out, and no image occurs twice."
        return tell(arguments, found, [held, f"Parts: {found['split_rule']}.", note])
    rows = [asdict(adapter.spec) | {"here": adapter.is_here(root)} for adapter in DATASETS.values()]
    return tell(arguments, rows, _lines(rows, root))


def _lines(rows: list[dict[str, Any]], root: Path) -> Iterator[str]:
    from core.datasets.folder import here
    from core.datasets.medmnist_sets import left_out

    width = max(len(r["id"]) for r in rows)
    for r in rows:
        state = "here" if r["here"] else "to fetch" if r["megabytes"] else "by hand"
        yield (
            f"{r['id']:{width}}  {state:8}  {r['domain']:9}  {r['classes']:3} classes  {r['metric']:14}  "
            f"{r['label']}  [{r['licence']}]"
        )
    own = here(root)
    say(f"Data folder: {root}. Folders and archives there: {', '.join(f'folder:{name}' for name in own) or 'none'}.")
    for why, ids in groupby(left_out().items(), key=lambda item: item[1]):
        say(f"Left out: {', '.join(id for id, _ in ids)}: each {why}.")
