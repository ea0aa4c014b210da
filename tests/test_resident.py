"""Encoders in memory: how many, whose turn it is to leave, and that nobody who uses one notices."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toys import CPU, TwoChannels, encoder, spec

from core import pipeline, readout
from core.encoders import resident, room
from core.encoders.encoder import Encoder
from core.encoders.resident import Residents
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

    def __init__(self, places: int = 2, device: torch.device = CPU, **options) -> None:
        self.loads: list[str] = []
        self.device = device
        self.residents = Residents(self.load, lambda device: places * ONE + 5, entry, **options)

    def load(self, id: str, device: torch.device, progress) -> Encoder:
        self.loads.append(id)
        made = encoder(TwoChannels(), entry(id))
        return made if device == CPU else replace(made, device=device)

    def get(self, id: str) -> Encoder:
        return self.residents.get(id, self.device)

    @property
    def here(self) -> list[str]:
        return [found.id for found in self.residents.resident()]


def test_a_resident_encoder_is_loaded_once_and_told_with_its_bytes() -> None:
    shelf = Shelf()
    first = shelf.get("a")
    assert shelf.get("a") is first
    assert shelf.loads == ["a"]
    (found,) = shelf.residents.resident()
    assert (found.id, found.device, found.bytes, found.leaving) == ("a", "cpu", ONE, False)


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


def test_one_in_use_stays_while_an_idle_one_can_leave() -> None:
    shelf = Shelf()
    used = shelf.get("a")
    shelf.get("b")
    shelf.get("c")
    assert shelf.here == ["a", "c"]
    assert shelf.get("a") is used


def test_one_that_has_to_leave_while_used_works_on_and_is_not_loaded_twice() -> None:
    shelf = Shelf(places=1)
    used = shelf.get("a")
    before = used.trunk(torch.ones(1, 3, 8, 8)).feature_map
    shelf.get("b")
    assert [(found.id, found.leaving) for found in shelf.residents.resident()] == [("a", True), ("b", False)]
    assert torch.equal(used.trunk(torch.ones(1, 3, 8, 8)).feature_map, before)
    assert shelf.get("a") is used
    assert shelf.loads == ["a", "b"]
    assert shelf.here == ["a"], "who comes back takes the room of the idle one"
    shelf.get("c")
    del used
    assert shelf.here == ["c"]


def test_more_in_use_than_fit_are_all_kept_by_their_users_alone() -> None:
    shelf = Shelf(places=1)
    used = [shelf.get(id) for id in "abc"]
    assert [found.leaving for found in shelf.residents.resident()] == [True, True, False]
    del used
    assert shelf.here == ["c"]


def test_all_but_some_can_be_told_to_leave() -> None:
    shelf = Shelf(places=5)
    for id in "abcd":
        shelf.get(id)
    shelf.residents.keep(2)
    assert shelf.here == ["c", "d"]


def test_sessions_that_ask_at_once_share_one_load_and_its_progress() -> None:
    begun, told = threading.Event(), threading.Event()

    def load(id: str, device: torch.device, progress) -> Encoder:
        calls.append(id)
        progress(3, 10)
        begun.set()
        assert told.wait(10)
        return encoder(TwoChannels(), entry(id))

    def hear(done: int, total: int) -> None:
        assert (done, total) == (3, 10)
        told.set()

    calls: list[str] = []
    shared = Residents(load, lambda device: 10 * ONE, entry)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.get, "a", CPU)
        assert begun.wait(10)
        others = [pool.submit(shared.get, "a", CPU, hear) for _ in range(3)]
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


@pytest.mark.parametrize(("problem", "loads"), [(WeightsInvalid("damaged"), 1), (Cancelled("stopped"), 2)])
def test_a_failure_is_everybodys_but_a_stop_is_not(problem: Exception, loads: int) -> None:
    begun, waited_for = threading.Event(), threading.Event()
    calls: list[str] = []

    def load(id: str, device: torch.device, progress) -> Encoder:
        calls.append(id)
        if len(calls) == 1:
            progress(1, 2)
            begun.set()
            assert waited_for.wait(10)
            raise problem
        return encoder(TwoChannels(), entry(id))

    shared = Residents(load, lambda device: 10 * ONE, entry)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.get, "a", CPU)
        assert begun.wait(10)
        second = pool.submit(shared.get, "a", CPU, lambda done, total: waited_for.set())
        assert first.exception(10) is problem
        if loads == 1:
            assert second.exception(10) is problem
        else:
            assert second.result(10).spec.id == "a"
    assert len(calls) == loads
    assert shared.get("a", CPU).spec.id == "a"


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
    assert shared.resident() == ()


def test_a_file_larger_than_its_network_is_judged_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.VARIABLE, "40")
    entry = spec("full", weights=WeightFile("full.pth", megabytes=500))
    wide = replace(entry, architecture="resnet18-64px-small")
    shared = Residents(lambda id, device, progress: encoder(TwoChannels(), wide), spec_of=lambda id: wide)
    assert shared.get("full", CPU).spec == wide


def test_one_whose_size_turns_out_too_large_does_not_stay() -> None:
    shared = Residents(
        lambda id, device, progress: encoder(TwoChannels(), entry(id)), lambda device: 100, lambda id: entry(id, 5e-5)
    )
    with pytest.raises(InvalidRequest, match="takes 0 MB"):
        shared.get("a", CPU)
    assert shared.resident() == ()


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


class Thing:
    """What may be referred to weakly."""


def test_what_belongs_to_an_encoder_is_made_once_and_leaves_with_it() -> None:
    shelf = Shelf(places=1)
    owner = shelf.get("a")
    things = shelf.residents
    thing = things.belonging(owner, "head", Thing)
    assert things.belonging(owner, "head", Thing) is thing
    assert things.belonging(owner, "other head", Thing) is not thing
    gone = weakref.ref(thing)
    shelf.get("b")
    assert things.belonging(owner, "head", Thing) is not thing, "one that leaves keeps nothing"
    del owner, thing
    gc.collect()
    assert gone() is None
    assert shelf.here == ["b"]


def test_what_belongs_to_an_encoder_in_use_survives_a_look_for_room() -> None:
    shelf = Shelf()
    owner = shelf.get("a")
    thing = shelf.residents.belonging(owner, "head", Thing)
    for id in "bcd":
        shelf.get(id)
    assert shelf.residents.belonging(owner, "head", Thing) is thing


def test_gpu_memory_is_given_back_after_the_last_reference() -> None:
    emptied, later = [], []
    shelf = Shelf(1, GPU, empty=lambda network: emptied.append(network() is None), soon=later.append)
    shelf.get("a")
    used = shelf.get("b")
    assert emptied == [True], "nobody used the first: at once"
    later.clear()
    shelf.get("c")
    assert emptied == [True]
    assert later == [], "the second is in use"
    del used
    (work,) = later
    work()
    assert emptied == [True, True]


def test_devices_have_budgets_of_their_own() -> None:
    shelf = Shelf(places=1)
    shelf.get("a")
    shelf.residents.get("a", GPU)
    assert {(found.id, found.device) for found in shelf.residents.resident()} == {("a", "cpu"), ("a", "cuda")}


def test_pages_and_commands_share_one_contender_and_a_fresh_load_is_ones_own() -> None:
    shared = resources.contender("random", "tiny-imagenet")
    assert pipeline.load("random", "tiny-imagenet") is shared
    assert pipeline.load("random", "cifar10").encoder is shared.encoder
    assert readout.load_contender("random", "tiny-imagenet", CPU).encoder is not shared.encoder
    assert "random" in [found.id for found in resident.resident()]
