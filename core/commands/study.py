"""`invariscope study`: run a study, or go on with one that was interrupted."""

from __future__ import annotations

import argparse
import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.common import EXIT_ERROR, EXIT_PART, Commands, add_command, ids, print_json, say
from core.errors import Cancelled, InvalidRequest
from core.pace import duration
from core.paths import cache_folder, data_folder, expanded, result_roots

if TYPE_CHECKING:
    from core.study.plan import Plan
    from core.study.run import Event

STORE_EVERY = 0.5  # seconds between two writes of the progress file


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    study = add_command(commands, "study", run, "run a study: encoders × data sets × protocols, or go on with one")
    study.add_argument("plan", nargs="?", metavar="PLAN.toml", help="a plan; the options below change it")
    study.add_argument("--encoders", type=ids, metavar="A,B", help="encoder ids")
    study.add_argument("--datasets", metavar="C,folder:PATH", help="ids or addresses of data sets")
    study.add_argument("--drop-duplicates", action="store_true", help="leave out what folders hold more than once")
    study.add_argument("--protocols", type=ids, metavar="P,Q", help="default: linear,knn")
    study.add_argument("--measures", type=ids, metavar="M,N", help="answers, invariance, attribution, geometry")
    study.add_argument("--seeds", type=int, help="how many, where there is randomness (default: 1)")
    study.add_argument("--out", metavar="DIR", help="folder or address of the study; its last part is the study's id")
    study.add_argument("--name", help="id of the study, when there is no --out")
    study.add_argument("--title", help="as people read it")
    study.add_argument("--data", metavar="DIR", help="folder of the data sets (also INVARISCOPE_DATA)")
    study.add_argument("--cache", metavar="DIR", help="folder of cached features (also INVARISCOPE_CACHE)")
    study.add_argument("--option", action="append", default=[], metavar="PROTOCOL.NAME=VALUE", help="a setting")
    study.add_argument("--no-logits", action="store_true", help="keep no side table of logits")
    study.add_argument("--engine", default="local", help="local or ray")
    study.add_argument("--ray-address", metavar="ADDRESS", help="of a running Ray cluster (default: start one here)")
    study.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of ray: cache=ADDRESS, cpus_per_task=N, gpus_per_task=SHARE, log=true",
    )
    study.add_argument("--progress", metavar="FILE", help=argparse.SUPPRESS)


def asked(arguments: argparse.Namespace) -> tuple[Plan, str]:
    """The plan that the arguments describe, and the folder of the study.

    Raises:
        InvalidRequest: they describe none.
    """
    from core.results import store
    from core.study import plan as plans
    from core.study import run as running
    from core.study.plan import Plan

    out = arguments.out.rstrip("/\\") if arguments.out else None
    name = Path(out).name if out and "://" not in out else (out or "").rpartition("/")[2]
    if arguments.plan:
        plan = plans.read(Path(arguments.plan))
    elif out and (stored := running.stored_plan(out)):
        plan = stored
    elif arguments.encoders and arguments.datasets:
        plan = Plan(name or arguments.name or "", (), ())
    else:
        raise InvalidRequest(
            "Name what to study: --encoders A,B --datasets C,folder:PATH --out DIR, a plan file, or --out with the "
            "folder of a study that was begun."
        )
    given = _options(arguments.option)
    plan = replace(
        plan,
        name=name or arguments.name or plan.name,
        encoders=tuple(arguments.encoders or plan.encoders),
        datasets=_addresses(arguments) or plan.datasets,
        protocols=tuple(arguments.protocols or plan.protocols),
        measures=tuple(arguments.measures or plan.measures),
        seeds=plan.seeds if arguments.seeds is None else arguments.seeds,
        title=arguments.title or plan.title,
        logits=plan.logits and not arguments.no_logits,
        options={id: plan.options.get(id, {}) | given.get(id, {}) for id in (*plan.options, *given)},
    )
    if out is None:
        out = f"{result_roots()[1].rstrip('/')}/{plan.name}"
        store.free_name(plan.name, out)
    return plan, out


