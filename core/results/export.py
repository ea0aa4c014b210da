"""Tables of a study as files: CSV, Parquet, and LaTeX for papers. Written whole or not at all."""

import io
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import core
from core.errors import InvalidRequest, UnknownName
from core.results import choices, claims, distances, latex, pairs, store, summary
from core.results.info import StudyInfo
from core.results.reading import Results
from core.results.writing import FACTS, digest_of, whole_at, write_bytes
from core.spreadsheet import MARK, harmless_batches, to_csv

FORMATS = ("csv", "csv-excel", "parquet", "latex")
ENDINGS = {".csv": "csv", ".parquet": "parquet", ".tex": "latex"}

SUMMARIES: dict[str, Callable[[StudyInfo, str, str, str], pd.DataFrame]] = {
    "accuracy": lambda info, protocol, first, second: summary.accuracy(info, protocol),
    "paired": pairs.paired,
    "gap": lambda info, protocol, first, second: summary.generalization_gap(info, protocol),
    "controls": lambda info, protocol, first, second: summary.controls(info, store.studies().values(), protocol),
    "distances": lambda info, protocol, first, second: distances.distances(info),
    "claims": lambda info, protocol, first, second: claims.table(
        claims.judge(info, id, first, second) for id in claims.CLAIMS
    ),
}
"""The summaries by the name they are asked for."""

TABLES = (*SUMMARIES, "rows")


def format_of(out: str, asked: str | None) -> str:
    """The format asked for, or that of a file's ending; `csv` for a file without one.

    Raises:
        InvalidRequest: the ending is that of no format, or of another than the one asked for.
    """
    ending = PurePosixPath(out).suffix.lower()
    if asked is None and ending and ending not in ENDINGS:
        raise InvalidRequest(
            f"A table is written as {', '.join(ENDINGS)}, not as {ending}: name such a file (Excel opens what --format "
            "csv-excel writes), or say --format."
        )
    if asked and ending in ENDINGS and ENDINGS[ending] != asked.removesuffix("-excel"):
        raise InvalidRequest(f"{out} would not hold {asked}: give it another ending, or leave --format out.")
    return asked or ENDINGS.get(ending, "csv")


def protocol_of(info: StudyInfo, asked: str | None) -> str:
    """The protocol asked for, or the study's first with finished cells.

    Raises:
        UnknownName: the study has no finished cell of that protocol, or none at all.
    """
    done = choices.protocols(info)
    if not done or asked not in (None, *done):
        raise UnknownName("finished protocol", asked or "any", done)
    return asked or done[0]


def pair_of(info: StudyInfo, protocol: str, first: str | None, second: str | None) -> tuple[str, str]:
    """The contenders asked for; by default the first supervised one and the first self-supervised one.

    Raises:
        UnknownName: one has no finished cell of the protocol.
        InvalidRequest: there are no two of them.
    """
    known = choices.contenders(info, protocol)
    for asked in (first, second):
        if asked is not None and asked not in known:
            raise UnknownName("contender with finished cells", asked, known)
    if len(known) < 2:
        raise InvalidRequest(f"Study '{info.id}' has one contender by '{protocol}'; two are needed to compare.")
    first = first or choices.first(info, [id for id in known if id != second])
    return first, second or choices.second(info, known, first)


