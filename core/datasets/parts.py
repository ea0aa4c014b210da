"""What parts of data sets are called, as folders, tables and columns name them."""

import re
from collections.abc import Iterable

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders, files and cells that are parts, in lower case."""

NAMED = 5  # names that a message lists


def part_of_folder(name: str) -> str:
    """The part whose images a folder holds, such as `train_images`; empty when it is none."""
    return PARTS.get(re.sub(r"[ _-]?(images?|imgs?|data|set|jpe?gs?|pngs?)$", "", name.lower()), "")


def listed(names: Iterable[str]) -> str:
    """The first few names, quoted, and how many more there are."""
    found = sorted(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(f"'{name}'" for name in found[:NAMED]) + more
