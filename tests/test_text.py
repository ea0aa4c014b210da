"""What people named stays text: on a page, where Streamlit renders Markdown and more."""

import re

import pytest

from core.text import JOINER, code, plain


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.png", "photo.png"),
        ("two  words\n# three", "two words \\# three"),
        ("![t](http://x.y/z.png)", "!\\[t\\](`http://x.y/z.png`)"),
        ("[a](javascript:b)", "\\[a\\](javascript\\:b)"),
        (":red[x]", f":{JOINER}red\\[x\\]"),
        (":red", "\\:red"),
        (":material/home:", f":{JOINER}material/home:"),
        (":material_home:", f":{JOINER}material_home:"),
        (":streamlit:", f":{JOINER}streamlit:"),
        ("a:smile:b", f"a:{JOINER}smile\\:b"),
        ("::note[x]", f"\\::{JOINER}note\\[x\\]"),
        ("$x$", "\\$x\\$"),
        ("<b>&amp; a < b & c", "\\<b>\\&amp; a < b & c"),
        ("a|b~~c~~`d`", "a\\|b\\~\\~c\\~\\~\\`d\\`"),
        ("**a** _b_ c_d", "\\*\\*a\\*\\* \\_b\\_ c_d"),
        ("# a", "\\# a"),
        ("> a", "\\> a"),
        ("- a", "\\- a"),
        ("+ a", "\\+ a"),
        ("=== ", "\\==="),
        ("1. a", "1\\. a"),
        ("12)", "12\\)"),
        ("0.png", "0.png"),
        ("    a", "a"),
        ("see https://x.org/a_b.", "see `https://x.org/a_b`."),
        ("https://x/`a", "`` https://x/`a ``"),
        ("www.x.org", f"www{JOINER}.x.org"),
        ("me@x.org", f"me@{JOINER}x.org"),
        ("a -> b", f"a -{JOINER}> b"),
        ("a -- b <-> c", f"a -{JOINER}- b <{JOINER}-> c"),
        ("back\\slash", "back\\\\slash"),
        ("noon: 12:30", "noon: 12:30"),
        (12, "12"),
    ],
)
def test_a_name_is_shown_as_it_is(name: object, shown: str) -> None:
    assert plain(name) == shown


def test_what_is_shown_is_the_name() -> None:
    """Reading the escapes back gives the name, letter by letter."""
    name = "".join(chr(i) for i in range(33, 127))
    assert re.sub(r"\\(.)", r"\1", plain(f"x{name}")).replace(JOINER, "") == f"x{name}"


@pytest.mark.parametrize(("text", "shown"), [("a*b", "`a*b`"), ("a`b", "`` a`b ``"), ("`` c", "``` `` c ```")])
def test_code_holds_its_backticks(text: str, shown: str) -> None:
    assert code(text) == shown
