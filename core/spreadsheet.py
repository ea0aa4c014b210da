"""Tables as CSV that a spreadsheet shows and never runs."""

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

MARK = b"\xef\xbb\xbf"
"""By which Excel knows that a CSV is UTF-8."""

STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Of cells that a spreadsheet takes for formulas."""


def harmless(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would run it; a number stays one."""
    if not text.startswith(STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def to_csv(table: pd.DataFrame, mark: bool = False) -> bytes:
    """A table as CSV in UTF-8; what names of files and classes would run in a spreadsheet is quoted.

    Args:
        table: without its index.
        mark: for Excel, which else takes the text for another encoding.
    """
    shown = table.copy()
    for column in shown.columns:
        if shown[column].dtype.kind not in "iufbmM":
            shown[column] = shown[column].map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    shown.columns = pd.Index([harmless(str(name)) for name in shown.columns])
    return (MARK if mark else b"") + shown.to_csv(index=False, lineterminator="\n").encode()


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def harmless_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of rows that are written as CSV piece by piece, with every risky text quoted."""
    for batch in batches:
        columns = [
            pc.replace_substring_regex(column, r"^[=+\-@\t\r]", r"'\0") if _is_text(column.type) else column
            for column in batch.columns
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)
