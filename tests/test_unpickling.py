"""Tensors out of files of `torch.save`, without their code. In this process: nothing could run what a file asks for."""

import argparse
import collections
import contextlib
import io
import pickle
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
import torch
from malicious import payloads, strangers, written
from torch import Tensor

from core.encoders.opening import unpickling
from core.encoders.opening.unpickling import Refused

FORMATS = ["torch", "old torch"]


def opened(path: Path) -> tuple[dict[tuple[str, ...], Tensor], set[str]]:
    with path.open("rb") as file:
        found, left_out = unpickling.all_tensors(file)
    return dict(found), left_out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_payloads_do_run_when_a_file_is_opened_carelessly(tmp_path: Path) -> None:
    """Else the tests that nothing ran would prove nothing."""
    trace = tmp_path / "trace"
    for name, payload in payloads(trace).items():
        # What comes back is no tensor, after the call.
        with contextlib.suppress(TypeError, AttributeError, RuntimeError):
            torch.load(written(tmp_path / "evil.pth", payload, "torch"), weights_only=False)
        assert trace.exists(), name
        trace.unlink()


@pytest.mark.parametrize("way", FORMATS)
def test_files_that_ask_for_pythons_own_functions_are_refused(tmp_path: Path, way: str) -> None:
    trace = tmp_path / "trace"
    for name, payload in payloads(trace).items():
        path = written(tmp_path / "evil.pth", {"weight": torch.ones(2), "x": payload}, way)
        with pytest.raises(Refused, match="which is code to run"):
            opened(path)
        with pytest.raises(pickle.UnpicklingError):
            unpickling.plain(path, *unpickling.BAGS)
        assert not trace.exists(), name


@pytest.mark.parametrize("way", ["0", "2", "4"])
def test_pickles_that_torch_did_not_write_are_refused(tmp_path: Path, way: str) -> None:
    trace = tmp_path / "trace"
    for name, payload in (payloads(trace) | strangers(trace) | {"innocent": {"weight": [1.0]}}).items():
        path = written(tmp_path / "evil.pth", payload, way)
        with pytest.raises(Refused, match="none of PyTorch's formats"):
            opened(path)
        assert not trace.exists(), name


@pytest.mark.parametrize("way", FORMATS)
def test_functions_of_libraries_do_nothing_and_the_tensors_stay(tmp_path: Path, way: str) -> None:
    trace = tmp_path / "trace"
    for name, payload in strangers(trace).items():
        path = written(tmp_path / "evil.pth", {"weight": torch.ones(2), "x": payload}, way)
        if name == "numpy.save":  # calls what a call gave
            with pytest.raises(Refused, match="unrecognized function"):
                opened(path)
        else:
            found, left_out = opened(path)
            assert torch.equal(found["weight",], torch.ones(2)), name
            assert left_out, name
        assert not trace.exists(), name


def test_tars_from_before_torch_0_4_are_refused_unread(tmp_path: Path) -> None:
    """PyTorch unpacks them into a folder before it refuses them."""
    trace = tmp_path / "trace"
    with tarfile.open(tmp_path / "old.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(payloads(trace)["os.system"], protocol=2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(Refused, match=r"a tar, in which PyTorch kept tensors before 0\.4"):
        opened(tmp_path / "old.tar")
    with pytest.raises(RuntimeError, match=r"legacy \.tar"):
        unpickling.plain(tmp_path / "old.tar")
    assert not trace.exists()


class Settings(dict):
    """A dictionary of a class that the reader does not have, as training frameworks keep."""


class Slotted:
    """An object whose state is no dictionary."""

    __slots__ = ("weight",)

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight


def checkpoint() -> dict[str, object]:
    numbers = torch.arange(24.0).reshape(4, 6)
    return {
        "state_dict": collections.OrderedDict(
            {
                "module.weight": torch.nn.Parameter(numbers.clone()),
                "module.turned": numbers.T,
                "module.part": numbers[1:3, 2:],
                "module.half": numbers.half(),
                "module.brain": numbers.bfloat16(),
                "module.count": torch.tensor(7),
                "module.flags": torch.tensor([True, False]),
                "module.none": torch.empty(0),
            }
        ),
        "args": argparse.Namespace(lr=0.1, path=Path("/data")),
        "config": Settings(width=[1, 2], inner=Settings()),
        "random": torch.ones(3).numpy(),
        "best": torch.ones(1).numpy()[0],
        "slots": Slotted(torch.ones(1)),
        "epoch": 3,
    }


@pytest.mark.parametrize("way", FORMATS)
def test_every_tensor_comes_out_as_torch_reads_it(tmp_path: Path, way: str) -> None:
    content = checkpoint()
    found, left_out = opened(written(tmp_path / "a.pth", content, way))
    wanted = {("state_dict", key): value for key, value in content["state_dict"].items()}
    assert found.keys() - {("slots", "state", "1", "weight")} == wanted.keys()
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value.detach())
    assert {"argparse.Namespace", "pathlib.PosixPath", "numpy.dtype"} <= left_out
    assert any(name.endswith("Settings") for name in left_out)
    assert not [name for name in left_out if name.startswith(("torch", "collections"))]


