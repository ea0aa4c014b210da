"""Names that people gave, as text on a page: Streamlit renders Markdown and more."""

import re

JOINER = "\u2060"
"""WORD JOINER: it has no width and allows no break."""

# Streamlit replaces these in the text that Markdown leaves, where a backslash no longer protects: `:red[`, emoji and
# icons, addresses that become links, and arrows.
_UNBROKEN = re.compile(
    r"(:)(?=[\w+/-]+[:\[{]|//)|(www)(?=\.)|(@)(?=\w)|(?<!\S)([<>~-])(?=(?:->|-|>|=)(?!\S))", re.IGNORECASE | re.ASCII
)
_SPECIAL = re.compile(r"[\\`*_\[\]<>#$~|&:]")
_AT_START = re.compile(r"^(?:(?=[-+=])|(\d+)(?=[.)](?:\s|$)))")


def plain(value: object) -> str:
    r"""Markdown that shows a text as it is: no markup, picture, link, colour, icon or formula, in one line.

    `a*b` becomes `a\*b`. For every variable that a page puts into a sentence, a label or a help text. What Streamlit
    reads after Markdown (`:material/home:`, addresses) is parted by an invisible `JOINER`.

    Args:
        value: a name, a message, or anything else with a `str`.
    """
    line = " ".join(str(value).split())
    line = _UNBROKEN.sub(lambda found: f"{found[0]}{JOINER}", line)
    line = _SPECIAL.sub(r"\\\g<0>", line)
    return _AT_START.sub(r"\1\\", line)


def code(value: object) -> str:
    """A text as inline code of Markdown, between more backticks than it holds in a row."""
    line = " ".join(str(value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"
