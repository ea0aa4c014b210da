"""What people named stays text: on a page, where Streamlit renders Markdown and more, and in a spreadsheet."""

import re

import pandas as pd
import pyarrow as pa
import pytest

from core.text import JOINER, code, csv_batches, csv_text, plain


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


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x"]


def test_no_cell_of_a_csv_is_a_formula() -> None:
    table = pd.DataFrame({"=name": [*FORMULAS, "a=b", None], "number": [-1.5, 2, 3, 4, 5, 6, 7, 8]})
    table["kind"] = pd.Categorical(["-x"] * 8)
    head, first, *_ = csv_text(table).splitlines()
    assert head == "'=name,number,kind"
    assert first == "'=1+1,-1.5,'-x"
    for formula in FORMULAS:
        assert f"'{formula}" in csv_text(table)
    assert "\na=b,7.0,'-x\n,8.0,'-x\n" in csv_text(table)
    assert table["=name"][0] == "=1+1", "the table itself stays as it was"


def test_rows_in_pieces_are_no_formulas_either() -> None:
    batch = pa.record_batch({"name": pa.array([*FORMULAS, "a=b", None]), "number": pa.array([-1.0] * 8)})
    (found,) = csv_batches(iter([batch]))
    assert found.schema == batch.schema
    assert found["name"].to_pylist() == [*(f"'{formula}" for formula in FORMULAS), "a=b", None]
    assert found["number"].to_pylist() == [-1.0] * 8
