"""Names that people gave, as text on a page: Streamlit renders Markdown and more."""

import re
from collections.abc import Iterable

JOINER = "\u2060"
"""WORD JOINER: it has no width and allows no break."""

# Streamlit replaces these in the text that Markdown leaves, where a backslash no longer protects: `:red[`, emoji and
# icons, addresses that become links, and arrows.
_UNBROKEN = re.compile(
    r"(:)(?=[\w+/-]+[:\[{])|(www)(?=\.)|(@)(?=\w)|(?<!\S)([<>~-])(?=(?:->|-|>|=)(?!\S))", re.IGNORECASE | re.ASCII
)
# What Markdown reads anywhere; an underscore not within a word, a colon before what could be a directive's name.
_SPECIAL = re.compile(r"[\\`*\[\]#$~|]|(?<![^\W_])_|_(?![^\W_])|<(?=[a-zA-Z/!?])|&(?=[#\w])|:(?=[^\W\d_]|:)")
_AT_START = re.compile(r"^(?:(?=[-+=>])|(\d+)(?=[.)](?:\s|$)))")
_ADDRESS = re.compile(r"(https?://\S*[^\s.,;:!?)'\"])", re.IGNORECASE)


def plain(value: object) -> str:
    r"""Markdown that shows a text as it is: no markup, picture, link, colour, icon or formula, in one line.

    `a*b` becomes `a\*b`. For every variable that a page puts into a sentence, a label or a help text. What Streamlit
    reads after Markdown (`:material/home:`, `me@example.org`) is parted by an invisible `JOINER`; a web address stands
    as code, so that it can be copied.

    Args:
        value: a name, a message, or anything else with a `str`.
    """
    words, *rest = _ADDRESS.split(" ".join(str(value).split()))
    shown = _AT_START.sub(r"\1\\", _words(words))
    for address, after in zip(rest[::2], rest[1::2], strict=True):
        shown += code(address) + _words(after)
    return shown


def _words(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", _UNBROKEN.sub(lambda found: f"{found[0]}{JOINER}", text))


def code(value: object) -> str:
    """A text as inline code of Markdown, between more backticks than it holds in a row."""
    line = " ".join(str(value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


_WORDS_TOGETHER = re.compile(r"(?:[A-Z][a-z]+){2,}")
_SPELLED = {"notumor": "no tumour", "covid 19": "COVID-19"}


def signed(value: float, decimals: int = 1) -> str:
    """A number with its sign: a true minus, and no sign at what rounds to zero."""
    text = f"{value:+.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def spoken(names: Iterable[str]) -> tuple[str, ...]:
    """The names of a set's classes as people say them: `BareLand` is bare land, `no_entry` no entry. Labels keep their
    order. Where one has a space already, people wrote them, and only what is known to be misspelled changes."""
    names = tuple(names)
    written = any(" " in name for name in names)

    def said(name: str) -> str:
        if name in _SPELLED or written:
            return _SPELLED.get(name, name)
        if _WORDS_TOGETHER.fullmatch(name):
            return re.sub(r"(?<=[a-z])[A-Z]", lambda letter: f" {letter[0].lower()}", name)
        return name.replace("_", " ")

    return tuple(map(said, names))