def _addresses(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The addresses named, each as one text, with what `--drop-duplicates` asks of folders."""
    from core.datasets.address import listed, parse, text_of

    root = expanded(arguments.data, "--data") if arguments.data else data_folder()
    found = listed(arguments.datasets or "", root)
    if arguments.datasets and not found:
        raise InvalidRequest("--datasets names at least one data set, or several separated by commas.")
    if not arguments.drop_duplicates:
        return tuple(found)
    if not found:
        raise InvalidRequest("--drop-duplicates goes with --datasets: name the folders.")
    parsed = [parse(address, root) for address in found]
    return tuple(
        text_of(replace(a, options=a.options | {"duplicates": "drop"})) if a.kind == "folder" else text_of(a)
        for a in parsed
    )


def _options(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """`few-shot.shots=5` as nested settings."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        protocol, dot, option = name.partition(".")
        if not (equals and dot and protocol and option):
            raise InvalidRequest(f"--option takes PROTOCOL.NAME=VALUE, such as few-shot.shots=5, not '{pair}'.")
        found.setdefault(protocol, {})[option] = _value(value)
    return found


def _value(text: str) -> Any:
    """What was typed, read as JSON, or else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _engine_options(arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"address": arguments.ray_address} if arguments.ray_address else {}
    for pair in arguments.engine_option:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidRequest(f"--engine-option takes NAME=VALUE, such as cpus_per_task=2, not '{pair}'.")
        found[name] = _value(value)
    return found


def line(event: Event) -> str:
    """An event for the terminal."""
    place = f"[{event.done}/{event.total}]"
    left = f", about {duration(event.remaining)} to go" if event.remaining else ""
    if event.kind == "features":
        return f"{place} {event.what}: {event.share:.0%} of the images read{left}"
    if event.kind == "cell":
        found = "measured" if event.top1 is None else f"top-1 {100 * event.top1:.1f} %"
        return f"{place} {event.what}: {found}{left}"
    if event.kind == "failed":
        return f"{place} {event.what} FAILED: {event.reason}"
    if event.kind == "opened":
        return f"{place} {event.what}. {event.reason}".rstrip()
    if event.kind == "distances":
        return f"{place} {event.what}: distances between the data sets"
    return f"{place} {event.what}"


def _stop() -> None:
    raise Cancelled("The study was stopped; run it again to go on.")


def run(arguments: argparse.Namespace) -> int:
    """Run to the end; 1 when a cell or a data set failed, 2 when nothing was done."""
    from core.study import run as running
    from core.study import sealed
    from core.study.engines.base import Setup
    from core.study.run import Event

    plan, out = asked(arguments)
    setup = Setup(
        plan=plan,
        out=out,
        cache=expanded(arguments.cache, "--cache") if arguments.cache else cache_folder(),
        data=expanded(arguments.data, "--data") if arguments.data else data_folder(),
        device=arguments.device,
        options=_engine_options(arguments),
    )
    if arguments.progress:  # started by the page, whose cancel button sends this
        signal.signal(signal.SIGTERM, lambda number, frame: _stop())
    stored = 0.0
    last: Event | None = None
    for event in running.study(setup, arguments.engine):
        last = event
        if not (event.kind == "features" and arguments.json):
            say(line(event))
        now = time.monotonic()
        if arguments.progress and (event.kind != "features" or now - stored > STORE_EVERY):
            facts = {name: getattr(event, name) for name in Event.__slots__} | {"line": line(event)}
            sealed.write(arguments.progress, json.dumps(facts).encode())
            stored = now
    assert last is not None
    return _summary(arguments, out)


def _summary(arguments: argparse.Namespace, out: str) -> int:
    from core.results.writing import filesystem

    fs, path = filesystem(f"{out}/manifest.json")
    manifest = json.loads(fs.cat_file(path))
    states = [cell["state"] for cell in manifest["cells"].values()]
    failed = {id: cell["reason"] for id, cell in manifest["cells"].items() if cell["state"] == "failed"}
    if arguments.json:
        print_json(
            {
                "study": manifest["id"],
                "folder": out,
                "done": states.count("done"),
                "failed": failed,
                "unopened": manifest["unopened"],
            }
        )
    else:
        print(f"{out}: {states.count('done')} cells done, {len(failed)} failed")
        for address, reason in manifest["unopened"].items():
            print(f"not opened: {address}: {reason}")
        root = out.rpartition("/")[0] or "."
        here = root in result_roots() or str(Path(root).resolve()) in result_roots()
        browse = "invariscope" if here else f"INVARISCOPE_RESULTS={root} invariscope"
        print(f"Browse it: {browse}")
    if not states.count("done"):
        return EXIT_ERROR
    return EXIT_PART if failed or manifest["unopened"] else 0
