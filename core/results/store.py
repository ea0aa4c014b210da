"""Finds studies under the result roots, and opens one for queries in place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd
from fsspec.implementations.local import LocalFileSystem

from core.errors import DataUnavailable, UnknownName
from core.paths import result_roots
from core.results import schema
from core.results.writing import filesystem


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """A study as its manifest describes it.

    Attributes:
        id: name of its folder.
        address: of the folder.
        manifest: as `core.study.manifest` writes it.
    """

    id: str
    address: str
    manifest: dict[str, Any]

    @property
    def title(self) -> str:
        """As people read it."""
        return str(self.manifest.get("title") or self.id)

    @property
    def version(self) -> str:
        """Changes whenever the study does: what caches key on."""
        return f"{self.address}@{self.manifest['updated']}"

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """By id: `label`, `domain`, `metric`, `classes` (names), `samples` by part, `address`, `fingerprint`, …"""
        return dict(self.manifest["datasets"])

    @property
    def encoders(self) -> dict[str, dict[str, Any]]:
        """By id: `label`, `regime`, `family`, `method`, `architecture`, `weights`, `data`, `epochs`, …"""
        return dict(self.manifest["encoders"])

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """By cell id: `encoder`, `dataset`, `protocol`, `seed`, `state` (`done`, `failed`, `waiting`), `reason`,
        `facts`."""
        return dict(self.manifest["cells"])


def studies(roots: list[str] | None = None) -> dict[str, StudyInfo]:
    """All readable studies by id, the first root's first; of two with one id, the first root's.

    A folder without a readable manifest is no study and is passed over; a root that is absent holds none.
    """
    found: dict[str, StudyInfo] = {}
    for root in roots if roots is not None else result_roots():
        fs, path = filesystem(root)
        if not fs.isdir(path):
            continue
        for entry in sorted(fs.ls(path, detail=False)):
            name = entry.rstrip("/").rpartition("/")[2]
            manifest = f"{entry.rstrip('/')}/manifest.json"
            if name in found or name.startswith(".") or not fs.exists(manifest):
                continue
            try:
                table = json.loads(fs.cat_file(manifest))
            except ValueError:
                continue
            if table.get("schema") == schema.VERSION:
                found[name] = StudyInfo(name, fs.unstrip_protocol(entry.rstrip("/")), table)
    return found


def study(id: str, roots: list[str] | None = None) -> StudyInfo:
    """The study called `id`.

    Raises:
        UnknownName: there is none.
    """
    known = studies(roots)
    if id not in known:
        raise UnknownName("study", id, known)
    return known[id]


class Results:
    """A study open for SQL: views `rows`, `logits` and `distances` over its files, nothing copied.

    Not for several threads at once; opening one costs milliseconds. Use as a context manager.
    """

    def __init__(self, info: StudyInfo) -> None:
        """Open a study.

        Raises:
            DataUnavailable: it has no finished cell.
        """
        self.info = info
        fs, path = filesystem(info.address)
        self._connection = duckdb.connect()
        prefix = ""
        if not isinstance(fs, LocalFileSystem):
            self._connection.register_filesystem(fs)
            prefix = f"{fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]}://"
        found = {
            name: [prefix + file for file in sorted(fs.glob(f"{path}/{pattern}"))]
            for name, pattern in (
                ("rows", "cells/*.parquet"),
                ("logits", "logits/*.parquet"),
                ("distances", "distances.parquet"),
            )
        }
        if not found["rows"]:
            raise DataUnavailable(f"Study '{info.id}' has no finished cell yet.")
        for name, files in found.items():
            if files:
                quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                extra = ", filename = true" if name == "logits" else ""
                self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{quoted}]{extra})")
        self.has_logits, self.has_distances = bool(found["logits"]), bool(found["distances"])

    def frame(self, sql: str, parameters: dict[str, Any] | None = None) -> pd.DataFrame:
        """The answer to a query; values go in as `$name` parameters, never into the text."""
        return self._connection.execute(sql, parameters or {}).df()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
