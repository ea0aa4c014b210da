"""`invariscope models convert`: the tensors of a file that holds more than tensors, without running anything in it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.common import Commands, add_command, fetch_progress, say, tell
from core.encoders.registry import encoders
from core.encoders.spec import WeightFile
from core.errors import InvalidRequest, UnknownName, WeightsInvalid

if TYPE_CHECKING:
    from core.encoders.opening.converting import Conversion

SHOWN = 5
"""Classes left out that the text names."""


def add_parser(actions: Commands) -> None:
    """Describe the options."""
    parser = add_command(
        actions, "convert", run, "keep the tensors of a file that holds more; nothing in it runs", device=False
    )
    parser.add_argument("what", metavar="ID|FILE", help="an encoder (its files are fetched), or a file")
    parser.add_argument("--container", metavar="A.B", help="keep only what is under these names of a FILE")
    parser.add_argument("--out", metavar="FILE.safetensors", help="where a FILE's tensors go (default: beside it)")


def run(arguments: argparse.Namespace) -> int:
    """Convert the files of an encoder that need it, or any file."""
    from core.encoders.opening import reading
    from core.encoders.opening.converting import convert

    named = arguments.what
    entries = encoders()
    if named in entries and not Path(named).is_file():
        if arguments.out or arguments.container:
            raise InvalidRequest("--out and --container go with a file; an encoder's files have their places.")
        done = [_of_entry(file) for file in entries[named].files]
    elif Path(named).is_file():
        path = Path(named)
        container = tuple(part for part in (arguments.container or "").split(".") if part)
        target = Path(arguments.out) if arguments.out else reading.converted_path(path)
        done = [_row(path, convert(path, target, container))]
    else:
        raise UnknownName("encoder, and no file,", named, entries)
    return tell(arguments, done, map(_sentence, done))


def _of_entry(file: WeightFile) -> dict[str, Any]:
    from core.encoders.files import weights
    from core.encoders.opening import reading
    from core.encoders.opening.converting import convert

    path = weights.fetch(file, fetch_progress(file.file))
    weights.verify(file)
    if file.reader != "converted":
        try:
            reading.state_dict(file)
        except WeightsInvalid as error:
            say(f"{path} cannot be read as it is, so its tensors are converted: {error}")
        else:
            return {"file": str(path), "converted": None, "tensors": None, "left_out": [], "network": ""}
    return _row(path, convert(path, reading.converted_path(path), file.container))


def _row(path: Path, done: "Conversion") -> dict[str, Any]:
    return {
        "file": str(path),
        "converted": str(done.target),
        "tensors": done.tensors,
        "left_out": list(done.left_out),
        "network": done.network,
    }


def _sentence(row: dict[str, Any]) -> str:
    if row["converted"] is None:
        return f"{row['file']} holds plain tensors and needs no conversion."
    text = f"{row['converted']} holds the {row['tensors']} tensors of {row['file']}; nothing in it ran."
    if row["left_out"]:
        more = ", ..." if len(row["left_out"]) > SHOWN else ""
        text += f" Left out: {', '.join(row['left_out'][:SHOWN])}{more}."
    return text
