"""`invariscope attribute`: overlays, raw maps and a manifest in a folder."""

import argparse
from pathlib import Path

from core.commands.common import Commands, add_command, add_contenders, add_pictures, tell
from core.errors import UnknownName


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "attribute", run, "write attribution maps of an image")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="default: each encoder's own answer")
    parser.add_argument("--method", default="grad-cam", help="grad-cam, occlusion or integrated-gradients")
    parser.add_argument("--out", required=True, metavar="DIR")
    add_pictures(parser)
    add_contenders(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write one map an encoder."""
    from core import devices, export, pipeline
    from core.attribution import METHODS
    from core.commands.given import open_contenders, read_image, remarks
    from core.datasets.options import parse_bands
    from core.plots import overlay
    from core.tasks import class_index

    if arguments.method not in METHODS:
        raise UnknownName("attribution method", arguments.method, METHODS)
    image = read_image(Path(arguments.image), arguments.fit, parse_bands(arguments.bands))
    asked = class_index(arguments.task, arguments.class_name) if arguments.class_name else None
    contenders = open_contenders(arguments.encoders, arguments.task, devices.pick(arguments.device))
    readings = [pipeline.read_images(contender, [image])[0] for contender in contenders]
    targets = [asked if asked is not None else int(reading.logits.argmax()) for reading in readings]
    maps = [
        pipeline.attribute(contender, image, reading, target, arguments.method)
        for contender, reading, target in zip(contenders, readings, targets, strict=True)
    ]
    scale = overlay.shared_scale(maps)
    written = export.write_maps(Path(arguments.out), image, contenders, maps, targets, scale, arguments.method)
    lines = [f"{entry['overlay']}  {entry['encoder']}: {entry['class']}" for entry in written["maps"]]
    return tell(arguments, written, [*remarks(image), *lines])
