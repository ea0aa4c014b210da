"""Tables as CSV: what a spreadsheet would run is text, and everything else is as it was."""

import io

import pandas as pd
import pyarrow as pa
import pytest

from core.spreadsheet import MARK, harmless, harmless_batches, to_csv


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_would_run_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "cat", "a=b", "-5", "+1.5e3", "-inf", "Évêque", "'=1"])
def test_everything_else_stays(text: str) -> None:
    assert harmless(text) == text


def test_a_table_comes_back() -> None:
    table = pd.DataFrame({"class": ["=HYPERLINK(1)", "Пёс"], "share": [-0.5, None], "=n": [1, -2]})
    table["word"] = pd.Categorical(["-x", "y"])
    plain = to_csv(table)
    back = pd.read_csv(io.BytesIO(plain))
    assert list(back["class"]) == ["'=HYPERLINK(1)", "Пёс"]
    assert list(back["word"]) == ["'-x", "y"]
    assert list(back["share"].fillna(9)) == [-0.5, 9]
    assert list(back["'=n"]) == [1, -2]
    assert to_csv(table, mark=True) == MARK + plain
    assert list(table["class"]) == ["=HYPERLINK(1)", "Пёс"], "what is given stays"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x"]


def test_rows_in_pieces_are_no_formulas_either() -> None:
    batch = pa.record_batch({"name": pa.array([*FORMULAS, "a=b", None]), "number": pa.array([-1.0] * 8)})
    (found,) = harmless_batches(iter([batch]))
    assert found.schema == batch.schema
    assert found["name"].to_pylist() == [*(f"'{formula}" for formula in FORMULAS), "a=b", None]
    assert found["number"].to_pylist() == [-1.0] * 8
