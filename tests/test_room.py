"""How much memory encoders may take, and what one is expected to need."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from toys import CPU, TwoChannels, encoder, spec

from core.encoders import architectures, room
from core.encoders.registry import encoder_spec
from core.encoders.spec import WeightFile
from core.errors import InvalidRequest


@pytest.mark.parametrize("said", ["much", "-3", "0", "nan", "inf"])
def test_a_budget_that_is_no_number_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.VARIABLE, said)
    with pytest.raises(InvalidRequest, match=f"{room.VARIABLE} is '{said}'"):
        room.budget(CPU)


def test_the_budget_is_the_variable_or_a_share_of_what_the_container_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(room.VARIABLE, "1500")
    assert room.budget(CPU) == 1_500_000_000
    monkeypatch.delenv(room.VARIABLE)
    none, some = tmp_path / "none", tmp_path / "some"
    none.write_text("max\n")
    some.write_text("2000000000\n")
    monkeypatch.setattr(room, "LIMITS", (none, some, tmp_path / "absent"))
    assert room.budget(CPU) == 1_000_000_000
    monkeypatch.setattr(room, "LIMITS", (none,))
    assert room.budget(CPU) == psutil.virtual_memory().total // 2


def test_a_size_is_the_catalogs_or_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    unknown = spec(weights=WeightFile("toy.pth"), architecture="resnet50")
    (tmp_path / "toy.pth").write_bytes(bytes(123))
    assert room.expected(unknown, 1000) == 123
    assert room.expected(spec(weights=WeightFile("toy.pth", megabytes=2)), 2_000_000) == 2_000_000


def test_a_size_that_nobody_states_or_that_seems_too_large_is_what_the_code_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    unknown = spec(weights=WeightFile("toy.pth"), architecture="resnet50")
    assert room.expected(unknown, 1000) == pytest.approx(4 * 23.56e6, rel=0.01)
    packaged = encoder_spec("random")
    assert room.expected(packaged, 1000) == pytest.approx(4 * 1.166e6, rel=0.01)

    def computes() -> None:
        torch.ones(1, device="meta").item()

    monkeypatch.setitem(architectures.OWN, "computes", computes)
    assert room.expected(replace(unknown, architecture="computes"), 1000) == 0, "loading it will tell"


def test_a_network_tells_its_size_with_what_its_heads_read() -> None:
    loaded = encoder(TwoChannels(), spec())
    assert room.taken(loaded) == 4 * 2 * 3 * 4 * 4
    with_head = replace(loaded, published={"fc.weight": torch.zeros(10, 2)})
    assert room.taken(with_head) == room.taken(loaded) + 80


def test_one_that_fits_alone_is_welcome() -> None:
    room.require(spec(), 100, 100)
    with pytest.raises(InvalidRequest, match=room.VARIABLE):
        room.require(spec(), 101, 100)
