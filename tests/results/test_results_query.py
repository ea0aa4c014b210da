"""What a typed query may do: read the study's views, and nothing else."""

from pathlib import Path

import pytest
from toy_studies import toy

from core.errors import InvalidRequest
from core.results.reading import Results


@pytest.fixture
def folder(tmp_path):
    toy(tmp_path, {("a", "x", 0): [0, 1, 0], ("b", "x", 0): [0, 0, 0]}, {"x": [0, 1, 1]})
    toy(tmp_path, {("secret", "x", 0): [0]}, {"x": [0]}, "other")
    (tmp_path / "secret.csv").write_text("word\nhunter2\n")
    return tmp_path


@pytest.fixture
def results(folder):
    from core.results import store

    with Results(store.study("toy", [str(folder)]), sealed=True) as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT encoder, avg((prediction = label)::INT) FROM rows GROUP BY encoder", 2),
        ("FROM rows", 6),
        ("WITH hits AS (SELECT * FROM rows WHERE prediction = label) SELECT count(*) FROM hits;", 1),
        ("DESCRIBE rows", 22),
        ("-- a comment\nSELECT unnest(top5) FROM rows LIMIT 3", 3),
    ],
)
def test_reading_is_answered(results, sql, rows):
    assert len(results.typed(sql)) == rows


def test_a_limit_cuts(results):
    assert len(results.typed("FROM rows ORDER BY sample_id", 4)) == 4
    assert len(results.typed("FROM rows", 400)) == 6


OUTSIDE = {
    "copy": "COPY rows TO '{out}'",
    "copy over the study": "COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)",
    "export": "EXPORT DATABASE '{out}'",
    "attach": "ATTACH '{out}'",
    "csv": "SELECT * FROM read_csv('{secret}')",
    "text": "SELECT * FROM read_text('{secret}')",
    "file by name": "SELECT * FROM '{secret}'",
    "list of files": "SELECT * FROM glob('{folder}/*')",
    "another study": "SELECT * FROM read_parquet('{other}')",
    "system file": "SELECT * FROM read_csv('/etc/passwd')",
    "network": "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    "bucket": "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "setting": "SET enable_external_access = true",
    "unlock": "SET lock_configuration = false",
    "secret": "CREATE SECRET s (TYPE s3)",
    "pragma": "PRAGMA database_list",
    "explain": "EXPLAIN ANALYZE COPY rows TO '{out}'",
    "create": "CREATE TABLE t AS SELECT 1",
    "drop": "DROP VIEW rows",
    "two": "SELECT 1; COPY rows TO '{out}'",
    "copy inside": "SELECT * FROM query('COPY rows TO ''{out}''')",
    "variable of Python's": "SELECT * FROM folder",
    "nothing": "",
    "no SQL": "hello",
    "no such column": "SELECT nothing FROM rows",
    "parameter": "SELECT $x",
}


@pytest.mark.parametrize("sql", OUTSIDE.values(), ids=OUTSIDE)
def test_all_else_is_refused_in_one_sentence(results, folder, sql):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    places = {
        "out": folder / "out.parquet",
        "own": folder / "toy" / "cells" / "x.linear.a.0.parquet",
        "other": folder / "other" / "cells" / "x.linear.secret.0.parquet",
        "secret": folder / "secret.csv",
        "folder": folder,
    }
    with pytest.raises(InvalidRequest) as caught:
        results.typed(sql.format(**places))
    said = str(caught.value)
    assert said.startswith(("A query ", "The query "))
    assert said.endswith(".")
    assert "\n" not in said
    assert "hunter2" not in said
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not Path("out.parquet").exists()


def test_the_views_are_those_of_the_study(results):
    assert set(results.typed("SHOW TABLES")["name"]) == {"rows"}