def write(
    info: StudyInfo,
    out: str,
    format: str,
    table: str = "accuracy",
    protocol: str | None = None,
    first: str | None = None,
    second: str | None = None,
) -> None:
    """Write one table of a study to a file or any fsspec address.

    Args:
        format: `csv`, `csv-excel` (marked as UTF-8, which Excel needs to be told), `parquet` (with the study's facts in
            the file's metadata) or `latex`.
        table: one of `TABLES`; `rows` is every answer.
        protocol: id; by default the study's first, and for `rows` all.
        first: of `paired` and `claims`, what differences are taken from; by default the first supervised contender.
        second: and what they are taken to; by default the first self-supervised one.

    Raises:
        InvalidRequest: no such format or table, rows as LaTeX, or the place cannot be written to.
        UnknownName: no such protocol or contender.
        DataUnavailable: nothing is finished, or a file is missing or damaged.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"There is no format '{format}'. Known: {', '.join(FORMATS)}.")
    if table not in TABLES:
        raise InvalidRequest(f"There is no table '{table}'. Known: {', '.join(TABLES)}.")
    if table == "rows":
        if format == "latex":
            raise InvalidRequest("Rows are too many for LaTeX. Choose csv or parquet, or another table.")
        _write_rows(info, out, format, None if protocol is None else protocol_of(info, protocol))
        return
    protocol = protocol_of(info, protocol)
    pair = pair_of(info, protocol, first, second) if table in ("paired", "claims") else ("", "")
    if format == "latex" and table in ("accuracy", "paired"):
        text = latex.accuracy(info, protocol) if table == "accuracy" else latex.paired(info, protocol, *pair)
        write_bytes(out, text.encode())
        return
    write_frame(info, out, format, SUMMARIES[table](info, protocol, *pair), table, protocol, pair)


def write_frame(
    info: StudyInfo,
    out: str,
    format: str,
    found: pd.DataFrame,
    table: str,
    protocol: str,
    pair: tuple[str, str] = ("", ""),
) -> None:
    """Write what was computed of a study to a file; arguments and errors as of `write`, `table` being its name."""
    if format not in FORMATS:
        raise InvalidRequest(f"There is no format '{format}'. Known: {', '.join(FORMATS)}.")
    if format == "latex":
        data = latex.small(info, protocol, found, table).encode()
    elif format.startswith("csv"):
        data = to_csv(found, mark=format == "csv-excel")
    else:
        buffer = io.BytesIO()
        arrow = pa.Table.from_pandas(found, preserve_index=False)
        pq.write_table(
            arrow.replace_schema_metadata(_facts(info, table, protocol, pair, digest_of(found))),
            buffer,
            compression="zstd",
        )
        data = buffer.getvalue()
    write_bytes(out, data)


def _facts(
    info: StudyInfo, table: str, protocol: str | None, pair: tuple[str, str] = ("", ""), sha256: str = ""
) -> dict[bytes, bytes]:
    """What an exported file must carry to be traced."""
    facts: dict[str, Any] = {
        "invariscope": core.__version__,
        "study": info.id,
        "table": table,
        "protocol": protocol,
        "pair": pair,
        "sha256": sha256,  # of the rows, for whoever reads them again; none of what is written piece by piece
        "updated": info.manifest["updated"],
        "versions": info.manifest.get("versions"),
        "machine": info.manifest.get("machine"),
        "weights": {id: net.get("weights") for id, net in info.encoders.items()},
        "data": {id: about["fingerprint"] for id, about in info.datasets.items()},
    }
    return {FACTS: json.dumps(facts).encode()}


def _named(info: StudyInfo, column: str) -> str:
    """SQL for the name of the class that a column holds the index of."""

    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    cases = (
        f"WHEN {text(id)} THEN list_extract([{', '.join(map(text, about['classes']))}], {column} + 1)"
        for id, about in info.datasets.items()
    )
    return f"CASE dataset {' '.join(cases)} END"


def _write_rows(info: StudyInfo, out: str, format: str, protocol: str | None) -> None:
    """Every answer with the names of its classes, piece by piece: millions of rows need not fit in memory."""
    columns = "*"
    if format.startswith("csv"):  # which knows no lists
        columns = "* REPLACE (array_to_string(top5, ' ') AS top5)"
    with Results(info, protocol) as results:
        names = ", ".join(f"{_named(info, column)} AS {column}_name" for column in ("label", "prediction"))
        schema, batches = results.batches(f"SELECT {columns}, {names} FROM rows")
        schema = schema.with_metadata(_facts(info, "rows", protocol))
        with whole_at(out) as file:
            if format.startswith("csv"):
                file.write(MARK if format == "csv-excel" else b"")
                batches = harmless_batches(batches)
                writer = pyarrow.csv.CSVWriter(file, schema)
            else:
                writer = pq.ParquetWriter(file, schema, compression="zstd")
            with writer:
                for batch in batches:
                    writer.write(batch)
