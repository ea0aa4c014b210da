"""Names as people write them: compared in one form of Unicode, sorted as people count."""

import re
import unicodedata


def same(name: str) -> str:
    """The form in which names are compared: `é` is one letter, whether a disk stores it as one or as two."""
    return unicodedata.normalize("NFC", name)


def natural(name: str) -> tuple[list[str | int], str]:
    """What names are sorted by: digits count as numbers, so that 2 comes before 10."""
    # Text and digits alternate, so that text is never compared with a number.
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", same(name))], name
