"""Addresses: read, written, and looked up below the data folder and the working directory."""

from pathlib import Path

import pytest
from dataset_files import labelled

from core.datasets.address import open_address, parse, text_of
from core.datasets.spec import Address
from core.errors import InvalidRequest


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("cifar10", Address("registry", "cifar10")),
        ("pathmnist?size=224", Address("registry", "pathmnist", {"size": "224"})),
        ("folder:a/b", Address("folder", "a/b")),
        ("folder:/a b/c.zip", Address("folder", "/a b/c.zip")),
        ("folder:x?label=My%20birds&every=2", Address("folder", "x", {"label": "My birds", "every": "2"})),
        ("folder:x?label=a%2Cb%26c+d", Address("folder", "x", {"label": "a,b&c+d"})),
        ("folder:what%3F", Address("folder", "what?")),
        ("folder:100%25", Address("folder", "100%")),
        ("folder:C:\\data", Address("folder", "C:\\data")),
    ],
)
def test_read_and_written(text: str, address: Address) -> None:
    assert parse(text) == address
    assert parse(text_of(address)) == address
    assert "," not in text_of(address)


@pytest.mark.parametrize("text", ["", "  ", "folder:", "?every=2", "folder:?every=2"])
def test_names_nothing(text: str) -> None:
    with pytest.raises(InvalidRequest, match="names a data set"):
        parse(text)


def test_the_data_folder_comes_first_and_then_where_one_is(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled(tmp_path / "here" / "pets", {"cat": 2, "dog": 2})
    monkeypatch.chdir(tmp_path / "here")
    assert open_address("folder:pets").classes == ("cat", "dog")
    labelled(root / "pets", {"ant": 2, "bee": 2})
    assert open_address("folder:pets").classes == ("ant", "bee")
    assert open_address("folder:pets", tmp_path / "here").classes == ("cat", "dog")
    assert open_address(f"folder:{tmp_path / 'here' / 'pets'}").classes == ("cat", "dog")


def test_the_address_opens_the_same_again(root: Path) -> None:
    labelled(root / "what? 50%, here", {"cat": 4, "dog": 4, "emu": 4})
    given = "folder:what%3F 50%, here?every=2&domain=similar&id=mine&label=My%20pets&metric=mean-per-class"
    found = open_address(given)
    assert found.classes == ("cat", "emu")
    assert (found.spec.id, found.spec.label, found.spec.metric, found.spec.domain) == (
        *("mine", "My pets", "mean-per-class", "similar"),
    )
    again = open_address(found.address)
    assert again.address == found.address
    assert again.spec == found.spec
    assert again.fingerprint == found.fingerprint
