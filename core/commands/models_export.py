"""`invariscope models export`: the numbers of a figure of the models' cards as a file."""

import argparse

from core.commands.common import Commands, add_command, tell, write_file
from core.errors import InvalidRequest


def add_parser(actions: Commands) -> None:
    """Describe the options."""
    parser = add_command(actions, "export", run, "write the numbers of a figure of the cards to a file", device=False)
    told = "models/training, how the packaged encoders were trained, as the menu of the figure names it"
    parser.add_argument("--figure", required=True, metavar="PAGE/FIGURE", help=told)
    parser.add_argument("--out", required=True, metavar="FILE", help="a .csv or .tex file")


def run(arguments: argparse.Namespace) -> int:
    """Write the table."""
    from core.paths import expanded
    from core.results import latex
    from core.spreadsheet import to_csv
    from core.talk import scenes
    from core.talk.stories import Scene

    out = expanded(arguments.out, "--out")
    if not arguments.figure.startswith(scenes.OF_MODELS):
        raise InvalidRequest(f"{arguments.figure} is of no card: 'invariscope results export STUDY' gives a study's.")
    if out.suffix.lower() not in (".csv", ".tex"):
        raise InvalidRequest(f"--out takes a .csv or .tex file, not {out.name}.")
    scene = Scene(arguments.figure, "", "", {})
    found, said = scenes.table(scene)
    name = arguments.figure.replace("/", "_")
    write_file(out, to_csv(found) if out.suffix.lower() == ".csv" else latex.frame(found, said, name).encode())
    return tell(arguments, {"figure": arguments.figure, "out": str(out)}, [str(out)])
