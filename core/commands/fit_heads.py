"""`invariscope fit-heads`: heads of encoders for a labelled image folder, fitted by one protocol and measured."""

import argparse
import tomllib
from pathlib import Path

from core.commands.common import Commands, add_common, fetch_progress, folder_address, ids, print_json, say
from core.errors import InvalidRequest
from core.paths import ASSETS, cache_folder


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    family = ["supervised", "simclr", "random"]
    parser = commands.add_parser("fit-heads", help="fit and measure heads for a labelled image folder")
    parser.add_argument("data", metavar="DIR", help="folder with train/<class>/ and test/<class>/")
    parser.add_argument("--task", required=True, help="id of the label space")
    parser.add_argument("--encoders", type=ids, default=family, metavar="A,B", help=f"default: {','.join(family)}")
    parser.add_argument("--drop-duplicates", action="store_true", help="leave out what the folder holds more than once")
    parser.add_argument("--every", type=int, default=1, help="use one class in EVERY (default: all)")
    parser.add_argument("--label", help="the task as people read it; needed once, for a new task")
    parser.add_argument("--domain", choices=("source", "similar", "different"), help="needed once, for a new task")
    parser.add_argument("--source", default="unknown", help="where the images came from")
    parser.add_argument("--licence", default="unknown", help="of the images")
    parser.add_argument("--note", default="", help="what people must know before they trust an answer")
    parser.add_argument("--out", metavar="ASSETS", help="assets folder to write to (default: the app's own)")
    add_common(parser)
    parser.set_defaults(run=run)


def write_task(arguments: argparse.Namespace, classes: tuple[str, ...], assets: Path) -> None:
    """Describe a new task, or check that a known one has these classes.

    Raises:
        InvalidRequest: a new task lacks its label or domain, or the classes differ from the known ones.
    """
    path = assets / "tasks" / f"{arguments.task}.toml"
    if path.is_file():
        known = tomllib.loads(path.read_text(encoding="utf-8"))["classes"]
        if known != list(classes):
            raise InvalidRequest(f"{path} lists other classes than {arguments.data}. Give the folder another --task.")
    if not (arguments.label and arguments.domain):
        if not path.is_file():
            raise InvalidRequest(f"Task '{arguments.task}' is new: give it a --label and a --domain.")
        return
    import tomli_w

    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "label": arguments.label,
        "domain": arguments.domain,
        "classes": list(classes),
        "source": arguments.source,
        "licence": arguments.licence,
        "note": arguments.note,
    }
    path.write_bytes(tomli_w.dumps(table).encode())


def run(arguments: argparse.Namespace) -> int:
    """Fit and write one head an encoder."""
    from core import devices
    from core.datasets.address import open_address
    from core.encoders.resident import residents
    from core.pretraining import export
    from core.study.heads import fit_head, write_head

    assets = Path(arguments.out) if arguments.out else ASSETS
    device = devices.pick(arguments.device)
    images = open_address(folder_address(arguments.data, arguments.every, arguments.drop_duplicates))
    say(f"{images.spec.images} images. {images.spec.note}".rstrip())
    write_task(arguments, images.classes, assets)
    rows = []
    for id in arguments.encoders:
        encoder = residents().get(id, device, fetch_progress(id))
        head = fit_head(encoder, arguments.task, images, cache_folder(), say)
        path = write_head(head, id, assets)
        if (assets / "models" / id / "card.toml").is_file():
            export.add_measured(head, id, assets)
        rows.append({"encoder": id, "task": arguments.task, "file": str(path), **head.facts})
    if arguments.json:
        print_json(rows)
    return 0
