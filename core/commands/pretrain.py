"""`invariscope pretrain`: train one member of the controlled family and package it."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from core import devices
from core.commands.common import folder_address, print_json, say
from core.datasets import memory
from core.datasets.address import open_address
from core.errors import InvalidRequest
from core.paths import ASSETS
from core.pretraining import export, loop
from core.pretraining import recipe as recipes


def run(arguments: argparse.Namespace) -> int:
    """Train, resuming where a checkpoint says, and write weights, log and card."""
    recipe = recipes.load(arguments.recipe)
    if find_spec("lightly") is None:
        raise InvalidRequest("Training needs lightly: pip install 'invariscope[train]'.")
    device = devices.pick(arguments.device)
    run_folder = Path(arguments.run or f"runs/{recipe.id}")
    run_folder.mkdir(parents=True, exist_ok=True)
    images = open_address(folder_address(arguments.data, recipe.every))
    train, test = (memory.load(images, part, recipe.size, say) for part in ("train", "test"))
    history, encoder = loop.train(recipe, train, test, device, run_folder, say)
    assets = Path(arguments.out) if arguments.out else ASSETS
    data = f"{arguments.data_name}, {len(train.classes)} classes, {len(train.labels):,} images"
    folder = export.export(recipe, encoder, history, data, device, assets)
    if arguments.json:
        print_json({"id": recipe.id, "folder": str(folder), "epochs": len(history)})
    else:
        print(f"{folder}: weights, card and log.")
        print(f"Next: invariscope fit-heads {arguments.data} --task TASK --encoders {recipe.id}")
    return 0
