"""Tensors out of pickles, without their code. In this process: nothing here could run what a file asks for."""

import argparse
import collections
import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from malicious import payloads, strangers, written
from torch import Tensor

from core.encoders.opening import unpickling
from core.encoders.opening.husks import Refused

WAYS = ["torch", "old torch", "0", "2", "4"]


def opened(path: Path) -> tuple[dict[tuple[str, ...], Tensor], set[str]]:
    with path.open("rb") as file:
        content, left_out = unpickling.read(file, path.stat().st_size)
    return dict(unpickling.tensors(content)), left_out


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


@pytest.mark.parametrize("way", WAYS)
def test_files_that_ask_for_pythons_own_functions_are_refused(tmp_path: Path, way: str) -> None:
    trace = tmp_path / "trace"
    for name, payload in payloads(trace).items():
        path = written(tmp_path / "evil.pth", {"weight": torch.ones(2), "x": payload}, way)
        with pytest.raises(Refused, match="which is code to run"):
            opened(path)
        assert not trace.exists(), name


@pytest.mark.parametrize("way", ["torch", "old torch"])
def test_functions_of_libraries_do_nothing_and_the_tensors_stay(tmp_path: Path, way: str) -> None:
    trace = tmp_path / "trace"
    for name, payload in strangers(trace).items():
        found, left_out = opened(written(tmp_path / "evil.pth", {"weight": torch.ones(2), "x": payload}, way))
        assert torch.equal(found["weight",], torch.ones(2)), name
        assert left_out, name
        assert not trace.exists(), name


class Settings(dict):
    """A dictionary of a class that the reader does not have, as training frameworks keep."""


class Listed(list):
    """A list of such a class."""


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
        "config": Settings(width=Listed([1, 2]), inner=Settings()),
        "epoch": 3,
    }


@pytest.mark.parametrize("way", ["torch", "old torch"])
def test_every_tensor_comes_out_as_torch_reads_it(tmp_path: Path, way: str) -> None:
    content = checkpoint()
    found, left_out = opened(written(tmp_path / "a.pth", content, way))
    wanted = {("state_dict", key): value for key, value in content["state_dict"].items()}
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value.detach())
    assert "argparse.Namespace" in left_out
    assert any(name.endswith("Settings") for name in left_out)


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


@pytest.mark.parametrize("way", ["0", "2", "3", "4", "5"])
def test_arrays_of_numpy(tmp_path: Path, way: str) -> None:
    arrays = {
        "rows": np.arange(6, dtype=np.float32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f4"),
        "scalar": np.array(5, dtype=np.int64),
        "empty": np.empty((0, 3), np.float16),
    }
    words = {"text": np.array(["a", "b"]), "objects": np.array([None, 1], dtype=object), "one": np.float32(1)}
    found, _ = opened(written(tmp_path / "a.pkl", arrays | words, way))
    assert {path[0] for path in found} == arrays.keys()
    for name, array in arrays.items():
        assert found[name,].shape == array.shape
        np.testing.assert_array_equal(found[name,].numpy(), array)


def changed(data: bytes, old: bytes, new: bytes) -> io.BytesIO:
    assert old in data
    return io.BytesIO(data.replace(old, new))


def refused(content: object) -> str:
    data = pickle.dumps(content, protocol=2)
    with pytest.raises(Refused) as caught:
        list(unpickling.tensors(unpickling.read(io.BytesIO(data), len(data))[0]))
    return str(caught.value)


def test_claims_larger_than_the_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pth", {"w": torch.ones(1).expand(1 << 40)}, "torch")
    with pytest.raises(Refused, match="claims more numbers"):
        opened(path)
    data = pickle.dumps(np.zeros(4, np.float32), protocol=2)
    with pytest.raises(Refused, match="another size"):
        list(unpickling.tensors(unpickling.read(changed(data, b"K\x04\x85", b"K\x05\x85"), len(data))[0]))


def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pth", tmp_path / "packed.pth"
    torch.save({"w": torch.zeros(80_000_000, dtype=torch.int8)}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, True, 1) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(Refused, match="unpacks to 80 MB"):
        opened(packed)


def test_a_file_that_multiplies_itself_is_refused() -> None:
    bomb: list[object] = [torch.ones(1).numpy()]
    for _ in range(40):
        bomb = [bomb, bomb]
    assert "multiplies itself" in refused(bomb)


def test_torchscript_and_other_archives_are_refused(tmp_path: Path) -> None:
    for inside, told in (
        (["a/data.pkl", "a/constants.pkl"], "TorchScript"),
        (["read.me"], "not one of torch's"),
        (["a/data.pkl", "b/data.pkl"], "not one of torch's"),
    ):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in inside:
                archive.writestr(name, pickle.dumps({}))
        with pytest.raises(Refused, match=told):
            opened(tmp_path / "a.zip")


@pytest.mark.parametrize("way", ["torch", "old torch", "2"])
def test_damaged_files_are_refused_wherever_they_end(tmp_path: Path, way: str) -> None:
    path = written(tmp_path / "a.pth", {"w": np.ones(64) if way == "2" else torch.ones(64)}, way)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:end])
        with pytest.raises(Refused):
            opened(path)


class Filled:
    """Pickled as a tensor's rebuilding, whose result is then filled with a state that moves its memory."""

    def __reduce__(self) -> tuple:
        tensor = torch.ones(2)
        rebuild, arguments = tensor.__reduce_ex__(2)[:2]
        return rebuild, arguments, (torch.zeros(9), 0, (9,), (1,))


def test_a_tensor_is_out_of_the_pickles_reach(tmp_path: Path) -> None:
    found, _ = opened(written(tmp_path / "a.pth", {"w": Filled()}, "torch"))
    assert torch.equal(found["w",], torch.ones(2))


class Hiding:
    """Pickled as a dictionary with an attribute in the place of its method."""

    def __reduce__(self) -> tuple:
        return collections.OrderedDict, (), {"items": collections.OrderedDict}, None, iter([("w", torch.ones(2))])


def test_attributes_that_hide_a_dictionarys_own_do_nothing(tmp_path: Path) -> None:
    found, _ = opened(written(tmp_path / "a.pth", {"model": Hiding()}, "torch"))
    assert list(found) == [("model", "w")]
