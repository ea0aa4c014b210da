"""`invariscope fit-heads`: heads of encoders for a labelled image folder, fitted by one protocol and measured."""

import argparse
import tomllib
from pathlib import Path

from core.commands.common import Commands, add_command, fetch_progress, folder_address, ids, say, tell
from core.encoders.registry import encoder_spec
from core.errors import InvalidRequest
from core.paths import ASSETS, cache_folder, own_folder
from core.tasks import Task, tasks, write
from core.text import spoken


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    family = ["supervised", "simclr", "random"]
    parser = add_command(commands, "fit-heads", run, "fit and measure heads for a labelled image folder")
    told = "folder with train/<class>/ and test/<class>/, or id of a data set"
    parser.add_argument("data", metavar="DATA", help=told)
    parser.add_argument("--task", required=True, help="id of the label space")
    parser.add_argument("--encoders", type=ids, default=family, metavar="A,B", help=f"default: {','.join(family)}")
    parser.add_argument("--drop-duplicates", action="store_true", help="leave out what the folder holds more than once")
    parser.add_argument("--every", type=int, default=1, help="use one class in EVERY (default: all)")
    parser.add_argument("--label", help="the task as people read it; needed once, for a new task")
    parser.add_argument("--domain", choices=("source", "similar", "different"), help="needed once, for a new task")
    parser.add_argument("--source", default="unknown", help="where the images came from")
    parser.add_argument("--licence", default="unknown", help="of the images")
    parser.add_argument("--note", default="", help="what people must know before they trust an answer")
    told = "assets folder to write to (default: the app's own for encoders that ship, the weights folder for others)"
    parser.add_argument("--out", metavar="ASSETS", help=told)


def write_task(arguments: argparse.Namespace, classes: tuple[str, ...], assets: Path) -> None:
    """Describe a new task, or check that a known one has these classes.

    Raises:
        InvalidRequest: a new task lacks its label or domain, or the classes differ from the known ones.
    """
    path = assets / "tasks" / f"{arguments.task}.toml"
    known = None
    if path.is_file():
        known = tuple(tomllib.loads(path.read_text(encoding="utf-8"))["classes"])
    elif not arguments.out and arguments.task in tasks():
        known = tasks()[arguments.task].classes
    if known is not None and spoken(known) != spoken(classes):
        raise InvalidRequest(
            f"Task '{arguments.task}' has other classes than {arguments.data}. Give the folder another --task."
        )
    if not (arguments.label and arguments.domain):
        if known is None:
            raise InvalidRequest(f"Task '{arguments.task}' is new: give it a --label and a --domain.")
        return
    if known is not None and not path.is_file():
        return  # one that ships is described already, and comes before any other of its name
    about = (arguments.label, arguments.domain, classes, arguments.source, arguments.licence, arguments.note)
    write(path, Task(arguments.task, *about))


def run(arguments: argparse.Namespace) -> int:
    """Fit and write one head an encoder."""
    from core import devices
    from core.datasets import DATASETS
    from core.datasets.address import open_address
    from core.encoders.resident import residents
    from core.pretraining import export
    from core.study.heads import fit_head, write_head

    ship = {id: encoder_spec(id).weights.packaged for id in arguments.encoders}
    device = devices.pick(arguments.device)
    known = arguments.data in DATASETS and not Path(arguments.data).exists()
    address = arguments.data if known else folder_address(arguments.data, arguments.every, arguments.drop_duplicates)
    images = open_address(address)
    say(f"{images.spec.images} images. {images.spec.note}".rstrip())
    # What is not the app's does not go into it, where an update or another user's rights would take it away.
    usual = {True: ASSETS, False: own_folder()}
    write_task(arguments, images.classes, Path(arguments.out) if arguments.out else usual[all(ship.values())])
    rows = []
    for id in arguments.encoders:
        encoder = residents().get(id, device, fetch_progress(id))
        assets = Path(arguments.out) if arguments.out else usual[ship[id]]
        head = fit_head(encoder, arguments.task, images, cache_folder(), say)
        path = write_head(head, id, assets)
        say(f"{path} is the head of {id} for {arguments.task}.")
        if (assets / "models" / id / "card.toml").is_file():
            export.add_measured(head, id, assets)
        rows.append({"encoder": id, "task": arguments.task, "file": str(path), **head.facts})
    return tell(arguments, rows, ())
