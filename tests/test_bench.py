"""The benchmark's plumbing: what it prints and when it fails. Nothing here asserts on time."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from core import bench, cli
from core.bench import Row
from core.commands import bench as command

TINY = command.Effort(repetitions=1, large=False, settled=1, uploads=2)
CPU = torch.device("cpu")


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "met"),
    [
        (1.0, 1.15, False, True),
        (1.15, 1.15, False, True),
        (1.2, 1.15, False, False),
        (2.0, 2.0, True, True),
        (1.9, 2.0, True, False),
        (float("nan"), 2.0, True, False),
        (float("nan"), 2.0, False, False),
        (None, 2.0, True, None),
        (3.0, None, False, None),
    ],
)
def test_a_bar_is_met_on_its_own_side(
    value: float | None, limit: float | None, at_least: bool, met: bool | None
) -> None:
    assert Row("x", value, "s", limit, "", at_least).met is met


def test_a_bar_reads_in_words() -> None:
    assert Row("x", 1.0, "s", 1.15, "").bar == "≤ 1.15"
    assert Row("x", 1.0, "s", 2.0, "", at_least=True).bar == "≥ 2"
    assert Row("x", 1.0, "s", None, "").bar is None


def test_work_takes_turns_without_garbage_collection() -> None:
    import gc

    calls: list[str] = []
    collected: list[bool] = []

    def first() -> None:
        calls.append("a")
        collected.append(gc.isenabled())

    seconds = bench.interleaved([first, lambda: calls.append("b")], 3, CPU)
    assert "".join(calls) == "ab" + "ababab"
    assert collected == [True, False, False, False]
    assert gc.isenabled()
    assert len(seconds) == 2
    assert all(value >= 0 for value in seconds)


def test_deviation_is_a_share_of_the_range() -> None:
    expected = np.array([[[-2.0, 2.0]]], dtype=np.float32)
    assert bench.deviation(expected + np.float32(0.5), expected) == pytest.approx(0.125)


def test_photographs_differ_and_have_the_size_they_claim() -> None:
    from core.images.opening import open_image

    first, second = (open_image(bench.photograph(1, variant)) for variant in (0, 1))
    assert first.digest != second.digest
    assert first.width * first.height == pytest.approx(1e6, rel=0.01)
    assert np.prod(bench.SIDES[12]) == 12_000_000


def test_a_whole_quick_run_prints_the_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    monkeypatch.setattr(bench, "SIDES", {1: (96, 72), 12: (160, 120)})
    code = cli.main(["bench", "--quick", "--json", "--device", "cpu"])
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"machine", "rows"}
    assert set(printed["machine"]) == {"cpu", "cores", "threads", "device", "torch", "date"}
    rows = {row["name"]: row for row in printed["rows"]}
    assert all(set(row) == {"name", "value", "unit", "bar", "met", "detail"} for row in rows.values())
    assert {"readout", "captum", "captum maps", "upload 1 MP", "upload 12 MP", "memory"} <= set(rows)
    # A sweep of each packaged encoder that was trained: in bfloat16 another one may be slow.
    assert [name for name in rows if name.startswith("sweep ")] == [
        f"sweep {contender.encoder.spec.id}" for contender in command.packaged(CPU)
    ]
    # What does not depend on time must hold: our maps are theirs.
    assert rows["captum maps"]["met"] is True
    assert rows.get("pytorch-grad-cam maps", rows["captum maps"])["met"] is True
    assert code == int(any(row["met"] is False for row in rows.values()))


def test_a_missing_contender_is_named_and_fails_nothing(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    rows = {row.name: row for row in bench.readout_rows(command.packaged(CPU)[0], 2, 1)}
    assert rows["pytorch-grad-cam"].detail == "not installed"
    assert rows["pytorch-grad-cam"].met is None
    assert "pytorch-grad-cam maps" not in rows


def test_what_is_gained_after_the_settled_uploads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIDES", {1: (96, 72)})
    held = iter([100_000_000, 107_000_000])
    monkeypatch.setattr(bench, "resident_bytes", lambda: next(held))
    row = bench.memory_row(command.packaged(CPU)[0], 1, 2)
    assert (row.value, row.unit, row.met) == (7.0, "MB gained", True)


@pytest.mark.parametrize(("value", "code"), [(1.0, 0), (2.0, 1)])
def test_the_text_is_a_table_and_a_missed_bar_is_exit_code_1(
    value: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("readout", value, "× bare forward", 1.15, "why"), Row("other", None, "s", 2.0, "not installed")]
    monkeypatch.setattr(command, "measure", lambda plan, device: iter(rows))
    assert cli.main(["bench", "--device", "cpu"]) == code
    head, first, second, machine = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "measured", "bar", "met", "detail"]
    assert first.index("why") == head.index("detail") == second.index("not installed")
    assert ("yes" in first) == (code == 0)
    assert "torch" in machine
