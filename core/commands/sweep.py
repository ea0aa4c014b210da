"""`invariscope sweep`: invariance curves as a Parquet table."""

import argparse
from pathlib import Path

from core.commands.common import Commands, add_command, add_contenders, add_pictures, say, tell
from core.errors import InvalidRequest
from core.tasks import task


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "sweep", run, "measure invariance over an augmentation's strength")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="images, or folders of images")
    parser.add_argument("--augmentation", default="rotation")
    parser.add_argument("--seeds", type=int, default=5, help="random draws an image (default: 5)")
    parser.add_argument("--out", required=True, metavar="FILE.parquet")
    add_pictures(parser)
    add_contenders(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure every encoder on every image and write one table."""
    import pandas as pd

    from core import devices, export, pipeline
    from core.commands.given import open_contenders, read_images
    from core.datasets.options import parse_bands

    out = Path(arguments.out)
    if out.suffix != ".parquet":
        raise InvalidRequest(f"--out takes a .parquet file, not {out.name}.")
    pipeline.augmentation(arguments.augmentation)
    images, bad = read_images(arguments.paths, arguments.fit, parse_bands(arguments.bands))
    device = devices.pick(arguments.device)
    contenders = open_contenders(arguments.encoders, arguments.task, device, headless=True)
    digests = [image.digest for _, image in images]
    tables, floors = [], {}
    for contender in contenders:
        id = contender.encoder.spec.id
        points = []
        for done, total, point in pipeline.sweep(
            contender, [image for _, image in images], arguments.augmentation, seeds=arguments.seeds
        ):
            points.append(point)
            say(f"{id}: {done}/{total}, strength {point.strength:g}, cosine {point.cosine.mean():.3f}")
        answers = contender.head.answers
        tables.append(pipeline.points_table(points, id, arguments.augmentation, digests, answers))
        floors[id] = pipeline.strangers_floor(contender)
    table = pd.concat(tables, ignore_index=True)
    paths = {image.digest: str(path) for path, image in images}
    table["path"] = table["image"].map(paths)
    table["prediction_name"] = table["prediction"].map(dict(enumerate(task(arguments.task).classes)))
    manifest = export.provenance(contenders) | {"augmentation": arguments.augmentation, "floors": floors}
    export.write_parquet(table, out, manifest)
    said = f"{out}: {len(table)} rows of {len(contenders)} encoders, {len(images)} images"
    return tell(arguments, {"file": str(out), "rows": len(table), "floors": floors}, [said], bool(bad))
