"""A person's own encoder without a head: what needs none works, what needs one says how to get it."""

from pathlib import Path

import command_line
import numpy as np
import pandas as pd
import pytest
import torch
from command_line import refused, strict
from safetensors.torch import load_file

from core import devices, pipeline, readout, sweeps
from core.augmentations import AUGMENTATIONS
from core.cli import main
from core.encoders import own
from core.encoders.own import Said
from core.paths import ASSETS
from core.samples import image

nothing_fetched = command_line.nothing_fetched
picture = command_line.picture
NETWORK = "resnet-s-64px"
FITTED = "invariscope fit-heads DIR --task tiny-imagenet --encoders mine"


@pytest.fixture
def mine(tmp_path: Path, nothing_fetched: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("core.encoders.opening.converting.rehearse", lambda path, reader: None)
    torch.save(load_file(ASSETS / "models" / "supervised" / "weights.safetensors"), tmp_path / "mine.pth")
    own.add(tmp_path / "mine.pth", "mine", Said(NETWORK, preprocessing={"size": 64, "resize": 64}))
    return "mine"


def test_a_sweep_measures_similarity_without_a_head(
    mine: str, picture: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where bfloat16 is fast, each encoder is judged by its own answers: one may read in it, and the other not.
    monkeypatch.setattr(devices, "has_fast_bf16", lambda device: False)
    out = tmp_path / "sweep.parquet"
    arguments = ["--encoders", f"{mine},supervised", "--augmentation", "hue", "--seeds", "1", "--out", str(out)]
    assert main(["sweep", str(picture), *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert set(strict(captured.out)["floors"]) == {"mine", "supervised"}
    assert f"mine has no head, so only its features are compared; {FITTED}" in captured.err
    table = pd.read_parquet(out)
    ours, theirs = (table[table["encoder"] == id] for id in ("mine", "supervised"))
    assert len(ours) == len(theirs) == len(AUGMENTATIONS["hue"].strengths)
    # The same weights, so the same similarity; the rest would be the answer of a head.
    np.testing.assert_allclose(ours["cosine"], theirs["cosine"], atol=1e-6)
    empty = [*sweeps.OF_A_HEAD, "prediction_name"]
    assert ours[empty].isna().all().all()
    assert theirs[["prediction", "flipped", "confidence", "prediction_name"]].notna().all().all()


@pytest.mark.parametrize("command", ["predict", "attribute"])
def test_where_a_head_is_needed_the_refusal_names_the_command(
    command: str, mine: str, picture: Path, tmp_path: Path, capsys
) -> None:
    out = ["--out", tmp_path / "maps"] if command == "attribute" else []
    assert FITTED in refused(capsys, command, picture, "--encoders", mine, "--device", "cpu", *out)


def test_a_sweep_refuses_a_task_that_does_not_exist(mine: str, picture: Path, tmp_path: Path, capsys) -> None:
    line = refused(capsys, "sweep", picture, "--encoders", mine, "--task", "no", "--out", tmp_path / "x.parquet")
    assert "no task called 'no'" in line


def test_what_makes_two_images_alike_needs_no_head(mine: str) -> None:
    without, like = (
        readout.shared_without_head(mine, torch.device("cpu")),
        pipeline.load("supervised", "tiny-imagenet", "cpu"),
    )
    (cosine, found), (expected, theirs) = (
        pipeline.compare_pair(c, image("cat"), image("coffee")) for c in (without, like)
    )
    assert cosine == pytest.approx(expected)
    assert found.sum() == pytest.approx(cosine, abs=1e-4)
    np.testing.assert_allclose(found, theirs, atol=1e-6)
