"""`invariscope report`: a study as one HTML file to read and to print."""

import argparse

from core.commands.common import Commands, add_command, html_file, say, tell, write_file


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "report", run, "a study as one HTML file to read and to print", device=False)
    parser.add_argument("study", metavar="STUDY", help="id of a study, as 'invariscope results list' shows it")
    parser.add_argument("--out", required=True, metavar="FILE.html")
    parser.add_argument("--protocol", default="", help="default: the first one with results")
    parser.add_argument("--first", default="", metavar="ID", help="default: a supervised contender")
    parser.add_argument("--second", default="", metavar="ID", help="default: a self-supervised contender")


def run(arguments: argparse.Namespace) -> int:
    """Draw every figure that the study holds and write the file."""
    from core.results import store
    from core.talk import report

    out = html_file(arguments.out)
    drawn: list[str] = []

    def seen(heading: str) -> None:
        drawn.append(heading)
        say(heading)

    info = store.study(arguments.study)
    page = report.build(info, arguments.protocol, arguments.first, arguments.second, seen)
    write_file(out, page)
    told = {"file": str(out), "figures": drawn, "bytes": len(page)}
    return tell(arguments, told, [f"{out}: {len(drawn)} figures, {len(page) / 2**20:.1f} MB"])
