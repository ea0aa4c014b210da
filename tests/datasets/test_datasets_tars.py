"""Tar archives: unpacked once into the cache, whole or not at all, and refused when they are hostile."""

import io
import tarfile
from pathlib import Path

import pytest
from dataset_files import pack, refuses_archive, split

from core.datasets.address import open_address
from core.errors import DataUnavailable

TWO = {"cat": 3, "dog": 3}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A good folder to pack."""
    split(tmp_path / "pets", TWO, TWO)
    (tmp_path / "pets" / "words.txt").write_text("cat\tfeline\n")
    (tmp_path / "pets" / "notes.pdf").write_bytes(b"x")
    return tmp_path / "pets"


def test_a_tar_is_unpacked_once_and_again_when_files_are_gone(pets: Path, root: Path, tmp_path: Path) -> None:
    pack(pets, root / "pets.tar.gz")
    open_address("folder:pets.tar.gz")
    files = sorted(p for p in (tmp_path / "cache" / "archives").rglob("*.png"))
    assert len(files) == 12
    times = [path.stat().st_mtime_ns for path in files]
    open_address("folder:pets.tar.gz")
    assert [path.stat().st_mtime_ns for path in files] == times
    files[0].unlink()
    assert len(open_address("folder:pets.tar.gz").parts["test"]) == 6
    assert files[0].exists()


def test_a_tar_cut_between_two_files(pets: Path, root: Path, tmp_path: Path) -> None:
    path = pack(pets, root / "pets.tar")
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:last])
    refuses_archive("pets.tar", "it has no end", tmp_path)


def test_a_tar_with_a_broken_header(pets: Path, root: Path, tmp_path: Path) -> None:
    path = pack(pets, root / "pets.tar")
    with tarfile.open(path) as archive:
        middle = archive.getmembers()[5].offset
    data = bytearray(path.read_bytes())
    data[middle : middle + 100] = b"\xff" * 100
    path.write_bytes(data)
    refuses_archive("pets.tar", "damaged or incomplete", tmp_path)


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "") -> Path:
    with tarfile.open(path, f"w:{mode}") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name: str, type: bytes = tarfile.REGTYPE, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info, b"x" if type == tarfile.REGTYPE else b""


HOSTILE_TARS = {
    "parent": ([member("../evil.png")], "leads outside"),
    "absolute": ([member("/tmp/evil.png")], "absolute path"),
    "symbolic link": ([member("a/x.png", tarfile.SYMTYPE, "/etc/passwd")], "a link or a device"),
    "hard link": ([member("a/y.png"), member("a/x.png", tarfile.LNKTYPE, "a/y.png")], "a link or a device"),
    "link to a folder, then through it": (
        [member("a", tarfile.SYMTYPE, "/tmp"), member("a/evil.png")],
        "a link or a device",
    ),
    "device": ([member("a/x.png", tarfile.CHRTYPE)], "a link or a device"),
    "pipe": ([member("a/x.png", tarfile.FIFOTYPE)], "a link or a device"),
    "twice": ([member("a/x.png"), member("a/x.png")], "have the same name"),
    "case": ([member("a/x.png"), member("A/X.png")], "have the same name"),
    "file and folder": ([member("a"), member("a/x.png")], "have the same name"),
    "no text": ([member("a/\udcff.png")], "no readable text"),
}


@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_hostile_tars(name: str, root: Path, tmp_path: Path) -> None:
    members, words = HOSTILE_TARS[name]
    tarred(root / "evil.tar", member("a/first.png"), *members)
    refuses_archive("evil.tar", words, tmp_path)


@pytest.mark.parametrize("name", ["a/x.png", "a/x.bin"])
def test_a_tar_bomb_of_use_or_not(name: str, root: Path, tmp_path: Path) -> None:
    tarred(root / "evil.tar.gz", (tarfile.TarInfo(name), bytes(100 << 20)), mode="gz")
    refuses_archive("evil.tar.gz", "more than 200 times its own size", tmp_path)


def test_a_header_that_would_fill_the_memory(root: Path, tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    tarred(root / "evil.tar.gz", (info, bytes(20 << 20)), mode="gz")
    refuses_archive("evil.tar.gz", "a header that is too long", tmp_path)


def test_a_cache_that_cannot_be_written(pets: Path, root: Path, tmp_path: Path) -> None:
    pack(pets, root / "pets.tar")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "archives").write_text("a file where a folder of the cache should be")
    with pytest.raises(DataUnavailable, match="another folder with INVARISCOPE_CACHE"):
        open_address("folder:pets.tar")
