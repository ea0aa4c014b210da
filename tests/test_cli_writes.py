"""`invariscope attribute` and `sweep`, in this process: what they write, print, return and refuse."""

from pathlib import Path

import command_line
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import PAIR, TASK, USING, refused, strict
from PIL import Image

from core.attribution import METHODS
from core.augmentations import AUGMENTATIONS
from core.cli import main
from core.tasks import tasks

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture
folder = command_line.folder


def test_attribute_writes_maps_and_what_they_are(picture, tmp_path, capsys):
    out = tmp_path / "deep" / "maps"
    name = tasks()[TASK].classes[5]
    assert main(["attribute", str(picture), *USING, "--class", name.upper(), "--out", str(out), "--json"]) == 0
    manifest = strict(capsys.readouterr().out)
    assert manifest == strict((out / "manifest.json").read_text())
    assert [entry["encoder"] for entry in manifest["maps"]] == PAIR
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["manifest.json", *(f"{id}.{kind}" for id in PAIR for kind in ("png", "npz"))]
    )
    for entry in manifest["maps"]:
        assert entry["class"] == name
        with np.load(entry["raw"]) as archive:
            assert list(archive["map"].shape) == entry["grid"]
            assert float(archive["map"].max()) == entry["largest"]
            assert strict(str(archive["facts"]))["encoder"] == entry["encoder"]
        with Image.open(entry["overlay"]) as overlay:
            assert overlay.format == "PNG"
    assert manifest["scale"] == max(max(e["largest"], -e["smallest"]) for e in manifest["maps"])


@pytest.mark.parametrize("method", METHODS)
def test_attribute_by_every_method(method, picture, tmp_path, capsys):
    arguments = ["--encoders", "random", "--device", "cpu", "--method", method, "--out", str(tmp_path)]
    assert main(["attribute", str(picture), *arguments]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(str(tmp_path / "random.png"))


def test_attribute_refuses(picture, tmp_path, capsys):
    out = ["--out", tmp_path / "maps"]
    near = tasks()[TASK].classes[0]
    line = refused(capsys, "attribute", picture, *USING, "--class", near[:-1], *out)
    assert f"no class '{near[:-1]}'" in line
    assert near in line.split("Did you mean")[1]
    assert "no class 'qqqqq'" in refused(capsys, "attribute", picture, *USING, "--class", "qqqqq", *out)
    line = refused(capsys, "attribute", picture, *USING, "--method", "no-such", *out)
    assert "no attribution method called 'no-such'" in line
    assert all(method in line for method in METHODS)
    (tmp_path / "file").write_text("")
    line = refused(capsys, "attribute", picture, *USING, "--out", tmp_path / "file" / "maps")
    assert "--out" in line
    assert not (tmp_path / "maps").exists()


def test_sweep_writes_every_point_with_where_it_came_from(folder, tmp_path, capsys):
    out = tmp_path / "sweep.parquet"
    arguments = ["--augmentation", "rotation", "--seeds", "2", "--out", str(out), "--json"]
    assert main(["sweep", str(folder), *USING, *arguments]) == 1  # c.png is broken
    captured = capsys.readouterr()
    said = strict(captured.out)
    table = pd.read_parquet(out)
    strengths = AUGMENTATIONS["rotation"].strengths
    assert said["file"] == str(out)
    assert said["rows"] == len(table) == len(PAIR) * len(strengths) * 2 * 2
    assert set(said["floors"]) == set(PAIR) == set(table["encoder"])
    assert {Path(path).name for path in table["path"]} == {"a.png", "b.jpg"}
    identity = table[table["strength"] == AUGMENTATIONS["rotation"].identity]
    # Both sides are the same pixels read in one precision, bfloat16 or not: only the cosine itself rounds.
    assert identity["cosine"].to_numpy() == pytest.approx(1, abs=1e-12)
    assert not identity["flipped"].any()
    facts = strict(pq.read_schema(out).metadata[b"invariscope"].decode())
    assert facts["augmentation"] == "rotation"
    assert facts["floors"] == said["floors"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_sweep_without_chance_needs_one_seed(picture, tmp_path, capsys):
    plain = next(a for a in AUGMENTATIONS.values() if not a.seeded)
    out = tmp_path / "plain.parquet"
    arguments = ["--encoders", "random", "--augmentation", plain.id, "--seeds", "4", "--out", str(out)]
    assert main(["sweep", str(picture), *arguments, "--device", "cpu"]) == 0
    assert len(pd.read_parquet(out)) == len(plain.strengths)
    assert capsys.readouterr().out.startswith(f"{out}: {len(plain.strengths)} rows")


def test_sweep_refuses(picture, tmp_path, capsys):
    out = ["--out", tmp_path / "x.parquet"]
    assert ".parquet" in refused(capsys, "sweep", picture, *USING, "--out", tmp_path / "x.csv")
    line = refused(capsys, "sweep", picture, *USING, "--augmentation", "salt-and-peper", *out)
    assert "no augmentation called 'salt-and-peper'" in line
    assert "salt-and-pepper" in line
    assert f"of {len(AUGMENTATIONS)}" in line
    assert "seeds" in refused(capsys, "sweep", picture, *USING, "--seeds", "0", *out)
    assert list(tmp_path.glob("*.parquet")) == []


def test_a_sweep_that_cannot_be_written_says_so(picture, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x.parquet"
    arguments = ["--encoders", "random", "--augmentation", "hue", "--device", "cpu", "--out", str(out)]
    assert main(["sweep", str(picture), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--out" in captured.err.splitlines()[-1]
