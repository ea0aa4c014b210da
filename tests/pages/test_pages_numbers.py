"""The pages and the command line are two views of one computation."""

import json

import pytest
from photos import encoded, photo

from core import samples
from core.cli import main
from core.encoders.registry import encoders
from pages.ui import inputs


def predicted(capsys, paths, ids) -> list[dict]:
    arguments = [*map(str, paths), "--encoders", ",".join(ids), "--task", inputs.DEFAULT_TASK, "--json"]
    assert main(["predict", *arguments, "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_facts_of_one_image(open_page, tmp_path, capsys):
    path = tmp_path / "coffee.jpg"
    path.write_bytes(samples.read("coffee"))
    ids = ["supervised", "random"]
    (row,) = predicted(capsys, [path], ids)
    at = open_page("compare.py", image="coffee", encoders=ids)
    (facts,) = [table.value for table in at.dataframe if "contender" in table.value]
    for result, (_, shown) in zip(row["results"], facts.iterrows(), strict=True):
        assert shown["contender"] == encoders()[result["encoder"]].label
        assert shown["answer"] == result["top"][0]["label"]
        assert shown["head"] == result["head_protocol"]
        for column, name in (("confidence", "confidence"), ("margin", "margin"), ("entropy (nats)", "entropy")):
            assert shown[column] == pytest.approx(result[name], abs=1e-6)


def test_the_table_of_several_uploads(open_page, use_upload, tmp_path, capsys):
    files = {"a.png": encoded(photo(1), "PNG"), "b.jpg": encoded(photo(2), "JPEG"), "c.png": samples.read("cell")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ids = ["supervised", "random"]
    rows = predicted(capsys, [tmp_path / name for name in files], ids)
    at = use_upload(open_page("compare.py", encoders=ids))
    at.file_uploader(key="uploads").set_value([(name, data, "image/png") for name, data in files.items()]).run()
    (batch,) = [table.value for table in at.dataframe if "size" in table.value]
    for row, name, (_, shown) in zip(rows, files, batch.iterrows(), strict=True):
        assert shown["image"] == name
        assert shown["agree"] == row["agreement"]
        for result in row["results"]:
            assert shown[result["encoder"]] == result["top"][0]["label"]
            assert shown[f"{result['encoder']} confidence"] == pytest.approx(result["confidence"], abs=1e-6)
