"""Names as people have them: other forms of Unicode, old encodings, numbers, and paths of any letters."""

import unicodedata
import zipfile
from pathlib import Path

import pytest
from dataset_files import labelled, pack, picture, split

from core.datasets import legacy
from core.datasets.address import listed, open_address, parse
from core.datasets.naming import natural
from core.datasets.spec import Address
from core.errors import DataUnavailable, InvalidRequest

CHINESE, JAPANESE, RUSSIAN = ("训练猫", "花卉"), ("ねこの写真", "学習データ"), ("Кошка", "Собака")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_one_class_in_two_forms_of_unicode(root: Path) -> None:
    names = ("Évêque", "Zèbre", "Пёс 🐕")
    composed, decomposed = ([unicodedata.normalize(form, name) for name in names] for form in ("NFC", "NFD"))
    split(root / "pets", dict.fromkeys(composed, 3), dict.fromkeys(decomposed, 2), val=dict.fromkeys(decomposed, 1))
    (root / "pets" / "words.txt").write_text(f"{decomposed[1]}\tzebra\n", encoding="utf-8")
    found = open_address("folder:pets")
    assert set(found.classes) == {composed[0], "zebra", composed[2]}
    assert [len(part) for part in found.parts.values()] == [9, 3, 6]
    assert found.parts["test"].ids[0].split("/")[1] in composed, "tables hold one form"


def test_one_class_twice_in_one_part_is_told(root: Path) -> None:
    labelled(root / "pets", {unicodedata.normalize(form, "Évêque"): 2 for form in ("NFC", "NFD")} | {"cat": 2})
    with pytest.raises(DataUnavailable, match="by the form of their accents alone"):
        open_address("folder:pets")


def test_classes_are_sorted_as_people_count(root: Path) -> None:
    names = ["0", "1", "2", "10", "100"]
    split(root / "digits", dict.fromkeys(names, 2), dict.fromkeys(names, 1))
    found = open_address("folder:digits?id=mine")
    assert list(found.classes) == names
    assert [id.split("/")[1] for id in found.parts["test"].ids] == names
    assert sorted(["b2", "b10", "a", "b1", "B"], key=natural) == ["B", "a", "b1", "b2", "b10"]


def old_zip(path: Path, folders: tuple[str, ...], encoding: str, tmp_path: Path) -> None:
    """A zip whose names are bytes of an encoding that it does not tell, as old programs pack."""
    image = picture(tmp_path / "x.png").read_bytes()
    stand_ins: dict[bytes, bytes] = {}
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(folders):
            for i in range(3):
                meant = f"{name}/{i}.png".encode(encoding)
                ascii_name = f"{number}{i}".ljust(len(meant), "~")
                stand_ins[ascii_name.encode()] = meant
                archive.writestr(ascii_name, image)
    data = path.read_bytes()
    for ascii_name, meant in stand_ins.items():
        data = data.replace(ascii_name, meant)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("encoding", "names"), [("gbk", CHINESE), ("shift_jis", JAPANESE), ("cp866", RUSSIAN), ("utf-8", CHINESE)]
)
def test_names_in_old_archives_are_read_and_the_guess_is_told(
    encoding: str, names: tuple[str, ...], root: Path, tmp_path: Path
) -> None:
    old_zip(root / "old.zip", names, encoding, tmp_path)
    found = open_address("folder:old.zip")
    assert set(found.classes) == set(names)
    assert (f"read as {encoding}" in found.spec.note) is (encoding != "utf-8")
    assert found.parts["train"].read(0).shape == (8, 10, 3)
    given = open_address(f"folder:old.zip?encoding={encoding}")
    assert set(given.classes) == set(names)
    assert "read as" not in given.spec.note
    with pytest.raises(DataUnavailable, match="not written in ascii"):
        open_address("folder:old.zip?encoding=ascii")
    with pytest.raises(InvalidRequest, match="no encoding called 'klingon'"):
        open_address("folder:old.zip?encoding=klingon")


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ("训练/猫/图片1.jpg", "测试集/花卉/玫瑰.png")),
        ("big5", ("訓練/貓咪/圖片1.jpg", "測試/狗狗/照片.jpg")),
        ("shift_jis", ("学習/ねこ/写真1.jpg", "テスト/はな/バラ.png")),
        ("euc_kr", ("훈련/고양이/사진1.jpg", "시험/강아지/그림.jpg")),
        ("cp866", ("обучение/кошка/фото1.jpg", "тест/собака/снимок.jpg")),
        ("cp1251", ("обучение/кошка/фото1.jpg", "Тест/Собака/снимок.jpg")),
        ("cp1252", ("Vögel/Häher/grün.jpg", "forêt/été/île.jpg")),
        ("cp437", ("Vögel/Häher/grün.jpg", "forêt/été/île.jpg")),
    ],
)
def test_the_encoding_of_a_language_is_guessed(encoding: str, names: tuple[str, ...]) -> None:
    assert legacy.guess([name.encode(encoding) for name in names]) == encoding


