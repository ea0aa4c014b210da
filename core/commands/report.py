"""`invariscope report`: a study as one HTML file to read and to print."""

import argparse
from pathlib import Path

from core.commands.common import Commands, add_common, print_json, say
from core.errors import InvalidRequest


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = commands.add_parser("report", help="a study as one HTML file to read and to print")
    parser.add_argument("study", metavar="STUDY", help="id of a study, as 'invariscope results list' shows it")
    parser.add_argument("--out", required=True, metavar="FILE.html")
    parser.add_argument("--protocol", default="", help="default: the first one with results")
    parser.add_argument("--first", default="", metavar="ID", help="default: a supervised contender")
    parser.add_argument("--second", default="", metavar="ID", help="default: a self-supervised contender")
    add_common(parser, device=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw every figure that the study holds and write the file."""
    from core.files import write_whole
    from core.paths import expanded
    from core.results import store
    from core.talk import report

    out = expanded(arguments.out, "--out")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidRequest(f"--out takes a .html file, not {Path(out).name}.")
    drawn: list[str] = []

    def seen(heading: str) -> None:
        drawn.append(heading)
        say(heading)

    info = store.study(arguments.study)
    page = report.build(info, arguments.protocol, arguments.first, arguments.second, seen)
    try:
        write_whole(out, page)
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written: {error.strerror or error}. Choose another --out.") from error
    if arguments.json:
        print_json({"file": str(out), "figures": drawn, "bytes": len(page)})
    else:
        print(f"{out}: {len(drawn)} figures, {len(page) / 2**20:.1f} MB")
    return 0
