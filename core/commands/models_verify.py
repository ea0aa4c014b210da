"""`invariscope models verify`: whether entries of the catalog load right, and what comes of their files."""

import argparse
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.commands.common import Commands, add_command, say, tell
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import EncoderSpec

if TYPE_CHECKING:
    from core.encoders.checked import Check


def add_parser(actions: Commands) -> None:
    """Describe the options."""
    parser = add_command(
        actions, "verify", run, "check that encoders load right: layouts, addresses, hashes, training", device=False
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="default: --all")
    parser.add_argument("--all", action="store_true", help="every encoder of the catalog")
    parser.add_argument("--offline", action="store_true", help="only what needs no network")


def run(arguments: argparse.Namespace) -> int:
    """Check the named encoders, or all; exit code 1 when a check failed."""
    specs = [encoder_spec(id) for id in arguments.ids] if arguments.ids else list(encoders().values())
    # timm tells of names it did not expect, which is what is provoked here.
    logging.getLogger("timm").setLevel(logging.ERROR)
    rows: list[dict[str, Any]] = []
    for number, (spec, checks) in enumerate(results(specs, arguments.offline), start=1):
        failed = [check for check in checks if not check.ok]
        rows.append({"id": spec.id, "ok": not failed, "checks": [asdict(check) for check in checks]})
        if arguments.json:
            continue
        print(f"{'ok  ' if not failed else 'FAIL'} {spec.id}: {len(checks) - len(failed)} of {len(checks)} checks")
        for check in failed if len(specs) > 1 else checks:
            print(f"       {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if number % 50 == 0:
            say(f"{number} of {len(specs)} encoders")
    passed = sum(row["ok"] is True for row in rows)
    return tell(arguments, rows, [f"{passed} of {len(rows)} encoders passed every check"], passed < len(rows))


def results(specs: Iterable[EncoderSpec], offline: bool) -> "Iterator[tuple[EncoderSpec, list[Check]]]":
    """Checks of each entry: what was published is held against itself, and unless `offline` its address is asked.

    Packaged encoders and a person's own have no published layout and no address; they are judged as they load.
    """
    from core.encoders.checked import Check
    from core.encoders.files import weights
    from core.verification import offline as without_files
    from core.verification import with_files

    ready = [(spec, not (spec.weights.packaged or spec.weights.own)) for spec in specs]
    published = without_files.offline_all(spec for spec, is_published in ready if is_published)
    for spec, is_published in ready:
        checks = list(next(published)[1]) if is_published else []
        if not offline and is_published:
            checks += [with_files.reachable(file) for file in spec.files]
        if all(weights.is_here(file) for file in spec.files):
            checks += with_files.here(spec)
        elif spec.weights.own:
            checks.append(Check("here", False, f"There is no file {spec.weights.file} any more."))
        yield spec, checks
