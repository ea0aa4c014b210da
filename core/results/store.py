"""Finds studies under the result roots, and opens one for queries in place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from core.errors import DataUnavailable, InvalidRequest, InvariscopeError, UnknownName
from core.paths import result_roots
from core.results import integrity, schema
from core.results.info import StudyInfo, fault
from core.results.writing import filesystem, reason, transport_errors

# What DuckDB raises of a query before it reads a file.
MISTAKES = (duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A folder that looks like a study, or a root, that cannot be read.

    Attributes:
        address: of it.
        reason: a sentence for people.
    """

    address: str
    reason: str


def survey(roots: list[str] | None = None) -> tuple[dict[str, StudyInfo], list[Trouble]]:
    """The readable studies by id, and what else is there but cannot be read, with the reason.

    The first root's studies come first; of two with one id the first root's counts. A folder without a manifest is no
    study, and a root that does not exist holds none: neither is a trouble.
    """
    found: dict[str, StudyInfo] = {}
    troubles: list[Trouble] = []
    for root in roots if roots is not None else result_roots():
        try:
            fs, path = filesystem(root)
            entries = sorted(fs.ls(path, detail=False)) if fs.isdir(path) else []
        except InvariscopeError as error:
            troubles.append(Trouble(root, str(error)))
            continue
        except transport_errors() as error:
            troubles.append(Trouble(root, f"{root} cannot be listed: {reason(error)}."))
            continue
        for entry in entries:
            name = entry.rstrip("/").rpartition("/")[2]
            manifest = f"{entry.rstrip('/')}/manifest.json"
            address = fs.unstrip_protocol(entry.rstrip("/"))
            if name.startswith("."):
                continue
            if name in found:
                hidden = f"Study '{name}' here is hidden by the one in {found[name].address}: rename its folder."
                troubles.append(Trouble(address, hidden))
                continue
            try:
                if not fs.isfile(manifest):
                    continue
                table = json.loads(fs.cat_file(manifest))
                wrong = fault(table)
            except transport_errors() as error:
                wrong = f"its manifest.json cannot be read: {reason(error)}"
            except (ValueError, RecursionError):
                wrong = "its manifest.json is damaged: run the study again, which keeps the cells that are whole"
            if wrong is None:
                found[name] = StudyInfo(name, address, table)
            else:
                troubles.append(Trouble(address, f"Study '{name}' cannot be read: {wrong}."))
    return found, troubles


def studies(roots: list[str] | None = None) -> dict[str, StudyInfo]:
    """All readable studies by id, the first root's first; `survey` also says what cannot be read."""
    return survey(roots)[0]


def free_name(id: str, address: str) -> None:
    """Nothing, when a study at an address would be found under its id.

    Raises:
        InvalidRequest: another study has that id, and would be shown instead.
    """
    taken = studies().get(id)
    if taken is not None and filesystem(taken.address)[1] != filesystem(address)[1]:
        raise InvalidRequest(f"There is a study called '{id}' in {taken.address}: give this one another name.")


def study(id: str, roots: list[str] | None = None) -> StudyInfo:
    """The study called `id`.

    Raises:
        DataUnavailable: it is there and cannot be read, or there is no study at all.
        UnknownName: there are others only.
    """
    known, troubles = survey(roots)
    if id in known:
        return known[id]
    for trouble in troubles:
        if trouble.address.rstrip("/").rpartition("/")[2] == id:
            raise DataUnavailable(trouble.reason)
    if not known:
        raise DataUnavailable(
            f"There is no study called '{id}', and no other. Run one with 'invariscope study', or name its folder in "
            "INVARISCOPE_RESULTS."
        )
    raise UnknownName("study", id, known)


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
            info: the study.
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
        self.has_logits, self.has_distances = bool(self._files.get("logits")), distances
        self._connection = duckdb.connect()
        if not isinstance(self._fs, LocalFileSystem):
            self._connection.register_filesystem(self._fs)
        for name, files in self._files.items():
            if files:
                extra = ", filename = true" if name == "logits" else ""
                with self._reading():
                    self._connection.execute(
                        f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{self._quoted(files)}]{extra})"
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

    def register(self, name: str, table: pd.DataFrame) -> None:
        """Make a small table of one's own a view, to join with."""
        self._connection.register(name, table)

    def batches(self, sql: str, parameters: dict[str, Any] | None = None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The answer to a query piece by piece, for tables that should not fill the memory.

        Raises:
            DataUnavailable: a file is damaged or went away; also while the pieces are taken.
        """
        with self._reading():
            reader = pa.RecordBatchReader.from_stream(self._connection.sql(sql, params=parameters or {}))
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
                    "A query is one SELECT statement over the views rows, logits and distances; it changes nothing."
                )
            relation = self._connection.sql(statements[0])
            return (relation if limit is None else relation.limit(limit)).df()
        except duckdb.PermissionException as error:
            raise InvalidRequest(
                f"A query reads the study's own views rows, logits and distances, nothing else ({_first(error)})."
            ) from error
        except duckdb.Error as error:
            if not isinstance(error, MISTAKES):
                self._blame()
            raise InvalidRequest(f"The query cannot be answered: {_first(error)}.") from error

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
