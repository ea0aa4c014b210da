"""`invariscope models`: the catalog and what of it is on this machine."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.commands import models_convert, models_export, models_verify
from core.commands.common import EXIT_PART, Commands, add_command, fetch_progress, say, tell
from core.encoders.registry import encoder_spec, encoders
from core.encoders.spec import REGIMES, EncoderSpec


def add_parser(commands: Commands) -> None:
    """Describe the options, and those of the actions."""
    models = add_command(commands, "models", run, "list, fetch, check, convert and add encoders", device=False)
    models.add_argument("--fetch", metavar="ID", help="download the weights of an encoder and its heads")
    actions = models.add_subparsers(dest="action", metavar="ACTION")
    models_verify.add_parser(actions)
    models_convert.add_parser(actions)
    models_export.add_parser(actions)
    add = add_command(actions, "add", _add, "use a file of weights of your own, where it is", device=False)
    add.add_argument("file", metavar="FILE")
    add.add_argument("--arch", default="", metavar="NAME", help="its network in timm (default: as the file says)")
    add.add_argument(
        "--like", default="", metavar="ID|METHOD", help="take network, regime, method and preprocessing of this one"
    )
    add.add_argument("--id", default="", help="what the encoder will be called (default: the file's name)")
    add.add_argument("--regime", default="", help=f"how it was pre-trained (default: unknown): {', '.join(REGIMES)}")
    add.add_argument("--method", default="", metavar="TEXT", help="the training method's name")
    add.add_argument("--container", metavar="KEYS", help="where in the file the weights are, such as state_dict_ema")
    add.add_argument("--prefix", metavar="TEXT", help="what their names begin with, such as module.")
    add.add_argument("--drop", default="", metavar="NAMES", help="beginnings of names to leave out, with commas")
    add.add_argument("--size", type=int, metavar="PX", help="side of the input (default: as timm has it)")
    add.add_argument("--resize", type=int, metavar="PX", help="short side before the centre crop")
    add.add_argument("--crop", type=float, metavar="SHARE", help="of the short side that the crop keeps, up to 1")
    add.add_argument("--mean", type=_three, metavar="R,G,B", help="of the channels, in [0, 1]")
    add.add_argument("--std", type=_three, metavar="R,G,B", help="of the channels")
    add.add_argument("--interpolation", choices=("bilinear", "bicubic"), help="of the resizing")
    accept = add_command(actions, "accept", _accept, "accept a licence that weights ask for, once", device=False)
    accept.add_argument("licence", metavar="LICENCE", help="dinov3, seer or sapiens2")
    add_command(actions, "refresh", _refresh, "write the catalog's entries of the installed timm again", device=False)


def row(spec: EncoderSpec) -> dict[str, Any]:
    """One encoder as plain values."""
    from core.encoders.files import weights
    from core.heads import store

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
    """List every encoder, or fetch one with its heads first."""
    from core.encoders.files import weights

    if arguments.fetch:
        spec = encoder_spec(arguments.fetch)
        for file in spec.files:
            say(f"{file.file}: {weights.fetch(file, fetch_progress(file.file))}")
    rows = [row(spec) for spec in encoders().values()]
    return tell(arguments, rows, _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    width = max(len(r["id"]) for r in rows)
    for r in rows:
        where = "packaged" if r["packaged"] else "here" if r["available"] else "to fetch"
        heads = ", ".join(r["task_heads"]) or "no heads"
        mark = "  (non-commercial)" if r["non_commercial"] else ""
        yield f"{r['id']:{width}}  {r['regime']:26} {where:9} {r['label']}  [{heads}]{mark}"


def _add(arguments: argparse.Namespace) -> int:
    from core.encoders import own

    name = arguments.id or re.sub(r"[^a-z0-9.]+", "-", Path(arguments.file).name.split(".")[0].lower()).strip("-")
    fields = ("size", "resize", "crop", "mean", "std", "interpolation")
    said = own.Said(
        architecture=arguments.arch,
        like=arguments.like,
        regime=arguments.regime,
        method=arguments.method,
        container=arguments.container,
        prefix=arguments.prefix,
        drop=tuple(part for part in arguments.drop.split(",") if part),
        preprocessing={name: getattr(arguments, name) for name in fields},
    )
    spec = own.add(arguments.file, name, said)
    recipe, no_head = (
        spec.preprocessing,
        f"It has no head yet: invariscope fit-heads DIR --task ID --encoders {spec.id}",
    )
    lines = (
        f"{spec.id}: {spec.label}, {spec.regime}. {spec.note.removeprefix('Your own file. ')}",
        f"Input: {recipe.size} px of a short side of {recipe.resize}, {recipe.interpolation}, mean {recipe.mean}, "
        f"deviation {recipe.std}.",
        "It can be chosen on every page now." if spec.heads else no_head,
    )
    return tell(arguments, row(spec) | {"note": spec.note}, lines)


def _three(text: str) -> list[float]:
    """Three numbers with commas between them."""
    values = [float(part) for part in text.split(",")]
    if len(values) != 3:
        raise ValueError
    return values


def _accept(arguments: argparse.Namespace) -> int:
    from core.encoders.files import licences

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
    return EXIT_PART if unknown else 0
