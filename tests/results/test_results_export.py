"""Tables as files, and the console command that lists, queries and exports."""

import json

import fsspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import refused, strict
from study_rows import invent
from toy_studies import toy

from core.cli import main
from core.errors import InvalidRequest, UnknownName
from core.results import export, latex, reading, store, summary
from core.results.writing import FACTS

TRUTH = [0] * 40


@pytest.fixture
def info(tmp_path, monkeypatch):
    """On one set the first net is far ahead of the second, on the other by a single sample."""
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path))
    said = {
        ("a", "clear", 0): TRUTH,
        ("b", "clear", 0): [1] * 20 + TRUTH[20:],
        ("a", "close", 0): TRUTH,
        ("b", "close", 0): [1, *TRUTH[1:]],
        ("c", "close", 0): [1] * 40,
    }
    return toy(tmp_path, said, {"clear": TRUTH, "close": TRUTH}, families={"b": "SSL", "c": "random"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study with every table in it."""
    root = tmp_path_factory.mktemp("results")
    invent(root, samples=20, seeds=1)
    return store.study("invented", [str(root)])


@pytest.mark.parametrize("table", export.SUMMARIES)
def test_summaries_come_back_from_files(whole, tmp_path, monkeypatch, table):
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(tmp_path))
    expected = export.SUMMARIES[table](whole, "linear", "supervised", "simclr")
    assert len(expected)
    for format, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        out = tmp_path / f"file.{format}"
        export.write(whole, str(out), format, table)
        pd.testing.assert_frame_equal(read(out), expected, check_dtype=False)


@pytest.mark.parametrize("protocol", [None, "knn"])
def test_rows_come_back_from_files(whole, tmp_path, protocol):
    info = whole
    with reading.Results(info, protocol) as results:
        expected = results.frame("SELECT * FROM rows")
    export.write(info, str(tmp_path / "rows.parquet"), "parquet", "rows", protocol)
    back = pq.read_table(tmp_path / "rows.parquet")
    assert back.num_rows == len(expected) == 4 * 3 * 20 * (1 if protocol else 2)
    assert back["sample_id"].to_pylist() == list(expected["sample_id"])
    classes = {id: about["classes"] for id, about in info.datasets.items()}
    for column in ("label", "prediction"):
        names = [classes[d][i] for d, i in zip(expected["dataset"], expected[column], strict=True)]
        assert back[f"{column}_name"].to_pylist() == names
    assert back["top5"].to_pylist() == [list(top) for top in expected["top5"]]
    facts = json.loads(back.schema.metadata[FACTS])
    assert facts["study"] == "invented"
    assert facts["weights"]["simclr"] == "0" * 64
    export.write(info, str(tmp_path / "rows.csv"), "csv", "rows", protocol)
    text = pd.read_csv(tmp_path / "rows.csv")
    assert list(text["prediction"]) == list(expected["prediction"])
    assert [[int(c) for c in top.split()] for top in text["top5"].astype(str)] == [list(t) for t in expected["top5"]]


def test_a_file_for_excel_is_marked_and_holds_the_same(info, tmp_path):
    for table in ("accuracy", "rows"):
        for format in ("csv", "csv-excel"):
            export.write(info, str(tmp_path / f"{table}.{format}"), format, table)
        plain, marked = ((tmp_path / f"{table}.{f}").read_bytes() for f in ("csv", "csv-excel"))
        assert marked == b"\xef\xbb\xbf" + plain


@pytest.mark.parametrize(
    ("out", "asked", "format"),
    [
        ("a.csv", None, "csv"),
        ("a.CSV", "csv-excel", "csv-excel"),
        ("s3://b/a.parquet", None, "parquet"),
        ("a.tex", None, "latex"),
        ("a", None, "csv"),
        ("a.txt", "csv", "csv"),
    ],
)
def test_the_ending_of_a_file_says_its_format(out, asked, format):
    assert export.format_of(out, asked) == format


@pytest.mark.parametrize(("out", "asked"), [("a.xlsx", None), ("a.json", None), ("a.tex", "csv"), ("a.csv", "parquet")])
def test_an_ending_is_never_belied(out, asked):
    with pytest.raises(InvalidRequest, match=r"\.csv|another ending"):
        export.format_of(out, asked)


def test_any_address_can_be_written_to(info):
    export.write(info, "memory://exports/accuracy.csv", "csv")
    export.write(info, "memory://exports/rows.csv", "csv", "rows")
    fs = fsspec.filesystem("memory")
    assert fs.cat_file("/exports/accuracy.csv").startswith(b"dataset,label,")
    assert len(fs.cat_file("/exports/rows.csv").splitlines()) == 1 + 5 * 40
    fs.rm("/exports", recursive=True)


def test_nothing_is_left_of_an_export_that_fails(info, tmp_path):
    (tmp_path / "toy" / "cells" / "close.linear.c.0.parquet").write_bytes(b"PAR1")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Exception, match="damaged"):
        export.write(info, str(out / "rows.csv"), "csv", "rows")
    assert list(out.iterdir()) == []


def test_latex_of_accuracy(info):
    text = latex.accuracy(info, "linear")
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("\\") and "rule" in line] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    (first,) = [line for line in lines if line.startswith(r"Net\_a")]
    wilson = "[91.2, 100.0]"
    assert first == rf"Net\_a & \textbf{{100.0}} {{\scriptsize {wilson}}} & 100.0 {{\scriptsize {wilson}}} \\"
    (last,) = [line for line in lines if line.startswith(r"Net\_c")]
    assert last.startswith(r"Net\_c & -- & 0.0 ")
    assert r"Encoder & Set clear & Set close \\" in lines
    assert "Protocol: linear" in text
    assert info.manifest["updated"][:10] in text
    assert text.count("{") == text.count("}")


def test_latex_of_the_paired_test(info, tmp_path):
    export.write(info, str(tmp_path / "paired.tex"), "latex", "paired")
    text = (tmp_path / "paired.tex").read_text()
    assert r"Set clear & 40 & 20 & 0 & $\mathbf{-50.0}$ " in text
    assert "$< .001$ & first ahead" in text
    assert r"Set close & 40 & 1 & 0 & $-2.5$ " in text
    assert "1.000 & no difference found" in text


@pytest.mark.parametrize("table", ["gap", "controls", "distances"])
def test_latex_of_other_tables(info, tmp_path, table):
    export.write(info, str(tmp_path / "x.tex"), "latex", table)
    text = (tmp_path / "x.tex").read_text()
    assert text.count("&") == (len(export.SUMMARIES[table](info, "linear", "a", "b").columns) - 1) * text.count(r"\\")
    assert "nan" not in text


def test_latex_marks_means_over_classes(tmp_path):
    info = toy(tmp_path, {("a", "x", 0): [0, 1]}, {"x": [0, 1]}, metrics={"x": "mean-per-class"})
    text = latex.accuracy(info, "linear")
    assert rf"Set x{latex.PER_CLASS} \\" in text
    assert "Mean per class." in text


def test_latex_escapes():
    assert latex.escape("a_b & 50 % of {x}\n#1 ~ \\ ^ $") == (
        r"a\_b \& 50 \% of \{x\} \#1 \textasciitilde{} \textbackslash{} \textasciicircum{} \$"
    )


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"format": "xlsx"}, InvalidRequest, "csv, csv-excel, parquet, latex"),
        ({"format": "csv", "table": "nothing"}, InvalidRequest, "accuracy, paired"),
        ({"format": "latex", "table": "rows"}, InvalidRequest, "too many"),
        ({"format": "csv", "protocol": "knn"}, UnknownName, "Known: linear"),
        ({"format": "csv", "table": "paired", "first": "nobody"}, UnknownName, "Known: a, b, c"),
        ({"format": "csv", "table": "paired", "first": "a", "second": "a"}, InvalidRequest, "two different"),
    ],
)
def test_what_cannot_be_exported(info, tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        export.write(info, str(tmp_path / "out"), **options)
    assert not (tmp_path / "out").exists()


def test_the_pair_by_default(info):
    assert export.pair_of(info, "linear", None, None) == ("a", "b")
    assert export.pair_of(info, "linear", "b", None) == ("b", "a")
    assert export.pair_of(info, "linear", None, "a") == ("b", "a")


def test_command_list(info, tmp_path, capsys):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text('{"schema": 0}')
    assert main(["results", "list"]) == 0
    said = capsys.readouterr()
    assert "toy" in said.out
    assert "5 of 5 cells" in said.out
    assert "another version" in said.err
    assert main(["results", "list", "--json"]) == 0
    table = strict(capsys.readouterr().out)
    (row,) = [row for row in table["studies"] if row["id"] == "toy"]
    assert row["cells"] == {"done": 5, "failed": 0, "waiting": 0}
    assert row["encoders"] == ["a", "b", "c"]
    assert [fault["address"] for fault in table["unreadable"]] == [f"file://{tmp_path}/old"]


def test_command_query(info, capsys):
    sql = "SELECT encoder, count(*) AS n, NULL AS nothing FROM rows GROUP BY encoder ORDER BY encoder"
    assert main(["results", "query", "toy", sql, "--json"]) == 0
    rows = strict(capsys.readouterr().out)
    assert rows == [{"encoder": e, "n": n, "nothing": None} for e, n in (("a", 80), ("b", 80), ("c", 40))]
    assert main(["results", "query", "toy", sql, "--limit", "2"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "only the first 2 rows" in said.err
    assert "SELECT" in refused(capsys, "results", "query", "toy", "COPY rows TO 'x'")
    assert "Known: " in refused(capsys, "results", "query", "nothing", sql)


def test_command_export(info, tmp_path, capsys):
    out = tmp_path / "tables" / "accuracy.csv"
    assert main(["results", "export", "toy", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    pd.testing.assert_frame_equal(pd.read_csv(out), summary.accuracy(info, "linear"), check_dtype=False)
    assert "xlsx" in refused(capsys, "results", "export", "toy", "--out", out, "--format", "xlsx")
    blocked = out / "below a file"
    assert "cannot be written" in refused(capsys, "results", "export", "toy", "--out", blocked)
