"""`invariscope models` and what it can do beside listing."""

import logging
from pathlib import Path

import pytest
import torch
from command_line import nothing_fetched, refused, strict
from malicious import payloads
from safetensors.torch import load_file

from core.cli import main
from core.encoders import architectures
from core.encoders.files import licences
from core.encoders.registry import encoder_spec, encoders
from core.paths import ASSETS

__all__ = ["nothing_fetched"]


@pytest.fixture(autouse=True)
def loud_again():
    logger = logging.getLogger("timm")
    before = logger.level
    yield
    logger.setLevel(before)


def run(capsys, *arguments: object, code: int = 0) -> str:
    assert main(["models", *(str(a) for a in arguments)]) == code
    return capsys.readouterr().out


def test_verify_offline_says_what_was_checked(capsys) -> None:
    rows = strict(run(capsys, "verify", "resnet50-dino", "convnextv2_atto.fcmae", "--offline", "--json"))
    assert [row["id"] for row in rows] == ["resnet50-dino", "convnextv2_atto.fcmae"]
    for row in rows:
        assert set(row) == {"id", "ok", "checks"}
        assert row["ok"] is True
        assert len(row["checks"]) == 6
        assert all(set(check) == {"name", "ok", "detail"} and check["ok"] for check in row["checks"])


def test_verify_loads_what_is_here(capsys) -> None:
    (row,) = strict(run(capsys, "verify", "supervised", "--json"))
    assert row["ok"]
    assert "prediction-repeatable" in {check["name"] for check in row["checks"]}


def test_verify_asks_addresses_unless_it_must_not(capsys, monkeypatch) -> None:
    monkeypatch.setattr("core.fetching.addresses.ask", refuse)
    (row,) = strict(run(capsys, "verify", "resnet50-dino", "--json", code=1))
    assert [check["name"] for check in row["checks"] if not check["ok"]] == ["reachable", "reachable"]
    assert not row["ok"]
    text = run(capsys, "verify", "resnet50-dino", code=1)
    assert "FAIL reachable" in text
    assert "0 of 1 encoders passed" in text


def refuse(*_: object) -> None:
    from core.fetching.addresses import NotGiven

    raise NotGiven("no network in tests")


def test_unknown_encoder_is_refused(capsys) -> None:
    assert "resnet50-dino" in refused(capsys, "models", "verify", "resnet50-dinos")


def test_convert_runs_nothing(capsys, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bad = tmp_path / "bad.pth"
    torch.save(payloads(trace)["os.system"], bad)
    line = refused(capsys, "models", "convert", bad)
    assert str(bad) in line
    assert not trace.exists()
    assert not list(tmp_path.glob("*.safetensors"))


def test_convert_keeps_tensors(capsys, tmp_path: Path) -> None:
    good = tmp_path / "good.pth"
    torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, good)
    assert "1 tensors" in run(capsys, "convert", good)
    assert (tmp_path / "good.pth.safetensors").is_file()


def test_accept_is_recorded_once(capsys) -> None:
    assert not licences.accepted("dinov3")
    assert "recorded in" in run(capsys, "accept", "dinov3")
    assert licences.accepted("dinov3")
    assert "seer" in refused(capsys, "models", "accept", "gpl")


def test_add_makes_a_file_an_encoder(capsys, tmp_path: Path) -> None:
    file = tmp_path / "My Own.pth.tar"
    torch.manual_seed(0)
    network = architectures.build("resnet50")
    named = {f"module.encoder_q.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": named}, file)
    (row,) = [strict(run(capsys, "add", file, "--like", "resnet50-moco-v2-800", "--json"))]
    assert row["id"] == "my-own"
    assert "my-own" in encoders()
    assert (row["regime"], row["note"].split(";")[0]) == (
        "self-supervised",
        "Your own file. Weights taken from 'state_dict', prefix 'module.encoder_q.'. Taken over from "
        "resnet50-moco-v2-800: regime self-supervised, method MoCo v2, preprocessing.",
    )
    assert "already" in refused(capsys, "models", "add", file, "--arch", "resnet50")
    line = refused(capsys, "models", "add", file, "--arch", "resnet101", "--id", "other")
    assert "of a shallower network" in line
    assert "has no weights of resnet50 there" in refused(
        capsys, "models", "add", file, "--arch", "resnet50", "--id", "other", "--container", "model"
    )


def test_list_marks_non_commercial_licences(capsys) -> None:
    lines = {line.split()[0]: line for line in run(capsys).splitlines()}
    assert "(non-commercial)" in lines["resnet50-moco-v3-1000"]
    assert "(non-commercial)" not in lines["resnet50-dino"]
    assert len(lines) == len(encoders())


def test_verify_asks_no_address_of_an_own_file(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("core.fetching.addresses.ask", lambda *_: pytest.fail("an address was asked"))
    file = tmp_path / "mine.pth"
    trained = load_file(ASSETS / "models/supervised/weights.safetensors")
    torch.save({"state_dict": {f"module.{key}": value for key, value in trained.items()}}, file)
    run(capsys, "add", file, "--arch", encoder_spec("supervised").architecture, "--size", 64)
    (row,) = strict(run(capsys, "verify", "mine", "--json"))
    assert row["ok"]
    names = [check["name"] for check in row["checks"]]
    assert {"hash", "weights-finite", "features-differ", "prediction-repeatable"} <= set(names)
    assert "as recorded when it was added" in row["checks"][names.index("hash")]["detail"]
    file.unlink()
    assert "FAIL here: There is no file" in run(capsys, "verify", "mine", code=1)
