"""`invariscope talk`: a story as one HTML file, to be given from a disk without a network."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Commands, add_command, html_file, say, tell, write_file


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = add_command(commands, "talk", run, "a story as one HTML file of slides", device=False)
    parser.add_argument("story", metavar="STORY", help="a story's .toml file, or the id of one that ships: generalize")
    parser.add_argument("--out", required=True, metavar="FILE.html")


def run(arguments: argparse.Namespace) -> int:
    """Compute every scene and write the file; scenes that cannot be shown are marked in it and told."""
    from core.talk import deck, stories

    out = html_file(arguments.out)
    story = stories.find(arguments.story)
    page, marked = deck.build(story, lambda done, total: say(f"scene {done} of {total}"))
    write_file(out, page)
    return told_of(arguments, out, len(story.scenes), page, marked, "scene")


def told_of(
    arguments: argparse.Namespace, out: Path, count: int, page: bytes, marked: list[tuple[int, str]], what: str
) -> int:
    """Tell what file a story became, and which of its scenes (views of a report) are marked in it."""
    for number, reason in marked:
        say(f"{what} {number} is marked: {reason}")
    told: dict[str, Any] = {"file": str(out), f"{what}s": count, "bytes": len(page)}
    told["marked"] = [{what: number, "reason": reason} for number, reason in marked]
    return tell(arguments, told, [f"{out}: {count} {what}s, {len(page) / 2**20:.1f} MB"], bool(marked))
