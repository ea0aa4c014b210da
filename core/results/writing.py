"""Writes the files of a study, each whole or not at all, to a folder or any fsspec address.

<study>/study.toml                   the plan
<study>/manifest.json                versions, machine, encoders, data sets, state of every cell
<study>/cells/<cell>.parquet         rows of one cell; its file is what makes a cell done
<study>/logits/<cell>.parquet        side table
<study>/failed/<cell>.json           why a cell failed; gone once it succeeds
<study>/distances.parquet            how far the data sets are from the reference
"""

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from core.errors import InvalidRequest
from core.files import whole_file

FACTS = b"invariscope"


def filesystem(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of an address and the path on it.

    Raises:
        InvalidRequest: the scheme is unknown, or its package is not installed.
    """
    try:
        fs, path = fsspec.core.url_to_fs(str(address))
    except (ValueError, ImportError) as error:
        raise InvalidRequest(f"{address} cannot be reached: {error}.") from error
    return fs, path


def transport_errors() -> tuple[type[BaseException], ...]:
    """What reading from a disk or an object store may raise when the place, and not the program, is at fault."""
    kinds: tuple[type[BaseException], ...] = (OSError,)
    botocore = sys.modules.get("botocore.exceptions")  # loaded by s3fs alone
    return (*kinds, botocore.BotoCoreError) if botocore else kinds


def write_bytes(address: str, data: bytes) -> None:
    """Write one file, whole or not at all: readers see the old file or the new one.

    Raises:
        InvalidRequest: the place cannot be written to.
    """
    fs, path = filesystem(address)
    if isinstance(fs, LocalFileSystem):
        with whole_at(address) as file:
            file.write(data)
        return
    try:
        fs.pipe_file(path, data)  # an object store shows an object once it is complete
    except transport_errors() as error:
        raise InvalidRequest(f"{address} cannot be written: {reason(error)}. Choose another --out.") from error


@contextlib.contextmanager
def whole_at(address: str) -> Iterator[BinaryIO]:
    """A file to write to that takes its place when the block ends; after an error nothing has changed.

    Raises:
        InvalidRequest: the place cannot be written to.
    """
    fs, path = filesystem(address)
    try:
        if isinstance(fs, LocalFileSystem):
            with whole_file(Path(path)) as file:
                yield file
            return
        with tempfile.TemporaryDirectory() as folder:
            gathered = Path(folder, "file")
            with gathered.open("wb") as file:
                yield file
            fs.put_file(str(gathered), path)
    except transport_errors() as error:
        raise InvalidRequest(f"{address} cannot be written: {reason(error)}. Choose another --out.") from error


def reason(error: BaseException) -> str:
    """What an error of the system or the network says, in one line without a full stop at its end."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")


def _innermost(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) else kind


def _leaf(field: pa.Field) -> str:
    """What Parquet calls the column of a field."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def parquet_bytes(table: pa.Table, facts: dict[str, Any]) -> bytes:
    """A table as Parquet with facts in the file's own metadata (key `invariscope`, JSON)."""
    metadata = {**(table.schema.metadata or {}), FACTS: json.dumps(facts).encode()}
    buffer = io.BytesIO()
    table = table.replace_schema_metadata(metadata)
    # Floats hardly repeat: a dictionary of them is dead weight, and their bytes compress better in planes.
    # DuckDB reads that of single and double precision, not of half.
    leaves = {_leaf(field): _innermost(field.type) in (pa.float32(), pa.float64()) for field in table.schema}
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name, floats in leaves.items() if not floats],
        use_byte_stream_split=[name for name, floats in leaves.items() if floats],
    )
    return buffer.getvalue()


def write_cell(out: str, cell: str, rows: pa.Table, logits: pa.Table | None, facts: dict[str, Any]) -> None:
    """Store a finished cell. The rows come last: a cell without them is not done and will be run again."""
    fs, side = filesystem(f"{out}/logits/{cell}.parquet")
    if logits is None and fs.exists(side):
        fs.rm_file(side)  # of other rows than these
    if logits is not None:
        write_bytes(f"{out}/logits/{cell}.parquet", parquet_bytes(logits, {"key": facts["key"]}))
    write_bytes(f"{out}/cells/{cell}.parquet", parquet_bytes(rows, facts))
    fs, path = filesystem(f"{out}/failed/{cell}.json")
    if fs.exists(path):
        fs.rm_file(path)


def sweep(out: str) -> None:
    """Remove what a killed run left half-written in a folder; nobody else may be writing there."""
    fs, path = filesystem(out)
    if isinstance(fs, LocalFileSystem):
        for partial in fs.glob(f"{path}/**/*.partial"):
            fs.rm_file(partial)


def write_failure(out: str, cell: str, key: str, reason: str) -> None:
    """Record why a cell failed."""
    write_bytes(f"{out}/failed/{cell}.json", json.dumps({"key": key, "reason": reason}).encode())


def facts_of(address: str) -> dict[str, Any]:
    """The facts in a cell's file; empty when there is no such file or it is not one of ours."""
    fs, path = filesystem(address)
    if not fs.exists(path):
        return {}
    data = fs.cat_file(path)
    try:
        return json.loads((pq.read_schema(pa.BufferReader(data)).metadata or {}).get(FACTS, b"{}"))
    except (pa.ArrowInvalid, ValueError, OSError):  # Arrow says of a damaged footer that it is an OSError
        return {}
