"""`invariscope models verify`: whether entries of the catalog load right, and what comes of their files."""

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from core.commands.common import print_json, say
from core.encoders.checked import Check
from core.encoders.files import weights
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import EncoderSpec
from core.verification import offline as without_files
from core.verification import with_files


def run(arguments: argparse.Namespace) -> int:
    """Check the named encoders, or all; exit code 1 when a check failed."""
    specs = [encoder_spec(id) for id in arguments.ids] if arguments.ids else list(encoders().values())
    # timm tells of names it did not expect, which is what is provoked here.
    logging.getLogger("timm").setLevel(logging.ERROR)
    rows: list[dict[str, Any]] = []
    for number, (spec, checks) in enumerate(results(specs, arguments.offline), start=1):
        failed = [check for check in checks if not check.ok]
        rows.append({"id": spec.id, "ok": not failed, "checks": [asdict(check) for check in checks]})
        if arguments.json or arguments.markdown:
            continue
        print(f"{'ok  ' if not failed else 'FAIL'} {spec.id}: {len(checks) - len(failed)} of {len(checks)} checks")
        for check in failed if len(specs) > 1 else checks:
            print(f"       {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if number % 50 == 0:
            say(f"{number} of {len(specs)} encoders")
    if arguments.json:
        print_json(rows)
    elif arguments.markdown:
        print(markdown(specs, rows))
    else:
        print(f"{sum(row['ok'] is True for row in rows)} of {len(rows)} encoders passed every check")
    return 0 if all(row["ok"] for row in rows) else 1


def markdown(specs: Sequence[EncoderSpec], rows: Sequence[dict[str, Any]]) -> str:
    """The result as a table for a README: what each encoder is, and how many checks it passed."""
    lines = ["| encoder | regime | data | top-1 linear / k-NN / with labels | licence | head | checks |"]
    lines.append("|---|---|---|---|---|---|---|")
    for spec, row in zip(specs, rows, strict=True):
        given = (spec.published.linear, spec.published.knn, spec.published.supervised)
        numbers = " / ".join("–" if value is None else f"{value:g}" for value in given) if any(given) else ""
        passed = sum(check["ok"] for check in row["checks"])
        lines.append(
            f"| `{spec.id}` | {spec.regime} | {spec.pretraining.data} | {numbers} | {spec.licence} | "
            f"{'yes' if spec.heads or spec.weights.packaged else ''} | {passed} of {len(row['checks'])} |"
        )
    return "\n".join(lines)


def results(specs: Iterable[EncoderSpec], offline: bool) -> Iterator[tuple[EncoderSpec, list[Check]]]:
    """Checks of each entry: without the network, and unless `offline` of addresses and files too."""
    ready = list(specs)
    published = without_files.offline_all(spec for spec in ready if not spec.weights.packaged)
    for spec in ready:
        checks = [] if spec.weights.packaged else list(next(published)[1])
        if not offline and not spec.weights.packaged:
            checks += [with_files.reachable(file) for file in spec.files]
        if all(weights.is_here(file) for file in spec.files):
            checks += with_files.here(spec)
        yield spec, checks
