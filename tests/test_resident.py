"""Encoders in memory: how many, whose turn it is to leave, and that nobody who uses one notices."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import CPU, TwoChannels, encoder, spec

from core import pipeline, readout
from core.encoders import room
from core.encoders.encoder import Encoder
from core.encoders.resident import Residents, residents
from core.encoders.spec import EncoderSpec, WeightFile
from core.errors import Cancelled, InvalidRequest, WeightsInvalid
from pages.ui import resources

ONE = 384
"""Bytes of the two-channel network."""
GPU = torch.device("cuda")


def entry(id: str, megabytes: float = ONE / 1e6) -> EncoderSpec:
    return spec(id, weights=WeightFile(f"{id}.pth", megabytes=megabytes))


class Shelf:
    """Loads toys and counts."""

    def __init__(self, places: int = 2) -> None:
        self.loads: list[str] = []
        self.residents = Residents(self.load, lambda device: places * ONE + 5, entry)

    def load(self, id: str, device: torch.device, progress) -> Encoder:
        self.loads.append(id)
        made = encoder(TwoChannels(), entry(id))
        return made if device == CPU else replace(made, device=device)

    def get(self, id: str) -> Encoder:
        return self.residents.get(id, CPU)

    @property
    def here(self) -> list[str]:
        return [found.spec.id for found in self.residents.resident()]


def test_a_resident_encoder_is_loaded_once() -> None:
    shelf = Shelf()
    first = shelf.get("a")
    assert shelf.get("a") is first
    assert shelf.loads == ["a"]
    assert shelf.residents.resident() == [first]


def test_the_least_recently_used_leaves_and_its_memory_is_free() -> None:
    shelf = Shelf()
    gone = weakref.ref(shelf.get("a").network)
    shelf.get("b")
    shelf.get("a")
    shelf.get("c")
    assert shelf.here == ["a", "c"]
    shelf.get("d")
    assert shelf.here == ["c", "d"]
    assert gone() is None
    shelf.get("a")
    assert shelf.loads == ["a", "b", "c", "d", "a"]


def test_one_that_has_to_leave_while_used_works_on_and_is_not_loaded_twice() -> None:
    shelf = Shelf(places=1)
    used = shelf.get("a")
    before = used.trunk(torch.ones(1, 3, 8, 8)).feature_map
    shelf.get("b")
    assert shelf.here == ["a", "b"]
    assert torch.equal(used.trunk(torch.ones(1, 3, 8, 8)).feature_map, before)
    assert shelf.get("a") is used
    assert shelf.loads == ["a", "b"]
    assert shelf.here == ["a"], "who comes back takes the room of the idle one"
    shelf.get("c")
    del used
    assert shelf.here == ["c"]


def test_more_in_use_than_fit_are_kept_by_their_users_alone() -> None:
    shelf = Shelf(places=1)
    used = [shelf.get(id) for id in "abc"]
    assert shelf.here == ["a", "b", "c"]
    del used
    assert shelf.here == ["c"]


def test_room_is_made_before_the_next_is_loaded_and_for_all_that_are_on_their_way() -> None:
    here: list[list[str]] = []

    def load(id: str, device: torch.device, progress) -> Encoder:
        here.append([found.spec.id for found in shared.resident()])
        if id == "c":
            shared.get("d", CPU)
        return encoder(TwoChannels(), entry(id))

    shared = Residents(load, lambda device: 2 * ONE, entry)
    for id in "abc":
        shared.get(id, CPU)
    assert here == [[], ["a"], ["b"], []], "c leaves room for one of a and b, d beside c for neither"


def test_all_but_some_can_be_told_to_leave() -> None:
    shelf = Shelf(places=5)
    for id in "abcd":
        shelf.get(id)
    shelf.residents.keep(2)
    assert shelf.here == ["c", "d"]


def test_sessions_that_ask_at_once_share_one_load() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def load(id: str, device: torch.device, progress) -> Encoder:
        calls.append(id)
        begun.set()
        assert go_on.wait(10)
        return encoder(TwoChannels(), entry(id))

    calls: list[str] = []
    shared = Residents(load, lambda device: 10 * ONE, entry)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.get, "a", CPU)
        assert begun.wait(10)
        others = [pool.submit(shared.get, "a", CPU) for _ in range(3)]
        assert not wait(others, timeout=0.1).done
        go_on.set()
        found = {id(future.result(10)) for future in (first, *others)}
    assert len(found) == 1
    assert calls == ["a"]


def test_different_encoders_load_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def load(id: str, device: torch.device, progress) -> Encoder:
        both.wait()
        return encoder(TwoChannels(), entry(id))

    shared = Residents(load, lambda device: 10 * ONE, entry)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda id: shared.get(id, CPU), "ab", timeout=20))
    assert [one.spec.id for one in found] == ["a", "b"]


@pytest.mark.parametrize("problem", [WeightsInvalid("damaged"), Cancelled("stopped")])
def test_who_waited_for_a_load_that_failed_or_was_stopped_tries_too(problem: Exception) -> None:
    begun, go_on = threading.Event(), threading.Event()
    calls: list[str] = []

    def load(id: str, device: torch.device, progress) -> Encoder:
        calls.append(id)
        if len(calls) == 1:
            begun.set()
            assert go_on.wait(10)
            raise problem
        return encoder(TwoChannels(), entry(id))

    shared = Residents(load, lambda device: 10 * ONE, entry)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.get, "a", CPU)
        assert begun.wait(10)
        second = pool.submit(shared.get, "a", CPU)
        go_on.set()
        assert first.exception(10) is problem
        assert second.result(10).spec.id == "a"
    assert calls == ["a", "a"]


def test_one_larger_than_the_budget_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.VARIABLE, "40")
    asked: list[str] = []
    big = replace(spec("big", weights=WeightFile("big.pth", megabytes=90)), architecture="resnet50", label="Big")
    shared = Residents(lambda id, device, progress: asked.append(id), spec_of=lambda id: big)
    # A ResNet-50 without classifier: 23.5 million parameters and the statistics of its normalisation.
    with pytest.raises(
        InvalidRequest, match=r"Big takes 94 MB, .* 40 MB here\. Set INVARISCOPE_RESIDENT_MB to 95 or more"
    ):
        shared.get("big", CPU)
    assert asked == []
    assert shared.resident() == []


def test_a_file_larger_than_its_network_is_judged_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.VARIABLE, "40")
    entry = spec("full", weights=WeightFile("full.pth", megabytes=500))
    wide = replace(entry, architecture="resnet-s-64px")
    shared = Residents(lambda id, device, progress: encoder(TwoChannels(), wide), spec_of=lambda id: wide)
    assert shared.get("full", CPU).spec == wide


def test_one_whose_size_turns_out_too_large_does_not_stay() -> None:
    shared = Residents(
        lambda id, device, progress: encoder(TwoChannels(), entry(id)), lambda device: 100, lambda id: entry(id, 5e-5)
    )
    with pytest.raises(InvalidRequest, match="takes 0 MB"):
        shared.get("a", CPU)
    assert shared.resident() == []


def test_another_file_is_another_encoder_and_a_lost_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    (tmp_path / "a.pth").write_bytes(b"one")
    shelf = Shelf()
    first = shelf.get("a")
    (tmp_path / "a.pth").unlink()
    assert shelf.get("a") is first
    (tmp_path / "a.pth").write_bytes(b"another")
    assert shelf.get("a") is not first
    assert shelf.loads == ["a", "a"]


def test_devices_have_budgets_of_their_own() -> None:
    shelf = Shelf(places=1)
    here, there = shelf.get("a"), shelf.residents.get("a", GPU)
    assert here is not there
    assert shelf.residents.resident() == [here, there]


def test_pages_and_commands_share_encoder_and_head_and_a_fresh_load_is_ones_own() -> None:
    shared = resources.contender("random", "tiny-imagenet")
    again = pipeline.load("random", "tiny-imagenet")
    assert (again.encoder, again.head) == (shared.encoder, shared.head)
    other = pipeline.load("random", "cifar10")
    assert other.encoder is shared.encoder
    assert other.head.task == "cifar10"
    assert readout.load_contender("random", "tiny-imagenet", CPU).encoder is not shared.encoder
    assert "random" in [found.spec.id for found in residents().resident()]


def test_a_head_leaves_with_its_encoder() -> None:
    shared = pipeline.load("random", "tiny-imagenet")
    head = weakref.ref(shared.head)
    del shared
    residents().keep(0)
    gc.collect()
    assert head() is None
