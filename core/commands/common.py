"""What several sub-commands share: options, exit codes, JSON and progress. Imports nothing heavy: every start reads it.

A sub-command is a file with `add_parser`, which describes its options, and `run`, which takes them, tells what it
found and returns the exit code. What computes is imported inside `run`, so that help and lists answer at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from core.errors import InvalidRequest
from core.pace import Pace, Progress
from core.paths import expanded

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run: TypeAlias = Callable[[argparse.Namespace], int]
EXIT_PART, EXIT_ERROR = 1, 2


class Parser(argparse.ArgumentParser):
    """A parser, and with it those of its sub-commands, that complains like everything else here: in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise InvalidRequest with what is wrong and where help is."""
        raise InvalidRequest(f"{message}. See '{self.prog} --help'.")


def ids(text: str) -> list[str]:
    """Names separated by commas, each once, as an option's type."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name at least one, separated by commas")
    return list(dict.fromkeys(names))


def add_command(
    commands: Commands, name: str, run: Run | None, help: str, device: bool = True, weights: bool = True
) -> argparse.ArgumentParser:
    """The parser of a sub-command, with the options that most of them take.

    Args:
        commands: to add it to.
        name: of the sub-command.
        run: takes the arguments and returns the exit code; None where only sub-commands of it do.
        help: what it does, in a line.
        device: whether it computes on a device.
        weights: whether it looks for weights.
    """
    parser = commands.add_parser(name, help=help)
    if run:
        parser.set_defaults(run=run)
    unsaid = argparse.SUPPRESS  # a default here would undo what was said before the sub-command
    parser.add_argument("--json", action="store_true", default=unsaid, help="print JSON instead of text")
    if device:
        parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")
    if weights:
        told = "folder of fetched weights (also INVARISCOPE_WEIGHTS)"
        parser.add_argument("--weights-dir", metavar="DIR", default=unsaid, help=told)
    return parser


def add_contenders(parser: argparse.ArgumentParser) -> None:
    """The options that choose contenders."""
    pair = ["supervised", "simclr"]
    parser.add_argument("--encoders", type=ids, default=pair, metavar="A,B", help=f"default: {','.join(pair)}")
    parser.add_argument("--task", default="tiny-imagenet", help="label space of the heads (default: tiny-imagenet)")


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """The options that say how pictures are read."""
    told = "how oblong images meet square inputs: the middle, squeezed, or whole between grey bars (default: crop)"
    parser.add_argument("--fit", choices=("crop", "squash", "pad"), default="crop", help=told)
    parser.add_argument("--bands", default="", metavar="R,G,B", help="of TIFFs of many bands, counted from 1")


def print_json(value: Any) -> None:
    """Print a value as JSON that any parser takes and any terminal shows: ASCII, and no NaN."""
    print(json.dumps(value, indent=2, allow_nan=False))


def tell(arguments: argparse.Namespace, value: Any, lines: Iterable[str], part: bool = False) -> int:
    """Print what was found, as JSON where that is asked for; returns the exit code.

    Args:
        arguments: of the sub-command.
        value: what was found, in plain values.
        lines: the same as text.
        part: whether something could not be done, or a check failed.
    """
    if arguments.json:
        print_json(value)
    else:
        for line in lines:
            print(line)
    return EXIT_PART if part else 0


def say(line: str) -> None:
    """A line for the person at the terminal, kept out of the JSON on standard output."""
    print(line, file=sys.stderr, flush=True)


def fetch_progress(name: str) -> Progress:
    """A progress function that writes one updating line with size, speed and remaining time to standard error."""

    pace, widest = Pace(), 0

    def show(done: int, total: int) -> None:
        nonlocal widest
        line = f"fetching {name}: {pace.see(done, total).text}"
        widest = max(widest, len(line))
        end = "\n" if total and done >= total else "\r"
        # Blanks wipe out what is left of a longer line.
        print(line.ljust(widest), end=end, file=sys.stderr, flush=True)

    return show


def folder_address(path: str, every: int = 1, drop_duplicates: bool = False) -> str:
    """The address of a folder or archive named on the command line, seen from where the person is."""
    from core.datasets.address import text_of
    from core.datasets.spec import Address

    options = ({"every": str(every)} if every > 1 else {}) | ({"duplicates": "drop"} if drop_duplicates else {})
    return text_of(Address("folder", str(expanded(path, "The folder").resolve()), options))


def html_file(text: str) -> Path:
    """Where `--out` says that a page goes.

    Raises:
        InvalidRequest: it names another kind of file.
    """
    out = expanded(text, "--out")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidRequest(f"--out takes a .html file, not {out.name}.")
    return out


def write_file(out: Path, data: bytes) -> None:
    """Write a file whole, where `--out` says.

    Raises:
        InvalidRequest: the system does not let it.
    """
    from core.files import write_whole

    try:
        write_whole(out, data)
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written: {error.strerror or error}. Choose another --out.") from error


def refused_by_the_system(error: OSError) -> int:
    """Say what the system did not do; nothing, when the reader of a pipe has seen enough."""
    try:
        sys.stdout.flush()
    except OSError:  # what is left in the buffer goes nowhere, or Python would complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 141
    what = f"{error.filename} cannot be used" if error.filename else "Reading or writing failed"
    reason = error.strerror or error
    print(f"invariscope: {what}: {reason}. Check the path, its rights and the space on its disk.", file=sys.stderr)
    return EXIT_ERROR
