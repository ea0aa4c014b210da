"""What a file that is no checkpoint is, told by its first bytes, and what to do about it."""

import json
import re
import struct
import zipfile
from pathlib import Path

from core.encoders.registry import encoders

STARTS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype", "it is a web page that was saved in place of the file. Download it by hand, in a browser"),
    (b"<html", "it is a web page that was saved in place of the file. Download it by hand, in a browser"),
    (b"<?xml", "it is an XML answer of a server, saved in place of the file. Download it again"),
    (b"\x89hdf\r\n", "it is an HDF5 file, as Keras writes. Only PyTorch's weights and safetensors can be read"),
    (b"\x1f\x8b", "it is gzip-compressed. Unpack it first (gunzip)"),
    (b"bzh", "it is bzip2-compressed. Unpack it first (bunzip2)"),
    (b"7z\xbc\xaf", "it is a 7z archive. Unpack it first"),
    (b"rar!", "it is a RAR archive. Unpack it first"),
    (b"\x93numpy", "it is a NumPy array, not named weights"),
    (b"gguf", "it is a GGUF file of quantised weights, which cannot be undone"),
)

DISTRIBUTED = (
    "it is of a distributed checkpoint, a folder of parts. Join them: "
    "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, NEW)"
)
SUFFIXES = {
    ".index.json": "it is the list of the parts of a file. Join those: load each and save all their tensors as one",
    ".msgpack": "it is a file of Flax, of JAX. Only PyTorch's weights and safetensors can be read",
    ".distcp": DISTRIBUTED,
    ".metadata": DISTRIBUTED,
    "optim_states.pt": (
        "it is DeepSpeed's part of an optimizer, not the network. Join the parts with zero_to_fp32.py, which stands in "
        "the checkpoint's folder"
    ),
}
"""Endings that say what a file is where its first bytes do not."""
PROTOCOLS = tuple(bytes([number]) for number in range(2, 6))
MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""The number that every file of `torch.save` before its zip format begins with, as its pickle spells it."""


def other_kind(path: Path) -> str:
    """A clause on what a file is and what to do, empty for what may be a checkpoint.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        return "it is empty. Download it again"
    with path.open("rb") as file:
        start = file.read(512)
    plain = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if plain.startswith(b"version https://git-lfs"):
        whole = re.search(rb"\nsize (\d+)", plain)
        of = f" of {int(whole[1]) / 1e6:.1f} MB" if whole else ""
        return f"it is a Git LFS pointer, not the file{of} it stands for. Run 'git lfs pull' where it is"
    for signature, clause in STARTS:
        if plain.startswith(signature):
            return clause
    if shards := re.search(r"-\d{5}-of-(\d{5})\.\w+$", path.name):
        return f"it is one of {int(shards[1])} parts of a file. Join them: load each and save all their tensors as one"
    for suffix, clause in SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return clause
    if start[257:262] == b"ustar":
        return "it is a tar archive. Unpack it first (tar -xf)"
    if path.suffix == ".safetensors":
        return _cut_safetensors(path, size)
    if start[:1] == b"\x80" and start[1:2] in PROTOCOLS and MAGIC not in start:
        return (
            "it is a pickle that torch.save did not write. Where it came from, save its arrays as tensors: "
            "torch.save({name: torch.as_tensor(array) for name, array in ...}, NEW)"
        )
    if start.startswith(b"PK\x03\x04"):
        return _zip(path, size)
    if path.suffix.lower() == ".onnx" or (start[:1] == b"\x08" and (b"onnx" in plain or b"pytorch" in plain[:64])):
        return "it is an ONNX graph. Save the PyTorch network's state_dict() instead"
    if path.suffix.lower() == ".pb" or path.name.endswith(".index") or ".data-0000" in path.name:
        return "it is a TensorFlow file. Only PyTorch's weights and safetensors can be read"
    return ""


def _cut_safetensors(path: Path, size: int) -> str:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size:
            return f"it is cut off, or no safetensors file: its header alone should have {length:,} bytes of {size:,}"
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return ""  # the reader says what is wrong
    whole = 8 + length + max(ends, default=0)
    return cut(path, whole) if whole > size else ""


def cut(path: Path, whole: int = 0) -> str:
    """A clause on a file of which a part is missing: how much is here and, where anybody knows it, should be.

    Args:
        path: the file.
        whole: bytes that it should have, as it says itself; 0 where it does not, and then a file that the catalog knows
            by the same name says so, about.
    """
    here = path.stat().st_size
    if whole:
        return f"it is cut off: {_size(here)} are here, {_size(whole)} should be. Download it again"
    stated = {
        file.megabytes
        for spec in encoders().values()
        for file in spec.files
        if file.megabytes and path.name in (file.file, *(url.rpartition("/")[2] for url in file.addresses))
    }
    if len(stated) == 1 and (megabytes := stated.pop()) * 1e6 > here:
        return (
            f"it is cut off: {_size(here)} are here, and the published file of its name has about {megabytes:.0f} MB. "
            "Download it again"
        )
    return f"it ends early, after {_size(here)}. Download it again"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count:,} bytes"


def _lost(path: Path, size: int) -> int:
    """Bytes that are missing before a zip's end, which says where it should be; 0 and less where none are."""
    with path.open("rb") as file:
        file.seek(max(0, size - 22 - 0xFFFF - 76))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    length, offset = struct.unpack("<II", tail[at + 12 : at + 20])
    end = offset + length
    # Archives that may be large have two more records between directory and end, with numbers of 64 bits.
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07" and tail[at - 76 : at - 72] == b"PK\x06\x06":
        length, offset = struct.unpack("<QQ", tail[at - 36 : at - 20])
        end = offset + length + 76
    return int(end - (size - len(tail) + at))


def is_packed(path: Path) -> bool:
    """Whether a file is an archive around a file of weights, and not itself one of `torch.save`."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(name.rpartition("/")[2] != "data.pkl" for name in archive.namelist())


def _zip(path: Path, size: int) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return cut(path)
    if (lost := _lost(path, size)) > 0:
        return cut(path, size + lost)
    ends = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in ends:
        return (
            "it is TorchScript, a program with weights. Save its tensors: "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW)"
        )
    if names and all(name.endswith(".npy") for name in names):
        return "it is an archive of NumPy arrays, not PyTorch weights"
    if "data.pkl" not in ends and any(name.lower().endswith((".zip", ".tar", ".gz")) for name in names):
        return "it is an archive of archives. Unpack it until the file of weights lies open"
    return ""
