"""Writes the files of a study, each whole or not at all, to a folder or any fsspec address.

<study>/study.toml                   the plan
<study>/manifest.json                versions, machine, encoders, data sets, state of every cell, hash of every file
<study>/cells/<cell>.parquet         rows of one cell; its file is what makes a cell done
<study>/logits/<cell>.parquet        side table
<study>/invariance/, critical/, attribution/, geometry/, features/    tables of the other measures, likewise
<study>/distances.parquet            how far the data sets are from the reference
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pandas as pd
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


def is_local(address: str) -> bool:
    """Whether an address is a folder of this machine."""
    return isinstance(filesystem(address)[0], LocalFileSystem)


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


def digest_of(rows: pd.DataFrame) -> str:
    """The SHA-256 of what is in a table, however it is stored."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()


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
        write_page_checksum=True,  # for files whose hash a killed run could not put into the manifest
    )
    return buffer.getvalue()


def write_cell(out: str, cell: str, tables: Mapping[str, pa.Table | None], facts: dict[str, Any]) -> dict[str, str]:
    """Store a finished cell; returns the SHA-256 of its files by folder.

    Args:
        cell: its id.
        tables: by folder, in the order of writing; a file of an earlier run goes where there is None. The facts are in
            the last, without which a cell is not done and will be run again.
        facts: `key`, which goes into every file, and more.
    """
    last, found = list(tables)[-1], {}
    for folder, table in tables.items():
        address = f"{out}/{folder}/{cell}.parquet"
        if table is not None:
            found[folder] = write_parquet(address, table, facts if folder == last else {"key": facts["key"]})
            continue
        fs, old = filesystem(address)
        if fs.exists(old):
            fs.rm_file(old)  # of other rows than these
    return found


def write_parquet(address: str, table: pa.Table, facts: dict[str, Any]) -> str:
    """Store a table with facts in the file's own metadata; returns the SHA-256 of the file."""
    data = parquet_bytes(table, facts)
    write_bytes(address, data)
    return hashlib.sha256(data).hexdigest()


def sweep(out: str) -> None:
    """Remove what a killed run left half-written in a folder; nobody else may be writing there."""
    fs, path = filesystem(out)
    if isinstance(fs, LocalFileSystem):
        for partial in fs.glob(f"{path}/**/*.partial"):
            fs.rm_file(partial)


def stored(address: str, sha256: str = "") -> tuple[dict[str, Any], str]:
    """The facts in a file that `write_parquet` wrote, and its hash; nothing when it is not there, or not whole.

    Args:
        address: of the file.
        sha256: that it must have; without one, all of its pages are read and their checksums compared.
    """
    fs, path = filesystem(address)
    if not fs.exists(path):
        return {}, ""
    data = fs.cat_file(path)
    found = hashlib.sha256(data).hexdigest()
    try:
        if sha256 not in ("", found):
            return {}, ""
        if not sha256:
            pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
        facts = json.loads((pq.read_schema(pa.BufferReader(data)).metadata or {}).get(FACTS, b"{}"))
    except (pa.ArrowException, ValueError, OSError):  # Arrow says of a damaged footer that it is an OSError
        return {}, ""
    return dict(facts), found