SUMMER = "d'été"
AS_TYPED = ("Birds, cropped", "set?v=2", "100% real & clean=yes", "d'été", "50%20off", "a#b;c")


@pytest.mark.parametrize("name", AS_TYPED)
def test_a_path_works_as_it_is_typed(name: str, root: Path) -> None:
    labelled(root / name, {"cat": 5, "dog": 5})
    found = open_address(f"folder:{name}")
    assert found.spec.label == name
    assert open_address(found.address).fingerprint == found.fingerprint, "and as it is written down"
    halved = open_address(f"folder:{name}?domain=similar&id=x")
    assert (halved.spec.domain, halved.spec.id) == ("similar", "x")


@pytest.mark.parametrize(("typed", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_path_is_found_in_either_form_of_unicode(typed: str, stored: str, root: Path) -> None:
    labelled(root / unicodedata.normalize(stored, SUMMER), {"cat": 2, "dog": 2})
    assert open_address(f"folder:{unicodedata.normalize(typed, SUMMER)}").classes == ("cat", "dog")


def test_several_addresses_in_one_text(root: Path) -> None:
    for name in (*AS_TYPED, "x"):
        labelled(root / name, {"cat": 2, "dog": 2})
    typed = [f"folder:{name}" for name in AS_TYPED]
    assert listed(",".join(["cifar10", *typed, "digits"]), root) == ["cifar10", *typed, "digits"]
    assert listed("folder:x?every=2, folder:Birds, cropped?id=b,digits", root) == [
        *("folder:x?every=2", "folder:Birds, cropped?id=b", "digits"),
    ]
    assert listed("folder:gone, too,digits", root) == ["folder:gone", "too", "digits"]
    assert listed(" , ", root) == []
    assert parse("folder:x?every=2", root) == Address("folder", "x", {"every": "2"})


def test_names_of_a_tar_that_are_no_utf8(root: Path, tmp_path: Path) -> None:
    labelled(tmp_path / "pets", {"Aaa": 2, "dog": 2})
    path = pack(tmp_path / "pets", root / "pets.tar")
    data = path.read_bytes().replace(b"pets/Aaa", b"pets/" + "Кот".encode("cp1251"))
    fixed = bytearray(data)
    for start in range(0, len(fixed), 512):  # each header's checksum again
        if fixed[start + 257 : start + 262] == b"ustar":
            fixed[start + 148 : start + 156] = b" " * 8
            fixed[start + 148 : start + 156] = b"%06o\0 " % sum(fixed[start : start + 512])
    path.write_bytes(fixed)
    with pytest.raises(DataUnavailable, match=r"no readable text.*encoding="):
        open_address("folder:pets.tar")
    assert open_address("folder:pets.tar?encoding=cp1251").classes == ("dog", "Кот")
