"""Archives of image folders: read like the folder, and refused in one sentence when they are hostile or broken."""

import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from dataset_files import labelled, pack, refuses_archive, split

from core.datasets import archives, tars
from core.datasets.address import open_address
from core.datasets.archives import Limits
from core.datasets.layout import arrange, unwrapped
from core.datasets.tree import scan
from core.errors import DataUnavailable, UnreadableImage

TWO = {"cat": 3, "dog": 3}
PACKED = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


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


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_is_the_folder(kind: str, pets: Path, root: Path, tmp_path: Path) -> None:
    plain = open_address(f"folder:{pets}")
    path = pack(pets, root / f"pets.{kind}")
    found = open_address(f"folder:pets.{kind}")
    assert found.spec.id == "pets"
    assert found.classes == plain.classes == ("feline", "dog")
    for name, part in plain.parts.items():
        assert found.parts[name].ids == part.ids
        np.testing.assert_array_equal(found.parts[name].labels, part.labels)
        for i in range(len(part)):
            np.testing.assert_array_equal(found.parts[name].read(i), part.read(i))
    assert open_address(f"folder:pets.{kind}").fingerprint == found.fingerprint
    kept = [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file() and "archives" in p.parts]
    assert not [name for name in kept if name.endswith(".pdf")], "nothing but what is of use is unpacked"
    path.write_bytes(path.read_bytes())
    assert open_address(f"folder:pets.{kind}").fingerprint == found.fingerprint, "the bytes count, not the time"


def test_many_threads_read_one_zip(pets: Path, root: Path) -> None:
    pack(pets, root / "pets.zip")
    part = open_address("folder:pets.zip").parts["train"]
    wanted = [part.read(i) for i in range(6)]
    with ThreadPoolExecutor(16) as pool:
        for i, pixels in enumerate(pool.map(part.read, [i % 6 for i in range(600)])):
            np.testing.assert_array_equal(pixels, wanted[i % 6])


def test_leaks_inside_a_zip_are_counted(pets: Path, root: Path) -> None:
    (pets / "test" / "cat" / "copy.png").write_bytes((pets / "train" / "cat" / "0.png").read_bytes())
    pack(pets, root / "pets.zip")
    assert open_address("folder:pets.zip").spec.note.startswith("1 of 7 test images")


def test_a_damaged_note_of_a_digest_counts_as_absent(pets: Path, root: Path, tmp_path: Path) -> None:
    pack(pets, root / "pets.zip")
    before = archives.digest_of(root / "pets.zip")
    (note,) = (tmp_path / "cache" / "digests").iterdir()
    end = b"1" if before.endswith("0") else b"0"
    note.write_bytes(note.read_bytes()[:-1] + end)  # of as many digits, and no other sign
    assert archives.digest_of(root / "pets.zip") == before


