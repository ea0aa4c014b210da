"""`invariscope predict`: what several encoders answer for images, and how sure they are."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.commands.common import Commands, add_command, add_contenders, add_pictures, tell
from core.errors import InvalidRequest
from core.tasks import task

if TYPE_CHECKING:
    from core.confidence import Prediction
    from core.images.image import SafeImage
    from core.pipeline import Reading
    from core.readout import Contender

BATCH = 32


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "predict", run, "classify images by several encoders")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--top", type=int, default=5, help="classes to print (default: 5)")
    add_pictures(parser)
    add_contenders(parser)


def result(
    contender: "Contender", image: "SafeImage", reading: "Reading", answer: "Prediction", top: int
) -> dict[str, Any]:
    """One contender's answer as plain values."""
    from core import pipeline
    from core.export import seen_box

    names = task(contender.head.task).classes
    return {
        "encoder": contender.encoder.spec.id,
        "regime": contender.encoder.spec.regime,
        "head_protocol": contender.head.protocol,
        "seen": seen_box(contender, image),
        "top": [
            {"label": names[index], "probability": float(answer.probabilities[index])} for index in answer.order[:top]
        ],
        "confidence": answer.confidence,
        "temperature": answer.temperature,
        "margin": answer.margin,
        "entropy": answer.entropy,
        "outlyingness": pipeline.outlyingness(contender, reading),
        "warning": pipeline.unfamiliar(contender, reading),
    }


def run(arguments: argparse.Namespace) -> int:
    """Classify every image by every encoder."""
    from core import confidence, devices, pipeline
    from core.commands.given import open_contenders, read_images, remarks
    from core.datasets.options import parse_bands

    if arguments.top < 1:
        raise InvalidRequest(f"--top takes 1 or more, not {arguments.top}.")
    images, bad = read_images(arguments.images, arguments.fit, parse_bands(arguments.bands))
    contenders = open_contenders(arguments.encoders, arguments.task, devices.pick(arguments.device))
    rows = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        readings = [pipeline.read_images(contender, [image for _, image in part]) for contender in contenders]
        for i, (path, image) in enumerate(part):
            read = [(contender, found[i]) for contender, found in zip(contenders, readings, strict=True)]
            answers = [pipeline.predict(contender, reading) for contender, reading in read]
            rows.append(
                {
                    "path": str(path),
                    "digest": image.digest,
                    "size": list(image.size),
                    "fit": image.fit,
                    "notes": remarks(image),
                    "task": arguments.task,
                    "results": [
                        result(contender, image, reading, answer, arguments.top)
                        for (contender, reading), answer in zip(read, answers, strict=True)
                    ],
                    "agreement": confidence.agreement(answers),
                }
            )
    return tell(arguments, rows, _lines(rows), bool(bad))


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield row["path"]
        yield from (f"  {note}" for note in row["notes"])
        for found in row["results"]:
            answers = ", ".join(f"{a['label']} {a['probability']:.0%}" for a in found["top"])
            yield f"  {found['encoder']:22} {answers}"
            if found["warning"]:
                yield f"  {'':22} {found['warning']}"
        if row["agreement"] is not None:
            yield f"  they {'agree' if row['agreement'] else 'disagree'}"
