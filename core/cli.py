"""The console command: the same computations as the pages, as text, JSON and files.

Nothing heavy is imported before a sub-command runs, so `--help` answers at once.
Exit codes: 0 done; 1 done in part, or a check failed; 2 nothing could be done, with one line on what to do.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from core import __version__
from core.commands import dashboard
from core.commands.common import EXIT_ERROR, Parser, refused_by_the_system
from core.errors import InvariscopeError

COMMANDS = (
    "models",
    "predict",
    "attribute",
    "sweep",
    "talk",
    "report",
    "study",
    "datasets",
    "pretrain",
    "fit-heads",
    "results",
    "bench",
    "doctor",
)
"""In the order of the help; each is a file of its name."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="invariscope",
        description="How do self-supervised and supervised representations generalize? "
        "Without a command: the dashboard.",
    )
    parser.add_argument("--version", action="version", version=f"invariscope {__version__}", help="print it and exit")
    parser.add_argument("--weights-dir", metavar="DIR", help="folder of fetched weights (also INVARISCOPE_WEIGHTS)")
    dashboard.add_options(parser)
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"core.commands.{name.replace('-', '_')}").add_parser(commands)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    arguments = build_parser().parse_args(argv)
    # Nothing that reads it is imported yet. What holds for every process is set in core/__init__.py.
    if arguments.weights_dir:
        os.environ["INVARISCOPE_WEIGHTS"] = arguments.weights_dir
    return int(arguments.run(arguments))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack a character, a file's name any
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except InvariscopeError as error:
        print("invariscope:", " ".join(str(error).split()), file=sys.stderr)  # a file's name may hold anything
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("invariscope: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        return refused_by_the_system(error)


if __name__ == "__main__":
    sys.exit(main())
