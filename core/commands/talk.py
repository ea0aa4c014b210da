"""`invariscope talk`: a story as one HTML file, to be given from a disk without a network."""

import argparse

from core.commands.common import EXIT_PART, Commands, add_common, html_file, print_json, say, write_file


def add_parser(commands: Commands) -> None:
    """Describe the options."""
    parser = commands.add_parser("talk", help="a story as one HTML file of slides")
    parser.add_argument("story", metavar="STORY", help="a story's .toml file, or the id of one that ships: generalize")
    parser.add_argument("--out", required=True, metavar="FILE.html")
    add_common(parser, device=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute every scene and write the file; scenes that cannot be shown are marked in it and told."""
    from core.talk import deck, stories

    out = html_file(arguments.out)
    story = stories.find(arguments.story)
    page, marked = deck.build(story, lambda done, total: say(f"scene {done} of {total}"))
    write_file(out, page)
    for number, reason in marked:
        say(f"scene {number} is marked: {reason}")
    if arguments.json:
        told = [{"scene": number, "reason": reason} for number, reason in marked]
        print_json({"file": str(out), "scenes": len(story.scenes), "bytes": len(page), "marked": told})
    else:
        print(f"{out}: {len(story.scenes)} scenes, {len(page) / 2**20:.1f} MB")
    return EXIT_PART if marked else 0