def test_sequences_and_unknown_objects_are_followed_by_number_and_name(tmp_path: Path) -> None:
    content = {"list": [torch.ones(1), (torch.zeros(2),)], "bag": argparse.Namespace(inner={"w": torch.ones(3)})}
    content["config"] = Settings(weight=torch.ones(4))
    content["around"] = content
    found, _ = opened(written(tmp_path / "a.pth", content, "torch"))
    assert {path for path in found if path[0] != "around"} == {
        ("list", "0"),
        ("list", "1", "0"),
        ("bag", "inner", "w"),
        ("config", "weight"),
    }


@pytest.mark.filterwarnings("ignore:.*[Ss]parse")
def test_tensors_that_are_no_plain_numbers_are_left_out(tmp_path: Path) -> None:
    odd = {"sparse": torch.eye(3).to_sparse(), "complex": torch.ones(2, dtype=torch.complex64)}
    found, _ = opened(written(tmp_path / "a.pth", odd | {"w": torch.ones(1)}, "torch"))
    assert set(found) == {("w",)}


def test_a_tensor_that_claims_more_than_the_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pth", {"w": torch.ones(1).expand(1 << 40)}, "torch")
    with pytest.raises(Refused, match="claims more numbers"):
        opened(path)


def test_a_file_that_multiplies_itself_is_refused(tmp_path: Path) -> None:
    bomb: list[object] = [torch.ones(1)]
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(Refused, match="multiplies itself"):
        opened(written(tmp_path / "a.pth", bomb, "torch"))


def test_torchscript_and_other_archives_are_refused(tmp_path: Path) -> None:
    for names, told in (
        (["a/data.pkl", "a/constants.pkl", "a/version"], "torchscript"),
        (["read.me"], "no checkpoint"),
    ):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"3\n")
        with pytest.raises(Refused, match=told):
            opened(tmp_path / "a.zip")


@pytest.mark.parametrize("way", FORMATS)
def test_damaged_files_are_refused_wherever_they_end(tmp_path: Path, way: str) -> None:
    path = written(tmp_path / "a.pth", {"w": torch.ones(64)}, way)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        with pytest.raises(Refused):
            opened(path)


class Hiding:
    """Pickled as a dictionary with an attribute in the place of its method."""

    def __reduce__(self) -> tuple:
        return collections.OrderedDict, (), {"items": collections.OrderedDict}, None, iter([("w", torch.ones(2))])


def test_attributes_that_hide_a_dictionarys_own_do_nothing(tmp_path: Path) -> None:
    found, _ = opened(written(tmp_path / "a.pth", {"model": Hiding()}, "torch"))
    assert list(found) == [("model", "w")]


def test_two_loads_at_once_do_not_take_what_the_other_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's list of what is allowed is one for all threads, and who is done with it takes his names from it."""
    path = written(tmp_path / "a.pth", {"args": argparse.Namespace(lr=0.1)}, "torch")
    load, slow, before = torch.load, threading.Event(), set(torch.serialization.get_safe_globals())

    def second_ends_first(file: Path, **options: object) -> object:
        if threading.current_thread().name == "first":
            slow.wait(1)  # until the second has come and gone, which it must not while this one reads
        return load(file, **options)

    monkeypatch.setattr(torch, "load", second_ends_first)
    outcomes: dict[str, object] = {}

    def read() -> None:
        name = threading.current_thread().name
        try:
            outcomes[name] = unpickling.plain(path, *unpickling.BAGS)
        except pickle.UnpicklingError as error:
            outcomes[name] = error
        if name == "second":
            slow.set()

    first, second = (threading.Thread(target=read, name=name) for name in ("first", "second"))
    first.start()
    while set(torch.serialization.get_safe_globals()) == before:
        pass
    second.start()
    first.join()
    second.join()
    assert [type(outcome) for outcome in outcomes.values()] == [dict, dict]
    assert set(torch.serialization.get_safe_globals()) == before
