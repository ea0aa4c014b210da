"""`invariscope report`: a study, or the views of a story, as one HTML file to read and to print."""

import argparse
from pathlib import Path

from core.commands.common import Commands, add_command, html_file, say, tell, write_file
from core.commands.talk import told_of
from core.errors import InvalidRequest


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    told = "a study, or the views of a story, as one HTML file to read and to print"
    parser = add_command(commands, "report", run, told, device=False)
    parser.add_argument("study", metavar="STUDY", nargs="?", help="as 'invariscope results list' shows it")
    parser.add_argument("--story", metavar="STORY", help="instead: a story's .toml file, or the id of one that ships")
    parser.add_argument("--out", required=True, metavar="FILE.html")
    parser.add_argument("--protocol", default="", help="default: the first one with results")
    parser.add_argument("--first", default="", metavar="ID", help="default: a supervised contender")
    parser.add_argument("--second", default="", metavar="ID", help="default: a self-supervised contender")


def run(arguments: argparse.Namespace) -> int:
    """Draw every figure that the study holds, or every view of the story, and write the file."""
    out = html_file(arguments.out)
    if (arguments.study is None) == (arguments.story is None):
        raise InvalidRequest("A report is of a STUDY, or of the views of a --story STORY: name one of them.")
    return _of_study(arguments, out) if arguments.story is None else _of_story(arguments, out)


def _of_study(arguments: argparse.Namespace, out: Path) -> int:
    from core.results import store
    from core.talk import report

    drawn: list[str] = []

    def seen(heading: str) -> None:
        drawn.append(heading)
        say(heading)

    info = store.study(arguments.study)
    page = report.build(info, arguments.protocol, arguments.first, arguments.second, seen)
    write_file(out, page)
    told = {"file": str(out), "figures": drawn, "bytes": len(page)}
    return tell(arguments, told, [f"{out}: {len(drawn)} figures, {len(page) / 2**20:.1f} MB"])


def _of_story(arguments: argparse.Namespace, out: Path) -> int:
    from core.talk import report, stories

    if arguments.protocol or arguments.first or arguments.second:
        raise InvalidRequest("--protocol, --first and --second are of a study; each view of a story names its own.")
    story = stories.find(arguments.story)
    page, marked = report.of_story(story, lambda done, total: say(f"view {done} of {total}"))
    write_file(out, page)
    return told_of(arguments, out, len(story.scenes), page, marked, "view")
