"""`invariscope pretrain`: train one member of the controlled family and package it."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from core.commands.common import Commands, add_command, folder_address, say, tell
from core.errors import InvalidRequest
from core.paths import ASSETS


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "pretrain", run, "train one member of the controlled family")
    parser.add_argument("recipe", metavar="RECIPE", help="a packaged name such as small/simclr, or a TOML file")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with train/<class>/ and test/<class>/")
    parser.add_argument("--data-name", default="Tiny ImageNet", help="what the card calls the data")
    parser.add_argument("--run", dest="run_folder", metavar="DIR", help="folder of the checkpoint (default: runs/<id>)")
    parser.add_argument("--out", metavar="ASSETS", help="assets folder to write to (default: the app's own)")


def run(arguments: argparse.Namespace) -> int:
    """Train, resuming where a checkpoint says, and write weights, log and card."""
    from core import devices
    from core.datasets import memory
    from core.datasets.address import open_address
    from core.pretraining import export, loop
    from core.pretraining import recipe as recipes

    recipe = recipes.load(arguments.recipe)
    if find_spec("lightly") is None:
        raise InvalidRequest("Training needs lightly: pip install 'invariscope[train]'.")
    device = devices.pick(arguments.device)
    run_folder = Path(arguments.run_folder or f"runs/{recipe.id}")
    run_folder.mkdir(parents=True, exist_ok=True)
    images = open_address(folder_address(arguments.data, recipe.every))
    train, test = (memory.load(images, part, recipe.size, say) for part in ("train", "test"))
    history, encoder = loop.train(recipe, train, test, device, run_folder, say)
    assets = Path(arguments.out) if arguments.out else ASSETS
    data = f"{arguments.data_name}, {len(train.classes)} classes, {len(train.labels):,} images"
    folder = export.export(recipe, encoder, history, data, device, assets)
    after = f"Next: invariscope fit-heads {arguments.data} --task TASK --encoders {recipe.id}"
    told = {"id": recipe.id, "folder": str(folder), "epochs": len(history)}
    return tell(arguments, told, [f"{folder}: weights, card and log.", after])