def zipped(path: Path, fill: Callable[[zipfile.ZipFile], None]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return path


def zip_link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("train/cat/0.png")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def zip_device(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("train/cat/0.png")
    info.external_attr = 0o020666 << 16
    archive.writestr(info, "")


def named(*names: str) -> Callable[[zipfile.ZipFile], None]:
    def fill(archive: zipfile.ZipFile) -> None:
        for name in names:
            archive.writestr(name, b"x")

    return fill


HOSTILE_ZIPS = {
    "parent": (named("../evil.png"), "leads outside of it by '..'"),
    "hidden parent": (named("a/b/../../../evil.png"), "leads outside"),
    "backslashes": (named("a\\..\\..\\evil.png"), "leads outside"),
    "absolute": (named("/tmp/evil.png"), "absolute path"),
    "drive": (named("C:/evil.png"), "absolute path"),
    "share": (named("\\\\server\\evil.png"), "absolute path"),
    "link": (zip_link, "a link or a device"),
    "device": (zip_device, "a link or a device"),
    "case": (named("a/x.png", "a/X.png"), "'a/x.png' and 'a/X.png' have the same name"),
    "composed": (named("a/\u00e9.png", "a/e\u0301.png"), "have the same name"),
    "file and folder": (named("a", "a/x.png"), "have the same name"),
    "folder and file": (named("a/x.png", "a"), "have the same name"),
    "control": (named("a/x\ny.png"), "no readable text"),
    "bomb": (lambda archive: archive.writestr("a/x.png", bytes(100 << 20)), "more than 200 times its own size"),
}


@pytest.mark.parametrize("name", HOSTILE_ZIPS)
def test_hostile_zips(name: str, root: Path, tmp_path: Path) -> None:
    fill, words = HOSTILE_ZIPS[name]
    zipped(root / "evil.zip", fill)
    refuses_archive("evil.zip", words, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(root: Path, tmp_path: Path) -> None:
    zipped(root / "evil.zip", named("a/x.png", "a/x.png"))
    refuses_archive("evil.zip", "have the same name", tmp_path)


def test_an_encrypted_zip(pets: Path, root: Path, tmp_path: Path) -> None:
    data = bytearray(pack(pets, root / "pets.zip").read_bytes())
    with zipfile.ZipFile(root / "pets.zip") as archive:
        directory = archive.start_dir
    struct.pack_into("<H", data, directory + 8, 1)
    (root / "pets.zip").write_bytes(data)
    refuses_archive("pets.zip", "it is encrypted", tmp_path)


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("keep", [0.3, 0.95])
def test_archives_cut_short(kind: str, keep: float, pets: Path, root: Path, tmp_path: Path) -> None:
    path = pack(pets, root / f"pets.{kind}")
    data = path.read_bytes().rstrip(b"\0") if kind == "tar" else path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    refuses_archive(path.name, "damaged or incomplete", tmp_path)


def test_a_damaged_member_of_a_zip_is_one_unreadable_image(pets: Path, root: Path) -> None:
    path = pack(pets, root / "pets.zip")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("pets/train/dog/2.png")
    data = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    data[start + 20 : start + 60] = bytes(40)
    path.write_bytes(data)
    train = open_address("folder:pets.zip").parts["train"]
    with pytest.raises(UnreadableImage, match="damaged inside the zip"):
        train.read(train.ids.index("train/dog/2.png"))
    assert train.read(0).ndim == 3
    with pytest.raises(DataUnavailable, match=r"'pets/train/dog/2.png' is damaged"):
        archives.open_zip(path, thorough=True)


def test_limits_of_number_and_size(pets: Path, root: Path) -> None:
    for kind, opened in (("zip", archives.open_zip), ("tar", tars.open_tar)):
        path = pack(pets, root / f"pets.{kind}")
        with pytest.raises(DataUnavailable, match="more than 5 files"):
            opened(path, Limits(5, 1 << 30))
        with pytest.raises(DataUnavailable, match="unpacks to more than 0 GiB"):
            opened(path, Limits(500, 1000))
        assert len(opened(path, Limits(500, 1 << 30)).files) == 13
    with pytest.raises(DataUnavailable, match="more than 0 files"):
        archives.open_zip(root / "pets.zip", Limits(0, 1 << 30))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip at all", b"\x1f\x8bno gzip", b"BZh9 no", b"\xfd7zXZ\0 no"])
def test_what_only_looks_like_an_archive(data: bytes, root: Path) -> None:
    (root / "x.zip").write_bytes(data)
    with pytest.raises(DataUnavailable, match=r"is refused: it is damaged|neither a folder nor a zip"):
        open_address("folder:x.zip")


def test_clutter_and_wrapping_of_archives(root: Path, tmp_path: Path) -> None:
    labelled(tmp_path / "w" / "pets", TWO)
    (tmp_path / "w" / "__MACOSX" / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "w" / "__MACOSX" / "pets" / "cat" / "._0.png").write_bytes(b"x")
    (tmp_path / "w" / ".DS_Store").write_bytes(b"x")
    for kind in ("zip", "tar.gz"):
        found = open_address(f"folder:{pack(tmp_path / 'w', root / f'w.{kind}')}")
        assert found.classes == ("cat", "dog")
        assert sum(map(len, found.parts.values())) == 6


def test_an_empty_class_in_a_zip(root: Path, tmp_path: Path) -> None:
    labelled(tmp_path / "pets", {**TWO, "emu": 0})
    pack(tmp_path / "pets", root / "pets.zip")
    with pytest.raises(DataUnavailable, match="'emu' has no images"):
        open_address("folder:pets.zip")
    assert arrange(unwrapped(scan(labelled(tmp_path / "other", TWO))), "other").folders == ("cat", "dog")
