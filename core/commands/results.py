"""`invariscope results`: which studies there are, SQL over one, and its tables as files."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.commands.common import Commands, add_command, say, tell
from core.errors import DataUnavailable, InvalidRequest

if TYPE_CHECKING:
    import pandas as pd

    from core.results.info import StudyInfo


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    studies = {"device": False, "weights": False}
    results = add_command(commands, "results", None, "list, query and export the results of studies", **studies)
    actions = results.add_subparsers(dest="action", metavar="ACTION", required=True)
    told = "list the studies of all result folders (INVARISCOPE_RESULTS)"
    add_command(actions, "list", list_studies, told, **studies)
    asking = add_command(actions, "query", query, "answer a SELECT over the tables of a study", **studies)
    asking.add_argument("study", metavar="STUDY")
    asking.add_argument("sql", metavar="SQL")
    asking.add_argument("--limit", type=int, default=1000, help="rows to print, 0 for all (default: 1000)")
    export = add_command(actions, "export", export_table, "write a table of a study to a file", **studies)
    export.add_argument("study", metavar="STUDY")
    export.add_argument("--out", required=True, metavar="FILE")
    export.add_argument("--format", help="csv, csv-excel, parquet or latex (default: by the ending of --out)")
    export.add_argument(
        "--table",
        default="accuracy",
        help="accuracy, paired, gap, controls, distances, claims or rows (default: accuracy)",
    )
    told = "the numbers of this figure instead, such as study/gap, as the menu of each figure names them"
    export.add_argument("--figure", metavar="PAGE/FIGURE", help=told)
    told = "what the figure is of, as in the address of its page"
    export.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=told)
    export.add_argument("--protocol", metavar="P", help="default: the study's first, and for rows all")
    export.add_argument("--first", metavar="ENCODER", help="of paired and claims (default: the first supervised one)")
    export.add_argument(
        "--second", metavar="ENCODER", help="of paired and claims (default: the first self-supervised one)"
    )


def _row(info: "StudyInfo") -> dict[str, Any]:
    """One study as plain values."""
    states = [cell["state"] for cell in info.cells.values()]
    return {
        "id": info.id,
        "title": info.title,
        "address": info.address,
        "updated": info.manifest["updated"],
        "encoders": list(info.encoders),
        "datasets": list(info.datasets),
        "protocols": info.manifest["protocols"],
        "cells": {state: states.count(state) for state in ("done", "failed", "waiting")},
    }


def list_studies(arguments: argparse.Namespace) -> int:
    """Every study of the result folders, and what in them cannot be read."""
    from core.results import store

    found, troubles = store.survey()
    rows = [_row(info) for info in found.values()]
    faults = [{"address": trouble.address, "reason": trouble.reason} for trouble in troubles]
    return tell(arguments, {"studies": rows, "unreadable": faults}, _lines(rows, [fault["reason"] for fault in faults]))


def _lines(rows: list[dict[str, Any]], faults: list[str]) -> Iterator[str]:
    for reason in faults:
        say(f"invariscope: {reason}")
    if not rows:
        say("There is no study with results yet. Run one with 'invariscope study'.")
    width = max((len(row["id"]) for row in rows), default=0)
    for row in rows:
        cells = row["cells"]
        state = f"{cells['done']} of {sum(cells.values())} cells" + (
            f", {cells['failed']} failed" if cells["failed"] else ""
        )
        yield (
            f"{row['id']:{width}}  {row['updated'][:10]}  {state}  {len(row['encoders'])} encoders × "
            f"{len(row['datasets'])} data sets × {', '.join(row['protocols'])}  {row['title']}"
        )


def query(arguments: argparse.Namespace) -> int:
    """The answer to one SELECT over a study's views."""
    from core.results import schema, store
    from core.results.reading import Results

    limit = arguments.limit or None
    with Results(store.study(arguments.study), sealed=True, tables=tuple(schema.TABLES)) as results:
        found = results.typed(arguments.sql, None if limit is None else limit + 1)
    cut = limit is not None and len(found) > limit
    found = found.head(limit) if limit is not None else found
    plain = json.loads(found.to_json(orient="records", double_precision=15, date_format="iso"))
    code = tell(arguments, plain, [found.to_string(index=False) if len(found) else "no rows"])
    if cut:
        say(f"invariscope: only the first {limit} rows are shown; --limit 0 shows all.")
    return code


def export_table(arguments: argparse.Namespace) -> int:
    """One table of a study, or the numbers of one figure, as a file."""
    from core.results import export, store

    info = store.study(arguments.study)
    if not info.done():
        raise DataUnavailable(f"Study '{info.id}' has no finished cell yet.")
    format = export.format_of(arguments.out, arguments.format)
    if arguments.figure:
        found = _figure(arguments)
        export.write_frame(info, arguments.out, format, found, arguments.figure, arguments.protocol or "as set")
    elif arguments.set:
        raise InvalidRequest("--set goes with --figure: it says what the figure is of.")
    else:
        pair = (arguments.first, arguments.second)
        export.write(info, arguments.out, format, arguments.table, arguments.protocol, *pair)
    told = {"study": info.id, "table": arguments.figure or arguments.table, "format": format, "out": arguments.out}
    return tell(arguments, told, [arguments.out])


def _figure(arguments: argparse.Namespace) -> "pd.DataFrame":
    """The table behind a figure; errors as of `scenes.table`."""
    from core.talk import scenes
    from core.talk.stories import Scene

    given = {"protocol": arguments.protocol, "first": arguments.first, "second": arguments.second}
    view = {key: value for key, value in given.items() if value} | dict(map(_parameter, arguments.set))
    return scenes.table(Scene(arguments.figure, "", "", view | {"study": arguments.study}))[0]


def _parameter(said: str) -> tuple[str, Any]:
    """`threshold=0.8` as a key and what it holds: true, false, a number, or a text."""
    key, equals, value = said.partition("=")
    if not (key and equals):
        raise InvalidRequest(f"--set takes NAME=VALUE as in a page's address, such as measured=aid, not '{said}'.")
    try:
        read = json.loads(value)
    except ValueError:
        return key, value
    return key, read if isinstance(read, bool | int | float) else value
