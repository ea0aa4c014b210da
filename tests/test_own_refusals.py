"""Files that are no checkpoint, that fit no network, or that would run code: refused with the true reason."""

import copy
import gzip
import json
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BODY, NET, SAID, Tensors, folder, untried
from malicious import payloads
from safetensors.torch import save_file
from torch import Tensor

from core.encoders import architectures, own
from core.encoders.opening import converting, reading
from core.encoders.own import Said
from core.errors import WeightsInvalid, WeightsUnavailable

__all__ = ["folder", "untried"]


def _traced(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.trace(copy.deepcopy(NET), torch.zeros(1, 3, 64, 64)).save(path)


def _halved(path: Path) -> None:
    torch.save(BODY, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _halved_of_2019(path: Path) -> None:
    torch.save(BODY, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_middle(path: Path) -> None:
    torch.save(BODY, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1_000_000] + whole[2_000_000:])


def _half_safetensors(path: Path) -> None:
    save_file(BODY, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _tar(path: Path) -> None:
    torch.save(BODY, path.with_name("w.pth"))
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_name("w.pth"), "w.pth")


def _in_archives(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", b"PK")


OTHER_KINDS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("x.pth", lambda path: path.write_bytes(b""), "it is empty"),
    "web page": ("x.pth", lambda path: path.write_text(" <!DOCTYPE html><html>"), "a web page"),
    "LFS pointer": (
        "x.pth",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 102502400\n"),
        r"a Git LFS pointer, not the file of 102\.5 MB",
    ),
    "cut download": ("x.pth", _halved, r"it ends early, after 2\.\d MB\. Download it again"),
    "cut download of 2019": ("x.pth", _halved_of_2019, r"it ends early, after 2\.\d MB\. Download it again"),
    "cut file of a published name": (
        "dino_resnet50_pretrain.pth",
        _halved,
        r"it is cut off: 2\.\d MB are here, and the published file of its name has about \d+ MB\. Download it again",
    ),
    "beginning lost": ("x.pth", _without_middle, r"it is cut off: 3\.\d MB are here, 4\.\d MB should be\. Download"),
    "cut safetensors": ("x.safetensors", _half_safetensors, r"it is cut off: 2\.\d MB are here, 4\.\d MB should be"),
    "TorchScript": ("x.pt", _traced, "it is TorchScript"),
    "gzip": ("x.pth.gz", lambda path: path.write_bytes(gzip.compress(b"x")), "gzip-compressed"),
    "Keras": ("x.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
    "ONNX": ("x.onnx", lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch" + bytes(99)), "an ONNX graph"),
    "NumPy": ("x.npz", lambda path: np.savez(path, a=np.ones(3)), "NumPy arrays"),
    "archives": ("x.zip", _in_archives, "an archive of archives"),
    "tar": ("x.tar", _tar, r"a tar archive\. Unpack it first"),
    "bare pickle": (
        "x.pkl",
        lambda path: path.write_bytes(pickle.dumps({"a": np.ones(3)})),
        "torch.save did not write",
    ),
    "part": ("model-00001-of-00002.safetensors", lambda path: save_file(BODY, path), "one of 2 parts of a file"),
    "list of parts": ("model.safetensors.index.json", lambda path: path.write_text("{}"), "list of the parts"),
    "Flax": ("flax_model.msgpack", lambda path: path.write_bytes(b"\x81\xa6params"), "a file of Flax"),
    "distributed": ("__0_0.distcp", lambda path: torch.save(BODY, path), "dcp_to_torch_save"),
    "part of ZeRO": (
        "zero_pp_rank_0_mp_rank_00_optim_states.pt",
        lambda path: torch.save({"optimizer_state_dict": {}}, path),
        "an optimizer, not the network",
    ),
    "ensemble": ("x.pth", lambda path: torch.save([BODY, BODY], path), r"a list of 2 .*torch\.load\(FILE\)\[0\]"),
    "JSON": ("x.pth", lambda path: path.write_text(json.dumps({"a": 1})), "Nothing in it ran"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_what_is_no_checkpoint_is_named(kind: str, folder: Path) -> None:
    name, write, said = OTHER_KINDS[kind]
    write(folder / name)
    with pytest.raises(WeightsInvalid, match=said):
        own.add(folder / name, "mine", SAID)


def changed(key: str, value: Tensor) -> Tensors:
    return BODY | {key: value}


PRUNED = {key: value for key, value in BODY.items() if key != "conv1.weight"} | {
    "conv1.weight_orig": BODY["conv1.weight"],
    "conv1.weight_mask": torch.ones_like(BODY["conv1.weight"]),
}
MISFITS: dict[str, tuple[Tensors, str]] = {
    "grey stem": (changed("conv1.weight", torch.ones(32, 1, 3, 3)), "its first layer reads 1 channel where"),
    "wider": ({k: v.repeat(2, *[1] * (v.ndim - 1)) if v.ndim else v for k, v in BODY.items()}, "of a wider network"),
    "shallower": ({k: v for k, v in BODY.items() if not k.startswith("layer3")}, "missing such as layer3"),
    "head alone": ({"fc.weight": torch.ones(7, 256), "fc.bias": torch.ones(7)}, "only a head"),
    "zero": ({k: torch.zeros_like(v) for k, v in BODY.items()}, "gives every image the same feature"),
    "infinite": (changed("layer1.0.bn1.bias", torch.full((48,), torch.inf)), "not finite"),
    "negative variance": (changed("bn1.running_var", -torch.ones(32)), "a negative variance in 'bn1'"),
    "four channels": (changed("conv1.weight", torch.ones(32, 4, 3, 3)), "its first layer reads 4 channels[^.]*\\.$"),
    "parameters alone": (dict(NET.named_parameters()), r"only parameters were saved .* state_dict\(\)\.$"),
    "pruned": (PRUNED, r"it is pruned, .* torch\.nn\.utils\.prune\.remove"),
    "prepared": (BODY | {"conv1.weight_fake_quant.scale": torch.ones(1)}, "prepared for quantisation"),
    "part of FSDP": ({"_flat_param": torch.ones(99), "fc._flat_param": torch.ones(9)}, "FSDP spread over several"),
    "part of ZeRO-3": ({k: torch.empty(0) for k in BODY}, "its tensors are empty.*zero_to_fp32"),
    "quantised": (changed("conv1.weight", torch.ones(32, 3, 3, 3, dtype=torch.int8)), "quantised"),
}


def test_a_folder_is_told(folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="is a folder"):
        own.add(folder, "mine", SAID)


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_says_why(name: str, folder: Path) -> None:
    content, said = MISFITS[name]
    torch.save(content, folder / "mine.pth")
    with pytest.raises(WeightsInvalid, match=said):
        own.add(folder / "mine.pth", "mine", SAID)


@pytest.mark.usefixtures("untried")
def test_the_stem_of_cifar_networks_is_told(folder: Path) -> None:
    tensors = architectures.build("resnet18").state_dict() | {"conv1.weight": torch.ones(64, 3, 3, 3)}
    torch.save(tensors, folder / "mine.pth")
    with pytest.raises(WeightsInvalid, match=r"the stem of CIFAR networks: conv1\.weight is 3×3 .* 7×7"):
        own.add(folder / "mine.pth", "mine", Said("resnet18"))


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize(
    ("file", "said", "reason"),
    [
        ("resnet34", "resnet18", r"it is of a deeper network: \d of 'layer\d\.N' where the network has \d"),
        ("seresnet18", "resnet18", r"unexpected such as layer1\.0\.se"),
    ],
)
def test_a_larger_network_does_not_pass_for_a_smaller_one(file: str, said: str, reason: str, folder: Path) -> None:
    """Every tensor of the smaller one is in it, of the same shape."""
    torch.save(architectures.build(file).state_dict(), folder / "mine.pth")
    with pytest.raises(WeightsInvalid, match=reason):
        own.add(folder / "mine.pth", "mine", Said(said))


@pytest.mark.parametrize("name", payloads(Path("unused")))
def test_code_is_named_as_code_and_nothing_runs(name: str, folder: Path) -> None:
    trace = folder / "trace"
    torch.save({"state_dict": BODY, "more": payloads(trace)[name]}, folder / "mine.pth")
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        own.add(folder / "mine.pth", "mine", SAID)
    assert not trace.exists()
    with pytest.raises(WeightsInvalid, match="Nothing in it ran"):
        converting.convert(folder / "mine.pth", reading.converted_path(folder / "mine.pth"))
    assert not trace.exists()
