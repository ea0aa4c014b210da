"""A study open for SQL, in place."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from core.errors import DataUnavailable, InvalidRequest
from core.results import integrity, schema
from core.results.info import StudyInfo
from core.results.writing import filesystem, reason, transport_errors

MORE = {"logits": ", filename = true", "attribution": ", union_by_name = true"}
"""What reading a table takes besides its files: maps got columns in time, which older cells lack."""
# What DuckDB raises of a query before it reads a file.
MISTAKES = (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """The process's own, in memory and empty; its cursors are connections, and take none of the 20 ms it takes."""
    return duckdb.connect()


def _first(error: Exception) -> str:
    """The first line of a message of DuckDB's, which goes on with the query and a marker below it."""
    return str(error).partition("\n")[0].rstrip(" .!")


class Results:
    """A study open for SQL: views `rows`, `logits` and `distances` over its files, nothing copied.

    So are the tables of other measures, by the names of their folders, where they are asked for. The views hold the
    cells that the manifest calls done, and of these the ones asked for: files of other cells are not opened. Not for
    several threads at once; opening one costs milliseconds. Use as a context manager.
    """

    def __init__(
        self,
        info: StudyInfo,
        protocol: str | None = None,
        encoders: Collection[str] | None = None,
        datasets: Collection[str] | None = None,
        sealed: bool = False,
        tables: Collection[str] = ("cells", "logits"),
    ) -> None:
        """Open a study, or the cells of it that a protocol, encoders and data sets name.

        Args:
            protocol: of the cells; None for all.
            encoders: of the cells; None for all.
            datasets: of the cells; None for all.
            sealed: whether SQL may read nothing but the study's own files, for queries that a person typed.
            tables: folders to open, of `schema.TABLES`; a view without files is not there.

        Raises:
            DataUnavailable: no such cell is finished, or its file is missing.
        """
        self.info = info
        self._fs, path = filesystem(info.address)
        found = {kind: info.done(protocol, encoders, datasets, schema.MEASURE_OF[kind]) for kind in tables}
        if not any(found.values()):
            wanted = "cell of this kind" if protocol or encoders or datasets else "cell"
            raise DataUnavailable(f"Study '{info.id}' has no finished {wanted} yet.")
        try:
            here = {kind: self._names(f"{path}/{kind}") for kind in tables}
            distances = self._fs.exists(f"{path}/distances.parquet")
        except transport_errors() as error:
            raise DataUnavailable(f"{info.address} cannot be read: {reason(error)}.") from error
        absent = [f"{kind}/{id}" for kind in tables for id in found[kind] if f"{id}.parquet" not in here[kind]]
        if missing := [name for name in absent if not name.startswith("logits/")]:
            raise DataUnavailable(
                f"{info.address}/{missing[0]}.parquet is missing. Run the study again: only this cell is computed."
            )
        self._files = {
            **{
                "rows" if kind == "cells" else kind: [
                    f"{path}/{kind}/{cell}.parquet" for cell in found[kind] if f"{cell}.parquet" in here[kind]
                ]
                for kind in tables
            },
            "distances": [f"{path}/distances.parquet"] if distances else [],
        }
        if isinstance(self._fs, LocalFileSystem):
            integrity.check(info, [file for files in self._files.values() for file in files])
        self.has_distances = distances
        local = isinstance(self._fs, LocalFileSystem)
        # Seals and file systems hold for a database as a whole.
        self._connection = _database().cursor() if local and not sealed else duckdb.connect()
        if not local:
            self._connection.register_filesystem(self._fs)
        for name, files in self._files.items():
            if files:
                extra = MORE.get(name, "")
                # Of studies that grow, cells that an earlier version wrote hold a column more.
                columns = ", ".join(schema.ROWS.names) if name == "rows" else "*"
                with self._reading():
                    self._connection.execute(
                        f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM read_parquet([{self._quoted(files)}]{extra})"
                    )
        if sealed:
            self._seal()

    def _quoted(self, files: Collection[str]) -> str:
        """Files as a list in SQL."""
        if not isinstance(self._fs, LocalFileSystem):
            files = [self._fs.unstrip_protocol(file) for file in files]
        return ", ".join("'" + file.replace("'", "''") + "'" for file in files)

    def _seal(self) -> None:
        """Take from the connection the files, the network, extensions and Python's variables, for good.

        The study's own files stay readable; DuckDB would let a statement write to them too, which `typed` refuses.
        """
        allowed = self._quoted([file for files in self._files.values() for file in files])
        for setting in (
            f"allowed_paths = [{allowed}]",
            "temp_directory = ''",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def _names(self, folder: str) -> set[str]:
        if not self._fs.isdir(folder):
            return set()
        return {entry.rstrip("/").rpartition("/")[2] for entry in self._fs.ls(folder, detail=False)}

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what DuckDB says of files that are damaged, gone or out of reach into one sentence."""
        try:
            yield
        except MISTAKES:
            raise
        except duckdb.Error as error:  # of all kinds: which one depends on where in the file the damage is
            if isinstance(error, duckdb.FatalException | duckdb.InternalException):
                _database.cache_clear()  # after these a database answers nobody
            self._blame()
            raise DataUnavailable(f"{self.info.address} cannot be read: {_first(error)}.") from error

    def _blame(self) -> None:
        """Name the file that cannot be read, when it is one."""
        for file in [file for files in self._files.values() for file in files]:
            try:
                with self._fs.open(file, "rb") as opened:
                    pq.read_table(opened)
            except (pa.ArrowException, *transport_errors()) as error:
                name = file if isinstance(self._fs, LocalFileSystem) else self._fs.unstrip_protocol(file)
                raise DataUnavailable(
                    f"{name} is damaged or cannot be read ({reason(error)}). Delete it and run the study again: only "
                    "this cell is computed."
                ) from error

    def frame(self, sql: str, parameters: dict[str, Any] | None = None) -> pd.DataFrame:
        """The answer to a query; values go in as `$name` parameters, never into the text.

        Raises:
            DataUnavailable: a file is damaged or went away.
        """
        with self._reading():
            return self._connection.execute(sql, parameters or {}).df()

    def table(self, kind: str, cell: str, columns: Collection[str]) -> pa.Table:
        """Columns of one cell as they are kept, names as dictionaries: for what numbers are made of in NumPy.

        Raises:
            DataUnavailable: a file is damaged or went away.
        """
        (file,) = [file for file in self._files[kind] if file.endswith(f"/{cell}.parquet")]
        try:
            with self._fs.open(file, "rb") as opened:
                return pq.read_table(opened, columns=list(dict.fromkeys(columns))).unify_dictionaries()
        except (pa.ArrowException, *transport_errors()) as error:
            self._blame()
            raise DataUnavailable(f"{self.info.address} cannot be read: {_first(error)}.") from error

    def register(self, name: str, table: pd.DataFrame) -> None:
        """Make a small table of one's own a view, to join with."""
        self._connection.register(name, table)

    def batches(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The answer to a query piece by piece, for tables that should not fill the memory.

        Raises:
            DataUnavailable: a file is damaged or went away; also while the pieces are taken.
        """
        with self._reading():
            reader = pa.RecordBatchReader.from_stream(self._connection.sql(sql))
        return reader.schema, self._pieces(reader)

    def _pieces(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (pa.ArrowException, OSError) as error:
            self._blame()
            raise DataUnavailable(f"{self.info.address} cannot be read: {_first(error)}.") from error

    def typed(self, sql: str, limit: int | None = None) -> pd.DataFrame:
        """The answer to one SELECT that a person typed, its first rows when there is a limit; open the study sealed.

        Raises:
            InvalidRequest: it is not one SELECT, is no SQL, or asks for what it may not read.
            DataUnavailable: a file is damaged or went away.
        """
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
                raise InvalidRequest(
                    f"A query is one SELECT statement over the views {self._views()}; it changes nothing."
                )
            relation = self._connection.sql(statements[0])
            return (relation if limit is None else relation.limit(limit)).df()
        except duckdb.PermissionException as error:
            raise InvalidRequest(
                f"A query reads the study's own views {self._views()}, nothing else ({_first(error)})."
            ) from error
        except duckdb.Error as error:
            if not isinstance(error, MISTAKES):
                self._blame()
            raise InvalidRequest(f"The query cannot be answered: {_first(error)}.") from error

    def _views(self) -> str:
        """The views there are, in words."""
        *most, last = [name for name, files in self._files.items() if files]
        return f"{', '.join(most)} and {last}" if most else last

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
